#include "jobs/rebuild/patient_numbers.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "jobs/rebuild/person_draft.hpp"
#include "partition/shuffle.hpp"
#include "partition/spans_by_number.hpp"

namespace ligature {

namespace {

// Places where the last patient numbers are remembered, in a core's cache: a provider's rows of one patient mostly lie
// close together.
constexpr std::size_t kRecent = 1U << 12;
constexpr std::size_t kQuestionsPerTask = 1U << 12;

void sort_each_once(std::vector<PatientNumber>& numbers) {
  sort_by_key(
      numbers, [](const PatientNumber& number) { return number.id; },
      [](const PatientNumber& a, const PatientNumber& b) { return by_provider(a.key, b.key); });
  std::size_t kept = 0;
  for (const PatientNumber& number : numbers) {
    if (kept > 0 && numbers[kept - 1].id == number.id && numbers[kept - 1].key == number.key) {
      numbers[kept - 1].rows += number.rows;
    } else {
      numbers[kept++] = number;
    }
  }
  numbers.resize(kept);
}

}  // namespace

std::vector<PatientNumber> patient_numbers(const Communicator& comm, RowStore& rows, const Identities& identities,
                                           const std::vector<ReplyTo<IdentityId>>& asked) {
  std::vector<PatientNumber> numbers;
  {
    const ToldLocals<IdentityId> told(identities,
                                      identities.tell_locals(comm, std::span<const ReplyTo<IdentityId>>(asked)));
    std::vector<std::size_t> recent(kRecent, 0);  // indexes into numbers
    const auto add = [&](std::uint64_t key, std::uint32_t local, std::uint64_t kept_rows) {
      const auto of = told.of(local);
      if (of.empty()) return;
      const IdentityId id = of.front().reply;
      std::size_t& before = recent[(key >> 16) % kRecent];
      if (before < numbers.size() && numbers[before].id == id && numbers[before].key == key) {
        numbers[before].rows += kept_rows;
      } else {
        before = numbers.size();
        numbers.push_back({id, key, kept_rows});
      }
    };
    rows.for_each_local_keys([&](const StoredBlock& block, std::span<const std::uint64_t> keys) {
      for (std::uint64_t row = 0; row < keys.size(); ++row) {
        if (keys[row] != 0) add(keys[row], identities.local_of_row[block.first_row + row], 1);
      }
    });
    for (const SuppressedKey& barred : identities.suppressed_keys) add(barred.key, barred.local, 0);
  }
  sort_each_once(numbers);
  numbers =
      shuffle(comm, std::move(numbers), [&](const PatientNumber& number) { return identities.owner(number.id); }).items;
  sort_each_once(numbers);
  return numbers;
}

std::vector<PatientSet> bring_patient_sets(const Communicator& comm, RowStore& rows, const Identities& identities,
                                           std::vector<ComponentNode>& nodes) {
  std::vector<IdentityId> wanted;
  for (std::size_t begin = 0, end = 0; begin < nodes.size(); begin = end) {
    bool has_unnumbered = false;
    for (; end < nodes.size() && nodes[end].component == nodes[begin].component; ++end) {
      has_unnumbered = has_unnumbered || counted_as(nodes[end].counted.identity, nodes[end].evidence).valid_nhs() == 0;
    }
    if (!has_unnumbered) continue;
    for (std::size_t node = begin; node < end; ++node) {
      wanted.push_back(nodes[node].id);
      nodes[node].patients = static_cast<std::uint32_t>(wanted.size());
    }
  }
  if (wanted.size() >= std::numeric_limits<std::uint32_t>::max()) {
    throw Error("one rank has more than 2^32 identities in components: run the job on more ranks");
  }
  ReturnRoute route;
  const std::vector<IdentityId> questions =
      shuffle(
          comm, std::move(wanted), [&](IdentityId id) { return identities.owner(id); }, route)
          .items;
  std::vector<ReplyTo<IdentityId>> asked;
  asked.reserve(questions.size());
  for (const IdentityId id : questions) asked.push_back({id - identities.first_id, id});
  sort_by_key(asked, [](const ReplyTo<IdentityId>& one) { return one.item; });

  const std::vector<PatientNumber> numbers = patient_numbers(comm, rows, identities, asked);
  const SpansByNumber of_identity(
      identities.first_id_of_rank[static_cast<std::size_t>(comm.rank()) + 1] - identities.first_id, numbers.size(),
      [&](std::size_t i) { return numbers[i].id - identities.first_id; });
  std::vector<PatientSet> answers(questions.size());
  for_blocks(questions.size(), kQuestionsPerTask, [&](std::size_t begin, std::size_t end) {
    std::vector<std::uint64_t> keys;
    for (std::size_t q = begin; q < end; ++q) {
      const auto [first, last] = of_identity.of(questions[q] - identities.first_id);
      keys.clear();
      for (std::size_t number = first; number != last; ++number) keys.push_back(numbers[number].key);
      answers[q] = PatientSet(keys);
    }
  });
  return route.reply<PatientSet>(comm, answers);
}

}  // namespace ligature
