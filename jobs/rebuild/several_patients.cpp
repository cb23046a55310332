#include "jobs/rebuild/several_patients.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "engine/radix_sort.hpp"
#include "jobs/rebuild/person_draft.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

// One in so many of the identities with an NHS number is looked at.
constexpr std::uint64_t kSampled = 16;
// Fewer rows say nothing.
constexpr std::uint64_t kFewest = 100;
// A count of zero is taken for this.
constexpr double kUnseen = 0.5;

// A patient number that an identity has.
struct PatientNumber {
  IdentityId id = 0;
  std::uint64_t key = 0;
  friend bool operator==(const PatientNumber&, const PatientNumber&) = default;
};

// Of identities of two rows or more, all by one provider, that have a patient number.
struct PatientCounts {
  std::uint64_t rows = 0;     // beyond the first of each
  std::uint64_t numbers = 0;  // beyond the first of each
};

void sort_each_once(std::vector<PatientNumber>& numbers) {
  sort_by_key(
      numbers, [](const PatientNumber& number) { return number.id; },
      [](const PatientNumber& a, const PatientNumber& b) { return a.key < b.key; });
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
}

bool is_of_one_provider(const CountedIdentity& counted) noexcept {
  return counted.rows > 1 && std::has_single_bit(counted.providers) && !is_suppressed(counted);
}

// True if of the identities without a number that are under several patient numbers more are several people than one.
bool are_several_people(const PatientCounts& numbered, const PatientCounts& unnumbered) noexcept {
  if (numbered.rows < kFewest || unnumbered.numbers == 0) return false;
  const double of_one = (static_cast<double>(numbered.numbers) + kUnseen) / static_cast<double>(numbered.rows + 1);
  return static_cast<double>(unnumbered.numbers) >= 2 * of_one * static_cast<double>(unnumbered.rows);
}

}  // namespace

void flag_several_patients(const Communicator& comm, RowStore& rows, const Identities& identities,
                           std::vector<Evidence>& evidence) {
  const auto has_number = [&](std::uint64_t index) {
    return counted_as(identities.owned[index].identity, evidence[index]).valid_nhs() != 0;
  };
  std::vector<ReplyTo<IdentityId>> asked;
  for (std::uint64_t index = 0; index < identities.owned.size(); ++index) {
    const IdentityId id = identities.first_id + index;
    if (!is_of_one_provider(identities.owned[index]) || (has_number(index) && id % kSampled != 0)) continue;
    asked.push_back({index, id});
  }
  std::vector<PatientNumber> numbers;
  {
    const ToldLocals<IdentityId> told(identities,
                                      identities.tell_locals(comm, std::span<const ReplyTo<IdentityId>>(asked)));
    rows.for_each_local_keys([&](const StoredBlock& block, std::span<const std::uint64_t> keys) {
      for (std::uint64_t row = 0; row < keys.size(); ++row) {
        if (keys[row] == 0) continue;
        const auto of = told.of(identities.local_of_row[block.first_row + row]);
        if (!of.empty()) numbers.push_back({of.front().reply, keys[row]});
      }
    });
  }
  sort_each_once(numbers);
  numbers =
      shuffle(comm, std::move(numbers), [&](const PatientNumber& number) { return identities.owner(number.id); }).items;
  sort_each_once(numbers);

  std::array<PatientCounts, 2> counts;  // without an NHS number, with one
  std::vector<std::uint64_t> several;   // owned identities without a number
  for (std::size_t begin = 0, end = 0; begin < numbers.size(); begin = end) {
    while (end < numbers.size() && numbers[end].id == numbers[begin].id) ++end;
    const std::uint64_t index = numbers[begin].id - identities.first_id;
    PatientCounts& of = counts[has_number(index)];
    of.rows += identities.owned[index].rows - 1;
    of.numbers += end - begin - 1;
    if (end - begin > 1 && !has_number(index)) several.push_back(index);
  }
  std::array<std::uint64_t, 4> sums{counts[0].rows, counts[0].numbers, counts[1].rows, counts[1].numbers};
  comm.sum(sums);
  if (!are_several_people({sums[2], sums[3]}, {sums[0], sums[1]})) return;
  for (const std::uint64_t index : several) evidence[index].flags |= Evidence::several_patients;
}

}  // namespace ligature
