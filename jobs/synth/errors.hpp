// What goes wrong between a person and a row: the error model of the artificial extracts.
//
// Some errors sit in a system's registration of a person, and all its rows repeat them (date of birth, gender, an
// address that is out of date, an NHS number that was replaced); others happen to one row (missing or mistyped numbers,
// spelling). Source of the rates: docs/synthetic-data.md; the shape of date errors is that of 126,904 people in two
// systems of one trust (Cardinal et al., CRATE linkage validation: BMC Medical Informatics and Decision Making, 2023).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/date.hpp"
#include "engine/gender.hpp"
#include "jobs/synth/population.hpp"
#include "jobs/synth/synth.hpp"

namespace ligature::synthetic {

enum class ErrorKind : std::uint8_t {
  nhs_missing,
  nhs_filler,
  nhs_mistyped,
  nhs_other_person,
  nhs_superseded,
  newborn_unnumbered,
  birth_wrong,
  birth_placeholder,
  birth_missing,
  gender_wrong,
  gender_missing,
  postcode_moved,
  postcode_mistyped,
  postcode_missing,
  postcode_pseudo,
  postcode_spelling,
  local_id_missing,
  local_id_wrong,
  resubmitted,
  malformed,
};
inline constexpr std::size_t kErrorKinds = 20;
std::string_view error_name(ErrorKind kind) noexcept;  // as in truth.csv: "nhs_missing"

// A set of kinds, one bit each.
using Errors = std::uint32_t;
constexpr Errors bit(ErrorKind kind) noexcept {
  return Errors{1} << static_cast<unsigned>(kind);
}

enum class Source : std::uint8_t { gp, inpatient, outpatient, ae };
inline constexpr std::size_t kSources = 4;
enum class System : std::uint8_t { practice, trust, second_trust };
inline constexpr std::size_t kSystems = 3;

inline constexpr std::uint64_t kNoNumber = UINT64_MAX;

// What one system holds of a person.
struct Registration {
  std::uint64_t nhs = 0;
  CivilDate birth;  // year 0: missing
  Gender gender = Gender::unknown;
  Errors errors = 0;
};

enum class Spelling : std::uint8_t { standard, lower_case, other_spacing, letter_for_digit };

// Whose local id a row has.
enum class LocalId : std::uint8_t { own, missing, of_another };

struct RecordedRow {
  std::uint64_t nhs = kNoNumber;  // ten digits, or kNoNumber
  PostcodeText postcode;          // outward_length 0: missing
  Spelling spelling = Spelling::standard;
  LocalId local_id = LocalId::own;
  Errors errors = 0;  // of the row and of its registration; but for local_id_wrong and resubmitted
  bool resubmitted = false;
};

// One person of a neighbourhood.
struct Resident {
  std::uint64_t neighbourhood = 0;
  std::uint32_t index = 0;
  std::span<const Person> people;  // of the neighbourhood
  [[nodiscard]] const Person& person() const noexcept { return people[index]; }
  [[nodiscard]] std::uint64_t id() const noexcept { return neighbourhood * kNeighbourhoodPeople + index; }
};

class ErrorModel {
 public:
  // Keeps a reference to the population.
  ErrorModel(const Population& population, const SynthArguments& arguments);

  [[nodiscard]] Registration registration(const Resident& resident, System system) const noexcept;

  // The random choices of one row.  row: its number among the person's rows of this source, below 1024.
  [[nodiscard]] Random row_random(const Resident& resident, Source source, std::uint32_t row) const noexcept;

  [[nodiscard]] RecordedRow record(const Resident& resident, const Addresses& addresses,
                                   const Registration& registration, Source source, System system, DayNumber event,
                                   std::uint32_t row) const noexcept;

 private:
  struct Chances {
    std::array<Chance, kSources> nhs_missing;
    Chance newborn_unnumbered, nhs_superseded, nhs_mistyped, nhs_other_person, nhs_filler;
    Chance birth_wrong, birth_placeholder, birth_missing, gender_wrong, gender_missing;
    Chance postcode_mistyped, postcode_missing, postcode_pseudo, postcode_spelling;
    Chance local_id_missing, local_id_wrong, resubmitted, malformed;
  };
  [[nodiscard]] std::uint64_t other_number(const Resident& resident, const Random& random) const noexcept;

  const Population& population_;
  Chances chances_;
};

// A date with one part wrong, or several, as often as found in practice: a real date, not the given one, not in the
// future of kAsAt.
CivilDate wrong_birth(const CivilDate& birth, const Random& random) noexcept;

// One digit replaced, or two neighbours that differ swapped.
std::uint64_t mistyped_number(std::uint64_t nhs, const Random& random) noexcept;

// The unit's letters swapped, or one character of the inward part or of the district replaced by its like.
PostcodeText mistyped_postcode(const PostcodeText& postcode, const Random& random) noexcept;

// The pseudo postcode of those who have no home.
PostcodeText no_fixed_abode() noexcept;

// The postcode that a system holds on a day.
Place known_address(const Person& person, std::uint64_t neighbourhood, const Addresses& addresses, System system,
                    DayNumber day) noexcept;

}  // namespace ligature::synthetic
