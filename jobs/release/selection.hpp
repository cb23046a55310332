// Which persons are released, and how well they hide among each other.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "jobs/release/slices.hpp"
#include "jobs/release/source.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// The persons that are released, of those whose rows this rank holds.
struct Selection {
  Range persons;                     // this rank's rows of /persons
  std::vector<std::uint8_t> chosen;  // of each, 0 or 1; a byte, so that threads may set neighbours
  [[nodiscard]] bool has(std::uint64_t row) const { return chosen[row - persons.begin] != 0; }
  [[nodiscard]] std::uint64_t count() const {
    return static_cast<std::uint64_t>(std::count(chosen.begin(), chosen.end(), 1));
  }
};

// Released persons who share all that is released of a person and may be known of them.
struct ClassCount {
  std::uint64_t key = 0;  // tells the classes of one selection apart
  std::uint64_t persons = 0;
};

struct SelectionCounts {
  std::uint64_t chosen = 0;         // over all ranks
  std::uint64_t objecting = 0;      // of the cohort, left out because they object
  std::vector<ClassCount> classes;  // of an extract: of this rank's persons
};

// Collective.  The cohort without those who object.  objecting: their rows, ascending, of this rank's persons.
Selection select_persons(const Communicator& comm, const ReleaseSource& source, const Agreement& agreement,
                         const ReleasedAreas& areas, std::span<const std::uint64_t> objecting, SelectionCounts& counts);

// Collective.  Leaves those areas that released persons live in.
void keep_released_areas(const Communicator& comm, const ReleaseSource& source, const Selection& selection,
                         ReleasedAreas& areas);

// The values of a column of persons as they are released: years, the lowest ages of bands, NHS codes, areas' numbers.
// 0 of a year, kNoAge of an age band and areas.missing() mean "missing".
class ReleasedValues {
 public:
  // year_now: that ages are reckoned at.  areas must outlive this.
  ReleasedValues(const ReleasedAreas& areas, int age_band, int year_now);
  // Of each person of a slice that has the column loaded.  room: holds them where they are not as in the dataset.
  std::span<const std::uint64_t> of(const Slice& slice, PersonColumn column, std::vector<std::uint64_t>& room) const;

 private:
  const ReleasedAreas& areas_;
  std::vector<std::uint8_t> band_of_year_;  // up to the year it is; born later is age 0
};
inline constexpr std::uint64_t kNoAge = 255;
inline constexpr std::uint64_t kOldestBand = 90;  // and older: they are too few to be told apart

// "30-39", or "90+".
std::string age_band_text(std::uint64_t lowest, int age_band);

// How well released persons hide among each other.
struct KAnonymity {
  std::uint64_t classes = 0;   // combinations that occur
  std::uint64_t smallest = 0;  // persons of the rarest
  std::uint64_t below = 0;     // persons of combinations of fewer than k
};

// Collective.  Of the quasi-identifiers among the agreement's columns; without any, all persons are one class.
// classes: of this rank's persons.
KAnonymity measure_k_anonymity(const Communicator& comm, std::uint64_t k, const std::vector<ClassCount>& classes);

// The year that ages are reckoned at: that of the run.
int year_of(const ReleaseSource& source);

}  // namespace ligature
