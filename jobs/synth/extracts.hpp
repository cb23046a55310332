// The text of the artificial extracts: four formats, the truth about every row, and the reference rows of the people.
//
// The four differ as real feeds do: header names, delimiter, date order, gender words, spacing of numbers and
// postcodes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "jobs/synth/errors.hpp"

namespace ligature::synthetic {

struct SourceFormat {
  std::string_view name;  // of the dataset, its folder and its files: gp/gp-00000.csv
  char delimiter;
  // Header names, in column order.
  std::string_view record_id, provider, local_id, nhs_number, date_of_birth, postcode, gender, event_date, code;
};
const SourceFormat& format_of(Source source) noexcept;
std::string header_line(Source source);  // with its line end

inline constexpr std::string_view kTruthHeader = "record_id,person_id,dataset,errors,birth_group\n";
inline constexpr std::string_view kPeopleHeader = "person_id,household,date_of_birth,gender,postcode\n";

// An event in 64 bits, so that sorting puts rows into the order of their extract: those of practices by practice and
// person, those of hospitals by day and, within a day, in an order that has nothing to do with people.
class Event {
 public:
  static constexpr unsigned kRowBits = 10, kPersonBits = 14, kTieBits = 18;
  static constexpr std::uint32_t kMostRows = (1U << kRowBits) - 1;  // of a person in one source

  // leading: below 2^22.  tie: any bits.
  Event(std::uint64_t leading, std::uint64_t tie, std::uint32_t person, std::uint32_t row) noexcept
      : packed_((((leading << kTieBits | (tie & ((1U << kTieBits) - 1))) << kPersonBits | person) << kRowBits) | row) {}
  [[nodiscard]] std::uint32_t person() const noexcept {
    return static_cast<std::uint32_t>(packed_ >> kRowBits) & ((1U << kPersonBits) - 1);
  }
  [[nodiscard]] std::uint32_t row() const noexcept { return static_cast<std::uint32_t>(packed_) & kMostRows; }
  friend bool operator<(Event a, Event b) noexcept { return a.packed_ < b.packed_; }

 private:
  std::uint64_t packed_;
};
static_assert(kNeighbourhoodPeople <= 1U << Event::kPersonBits);

// What one neighbourhood adds to each file.
struct NeighbourhoodText {
  std::array<std::string, kSources> extracts;
  std::array<std::uint64_t, kSources> rows{};
  std::string truth, people, optout, objectors, superseded, practices;
};

class ExtractWriter {
 public:
  // Keeps a reference to the population.
  ExtractWriter(const Population& population, const SynthArguments& arguments);

  // A pure function of the arguments and of n; threads may call it at once.
  [[nodiscard]] NeighbourhoodText write(std::uint64_t n) const;

 private:
  struct Residents;
  void write_source(const Residents& residents, Source source, std::span<const Event> events,
                    NeighbourhoodText& text) const;
  // Another patient of the same provider, by index in the neighbourhood; the person itself if there is none.
  [[nodiscard]] std::uint32_t other_patient(const Residents& residents, std::uint32_t person, Source source,
                                            const Random& random) const noexcept;
  // The line of people.csv: what is true of a person, whatever the systems hold.
  void append_person(std::string& out, std::uint64_t n, std::uint32_t i, const Person& person) const;
  // Takes the number off some rows of people who object, or misspells it.
  void disguise(const Random& random, const Registration& registration, RecordedRow& row) const noexcept;
  // Households register together.
  [[nodiscard]] std::uint32_t practice_of(std::uint64_t n, const Person& person) const noexcept;

  const Population& population_;
  ErrorModel errors_;
  SynthRates rates_;
  bool with_people_;
  std::array<double, kSources> rows_a_person_;
};

}  // namespace ligature::synthetic
