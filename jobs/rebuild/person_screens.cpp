// The counts of quality screens that need no rule: sizes, datasets, repeated ids, the largest persons.
#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <utility>

#include "engine/parallel.hpp"
#include "jobs/rebuild/event_screens.hpp"

namespace ligature {

namespace {

constexpr std::size_t kLargest = 10;
constexpr std::size_t kPersonsPerTask = std::size_t{1} << 14;
constexpr std::array<std::uint64_t, kRowClasses> kMostRows = {1, 5, 20, 100, std::numeric_limits<std::uint64_t>::max()};

}  // namespace

std::vector<LargePerson> largest_persons(const Communicator& comm, const Persons& persons) {
  struct Candidate {
    std::uint64_t rows = 0, place = 0;
  };
  const auto larger = [](const Candidate& a, const Candidate& b) {
    return a.rows != b.rows ? a.rows > b.rows : a.place < b.place;
  };
  PerThread<std::vector<Candidate>> found;  // heaps: the first is the smallest of the ten
  for_blocks(persons.owned.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
    std::vector<Candidate>& here = found.local();
    for (std::size_t p = begin; p < end; ++p) {
      const Candidate candidate{persons.owned[p].rows, persons.first_row + p};
      if (here.size() == kLargest && !larger(candidate, here.front())) continue;
      if (here.size() == kLargest) {
        std::pop_heap(here.begin(), here.end(), larger);
        here.pop_back();
      }
      here.push_back(candidate);
      std::push_heap(here.begin(), here.end(), larger);
    }
  });
  std::vector<Candidate> largest;
  found.for_each([&](const std::vector<Candidate>& some) { largest.insert(largest.end(), some.begin(), some.end()); });
  largest = comm.all_gather(std::span<const Candidate>(largest));
  std::sort(largest.begin(), largest.end(), larger);
  largest.resize(std::min(largest.size(), kLargest));

  // Identities are with the ranks that own them, not with their persons'.
  std::vector<std::pair<std::uint64_t, std::size_t>> by_place;
  for (std::size_t i = 0; i < largest.size(); ++i) by_place.emplace_back(largest[i].place, i);
  std::sort(by_place.begin(), by_place.end());
  // By the last six bits of a place, so that few others are searched for.
  const auto bit_of = [](std::uint64_t place) { return std::uint64_t{1} << place % 64; };
  std::uint64_t maybe = 0;
  for (const auto& [place, i] : by_place) maybe |= bit_of(place);
  PerThread<std::array<std::uint64_t, kLargest>> counts;
  for_blocks(persons.of_owned.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
    std::array<std::uint64_t, kLargest>& here = counts.local();
    for (std::size_t i = begin; i < end; ++i) {
      const std::uint64_t person = persons.of_owned[i];
      if ((maybe & bit_of(person)) == 0) continue;
      const auto place = std::lower_bound(by_place.begin(), by_place.end(), std::pair(person, std::size_t{0}));
      if (place != by_place.end() && place->first == person) ++here[place->second];
    }
  });
  std::vector<std::uint64_t> identities(largest.size(), 0);
  counts.for_each([&](const std::array<std::uint64_t, kLargest>& here) {
    for (std::size_t i = 0; i < identities.size(); ++i) identities[i] += here[i];
  });
  comm.sum(identities);
  std::vector<LargePerson> result;
  for (std::size_t i = 0; i < largest.size(); ++i) result.push_back({largest[i].rows, identities[i]});
  return result;
}

void count_persons(const Communicator& comm, const Persons& persons, ScreenReport& report) {
  const std::size_t datasets = report.datasets.size();
  const std::span<const Person> owned = persons.owned;
  struct Counts {
    std::vector<std::uint64_t> shared;
    decltype(report.persons_by_rows) persons_by_rows{};
    std::uint64_t residual_persons = 0, residual_ids_repeated = 0;
  };
  PerThread<Counts> counts;
  for_blocks(owned.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
    Counts& here = counts.local();
    here.shared.resize(datasets * datasets);
    for (std::size_t p = begin; p < end; ++p) {
      const Person& person = owned[p];
      std::size_t size = 0;
      while (person.rows > kMostRows[size]) ++size;
      ++here.persons_by_rows[size];
      for (std::size_t a = 0; a < datasets; ++a) {
        if ((person.datasets >> a & 1U) == 0) continue;
        for (std::size_t b = 0; b < datasets; ++b) here.shared[a * datasets + b] += person.datasets >> b & 1U;
      }
      // Persons lie in order of pseudonym, and equal pseudonyms on one rank.
      if (person.id_type == IdType::nhs_number) continue;
      ++here.residual_persons;
      const bool repeated = (p > 0 && owned[p - 1].pseudonym == person.pseudonym) ||
                            (p + 1 < owned.size() && owned[p + 1].pseudonym == person.pseudonym);
      here.residual_ids_repeated += repeated;
    }
  });
  report.shared.assign(datasets * datasets, 0);
  counts.for_each([&](const Counts& here) {
    const auto add = [](auto& sums, const auto& more) {
      for (std::size_t i = 0; i < more.size(); ++i) sums[i] += more[i];
    };
    add(report.shared, here.shared);
    add(report.persons_by_rows, here.persons_by_rows);
    report.residual_persons += here.residual_persons;
    report.residual_ids_repeated += here.residual_ids_repeated;
  });
  comm.sum(report.shared);
  comm.sum(report.persons_by_rows);
  report.residual_persons = comm.sum(report.residual_persons);
  report.residual_ids_repeated = comm.sum(report.residual_ids_repeated);
  report.largest = persons.largest;
}

}  // namespace ligature
