#include "jobs/rebuild/patient_numbers.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "io/local_key_reader.hpp"
#include "jobs/rebuild/person_draft.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

// Places where the last patient numbers are remembered, in a core's cache: a provider's rows of one patient mostly lie
// close together.
constexpr std::size_t kRecent = 1U << 12;
constexpr std::size_t kRowsAhead = 48;  // whose identity is fetched, and nearer by what was told of it
constexpr std::size_t kQuestionsPerTask = 1U << 14;

// Which identity of its owner a question is about, and its place among those that came.
struct Question {
  std::uint32_t index = 0;
  std::uint32_t place = 0;
};

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
    struct Worker {
      std::vector<PatientNumber> numbers;                                      // of a block
      std::vector<std::size_t> recent = std::vector<std::size_t>(kRecent, 0);  // indexes into numbers

      void add(const ToldLocals<IdentityId>& told, std::uint64_t key, std::uint32_t local, std::uint64_t kept_rows) {
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
      }
    };
    work_on_local_keys<Worker>(
        rows,
        [&](Worker& worker, const StoredBlock& block, std::span<const std::uint64_t> keys) {
          const auto local = std::span(identities.local_of_row).subspan(block.first_row, keys.size());
          for (std::size_t row = 0; row < keys.size(); ++row) {
            told.prefetch(local[std::min(row + kRowsAhead, keys.size() - 1)]);
            told.prefetch_told(local[std::min(row + kToldAhead, keys.size() - 1)]);
            if (keys[row] != 0) worker.add(told, keys[row], local[row], 1);
          }
        },
        [&](Worker& worker) {
          numbers.insert(numbers.end(), worker.numbers.begin(), worker.numbers.end());
          worker.numbers.clear();
        });
    Worker of_barred;
    for (const SuppressedKey& barred : identities.suppressed_keys) {
      of_barred.add(told, barred.key, barred.local, 0);
    }
    numbers.insert(numbers.end(), of_barred.numbers.begin(), of_barred.numbers.end());
  }
  numbers =
      shuffle(comm, std::move(numbers), [&](const PatientNumber& number) { return identities.owner(number.id); }).items;
  sort_each_once(numbers);
  return numbers;
}

std::vector<PatientSet> bring_patient_sets(const Communicator& comm, RowStore& rows, const Identities& identities,
                                           std::span<ComponentNode> nodes) {
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
  const std::vector<IdentityId> wanted_here =
      shuffle(
          comm, std::move(wanted), [&](IdentityId id) { return identities.owner(id); }, route)
          .items;
  std::vector<Question> questions;
  questions.reserve(wanted_here.size());
  for (const IdentityId id : wanted_here) {
    questions.push_back(
        {static_cast<std::uint32_t>(id - identities.first_id), static_cast<std::uint32_t>(questions.size())});
  }
  sort_by_key(questions, [](const Question& question) { return std::uint64_t{question.index}; });
  std::vector<ReplyTo<IdentityId>> asked;
  asked.reserve(questions.size());
  for (const Question& question : questions) asked.push_back({question.index, identities.first_id + question.index});

  const std::vector<PatientNumber> numbers = patient_numbers(comm, rows, identities, asked);
  std::vector<PatientSet> answers(questions.size());
  for_blocks(questions.size(), kQuestionsPerTask, [&](std::size_t begin, std::size_t end) {
    std::vector<std::uint64_t> keys;
    auto number = std::lower_bound(numbers.begin(), numbers.end(), identities.first_id + questions[begin].index,
                                   [](const PatientNumber& n, IdentityId id) { return n.id < id; });
    for (std::size_t q = begin; q < end; ++q) {
      const IdentityId id = identities.first_id + questions[q].index;
      keys.clear();
      for (; number != numbers.end() && number->id == id; ++number) keys.push_back(number->key);
      answers[questions[q].place] = PatientSet(keys);
    }
  });
  return route.reply<PatientSet>(comm, answers);
}

}  // namespace ligature
