// The artificial people: neighbourhood n of a seed, with its households, twins, care homes, halls and prisons.
//
// A neighbourhood is made whole and alone from (seed, n), so any rank can make any part of the population.  Household
// types and sizes follow the 2011 census of England; ages follow from them (docs/synthetic-data.md compares the
// result). Twins: 15.6 to 15.9 per 1,000 maternities in 2012-13 (ONS); 64 % of pairs of one sex (Weinberg's rule).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/date.hpp"
#include "jobs/synth/numbers.hpp"
#include "jobs/synth/places.hpp"
#include "jobs/synth/random.hpp"
#include "jobs/synth/synth.hpp"

namespace ligature::synthetic {

// All ages are ages on this day, the day after the last event.
inline constexpr CivilDate kAsAt{2014, 4, 1};
inline constexpr CivilDate kFirstEvent{2013, 4, 1};

inline constexpr std::uint16_t kNoTwin = 0xFFFF;

struct Person {
  std::uint64_t slot = 0;  // of the NHS number
  DayNumber birth = kMissingDay;
  std::uint16_t unit = 0;          // home: unit of the neighbourhood's sector
  std::uint16_t first_member = 0;  // the household: persons [first_member, first_member + members)
  std::uint16_t members = 1;
  std::uint16_t twin = kNoTwin;  // index in the neighbourhood
  bool female = false;
  bool communal = false;  // lives in a communal establishment: no household in common with the others
  bool no_fixed_abode = false;
};

// Where a person's addresses stand in the systems.  Earlier addresses are real postcodes with other people in them.
struct Addresses {
  bool moved = false;               // the systems disagree on the address
  bool practice_is_behind = false;  // the practice holds the earlier address, else the trust does
  bool trust_learns = false;        // the trust changes to the present address on trust_learns_on
  DayNumber trust_learns_on = kMissingDay;
  Place earlier, earliest;  // earliest: held by a second trust
};

class Population {
 public:
  // people, seed and the rates of people matter here.
  explicit Population(const SynthArguments& arguments);

  [[nodiscard]] std::uint64_t people() const noexcept { return people_; }
  [[nodiscard]] std::uint64_t neighbourhoods() const noexcept {
    return (people_ + kNeighbourhoodPeople - 1) / kNeighbourhoodPeople;
  }
  // Neighbourhood n: its people in order; person i has the number n * kNeighbourhoodPeople + i over all.
  [[nodiscard]] std::vector<Person> neighbourhood(std::uint64_t n) const;

  // The addresses of a person; members of a household move together.
  [[nodiscard]] Addresses addresses(std::uint64_t n, const Person& person) const noexcept;

  [[nodiscard]] std::uint64_t nhs_number(const Person& person) const noexcept { return register_.number(person.slot); }
  [[nodiscard]] std::uint64_t nhs_number_of_slot(std::uint64_t slot) const noexcept { return register_.number(slot); }
  // The number that this person's number replaced, if any.
  [[nodiscard]] std::optional<std::uint64_t> replaced_number(const Person& person) const noexcept;

  [[nodiscard]] Random random(Subject subject, std::uint64_t index) const noexcept { return {seed_, subject, index}; }

 private:
  std::uint64_t people_, seed_;
  Chance moved_, superseded_group_;
  SynthRates rates_;
  NumberRegister register_;
};

}  // namespace ligature::synthetic
