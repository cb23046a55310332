// The counts of quality screens that need no rule: sizes, datasets, repeated ids, the largest persons.
#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "jobs/rebuild/event_screens.hpp"

namespace ligature {

namespace {

constexpr std::size_t kLargest = 10;
constexpr std::array<std::uint64_t, kRowClasses> kMostRows = {1, 5, 20, 100, std::numeric_limits<std::uint64_t>::max()};

}  // namespace

std::vector<LargePerson> largest_persons(const Communicator& comm, const Persons& persons) {
  struct Candidate {
    std::uint64_t rows = 0, place = 0;
  };
  const auto larger = [](const Candidate& a, const Candidate& b) {
    return a.rows != b.rows ? a.rows > b.rows : a.place < b.place;
  };
  std::vector<Candidate> largest;  // a heap: its first is the smallest of the ten
  for (std::size_t p = 0; p < persons.owned.size(); ++p) {
    const Candidate candidate{persons.owned[p].rows, persons.first_row + p};
    if (largest.size() == kLargest && !larger(candidate, largest.front())) continue;
    if (largest.size() == kLargest) {
      std::pop_heap(largest.begin(), largest.end(), larger);
      largest.pop_back();
    }
    largest.push_back(candidate);
    std::push_heap(largest.begin(), largest.end(), larger);
  }
  largest = comm.all_gather(std::span<const Candidate>(largest));
  std::sort(largest.begin(), largest.end(), larger);
  largest.resize(std::min(largest.size(), kLargest));

  // Identities are with the ranks that own them, not with their persons'.
  std::vector<std::pair<std::uint64_t, std::size_t>> by_place;
  for (std::size_t i = 0; i < largest.size(); ++i) by_place.emplace_back(largest[i].place, i);
  std::sort(by_place.begin(), by_place.end());
  std::vector<std::uint64_t> identities(largest.size(), 0);
  for (const std::uint64_t person : persons.of_owned) {
    const auto found = std::lower_bound(by_place.begin(), by_place.end(), std::pair(person, std::size_t{0}));
    if (found != by_place.end() && found->first == person) ++identities[found->second];
  }
  comm.sum(identities);
  std::vector<LargePerson> result;
  for (std::size_t i = 0; i < largest.size(); ++i) result.push_back({largest[i].rows, identities[i]});
  return result;
}

void count_persons(const Communicator& comm, const Persons& persons, ScreenReport& report) {
  const std::size_t datasets = report.datasets.size();
  const std::vector<Person>& owned = persons.owned;
  report.shared.assign(datasets * datasets, 0);
  for (std::size_t p = 0; p < owned.size(); ++p) {
    const Person& person = owned[p];
    std::size_t size = 0;
    while (person.rows > kMostRows[size]) ++size;
    ++report.persons_by_rows[size];
    for (std::size_t a = 0; a < datasets; ++a) {
      if ((person.datasets >> a & 1U) == 0) continue;
      for (std::size_t b = 0; b < datasets; ++b) report.shared[a * datasets + b] += person.datasets >> b & 1U;
    }
    // Persons lie in order of pseudonym, and equal pseudonyms on one rank.
    if (person.id_type == IdType::nhs_number) continue;
    ++report.residual_persons;
    const bool repeated = (p > 0 && owned[p - 1].pseudonym == person.pseudonym) ||
                          (p + 1 < owned.size() && owned[p + 1].pseudonym == person.pseudonym);
    report.residual_ids_repeated += repeated;
  }
  comm.sum(report.shared);
  comm.sum(report.persons_by_rows);
  report.residual_persons = comm.sum(report.residual_persons);
  report.residual_ids_repeated = comm.sum(report.residual_ids_repeated);
  report.largest = persons.largest;
}

}  // namespace ligature
