// Verify: the secure index and the dataset tell the same story, person by person and dataset by dataset.
//
// Every rank holds, of its share of the persons, a count for each of their datasets; the rows of the index travel to
// the rank of their person.
#include <algorithm>
#include <atomic>
#include <optional>

#include "engine/error.hpp"
#include "io/content_digest.hpp"
#include "io/secure_index.hpp"
#include "jobs/verify/checks.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::size_t kBatchRows = std::size_t{1} << 20;
constexpr std::uint64_t kPiecePersons = std::uint64_t{1} << 15;
constexpr std::size_t kRowsPerTask = std::size_t{1} << 14;

// A row of the index, without its id.
struct IndexEntry {
  std::uint64_t person = 0;
  std::uint64_t dataset = 0;
};

// This rank's share of the persons, and how many rows of the index each has in each dataset.
class RowsOfPersons {
 public:
  RowsOfPersons(const Communicator& comm, const RunFiles& run)
      : run_(run),
        datasets_(run.events.size()),
        persons_(run.dataset.columns()[run.dataset.column("/persons/pseudonym")].rows),
        rows_(share_of(persons_, comm.rank(), comm.size())),
        counts_(rows_.size() * datasets_, 0) {}

  // The rank that counts a person's rows; the last counts those of none.
  [[nodiscard]] int owner(std::uint64_t person, int ranks) const noexcept {
    return person < persons_ ? owner_in_shares(person, persons_, ranks) : ranks - 1;
  }

  void count(std::span<const IndexEntry> entries) {
    for_blocks(entries.size(), kRowsPerTask, [&](std::size_t begin, std::size_t end) {
      std::uint64_t strangers = 0;
      for (const IndexEntry& entry : entries.subspan(begin, end - begin)) {
        if (entry.person >= persons_ || entry.dataset >= datasets_) {
          ++strangers;
          continue;
        }
        std::uint32_t& rows = counts_[(entry.person - rows_.begin) * datasets_ + entry.dataset];
        std::atomic_ref(rows).fetch_add(1, std::memory_order_relaxed);
      }
      known_.add(end - begin, strangers);
    });
  }

  // Persons of whom the index has another number of rows than the offsets.
  void compare(Tally& tally) const {
    for_pieces(rows_, kPiecePersons, [&](Range piece) {
      std::vector<std::uint64_t> offsets;
      std::vector<bool> differs(piece.size(), false);
      for (std::size_t d = 0; d < datasets_; ++d) {
        run_.dataset.read_unsigned(run_.events[d].offsets, {piece.begin, piece.end + 1}, offsets);
        for (std::size_t i = 0; i < piece.size(); ++i) {
          const std::uint64_t rows = counts_[(piece.begin - rows_.begin + i) * datasets_ + d];
          if (rows != offsets[i + 1] - offsets[i]) differs[i] = true;
        }
      }
      tally.add(piece.size(), static_cast<std::uint64_t>(std::count(differs.begin(), differs.end(), true)));
    });
  }

  [[nodiscard]] const Tally& known() const noexcept { return known_; }

 private:
  const RunFiles& run_;
  std::size_t datasets_;
  std::uint64_t persons_;
  Range rows_;                         // of /persons
  std::vector<std::uint32_t> counts_;  // by person, then dataset
  Tally known_;
};

}  // namespace

void check_index(const Communicator& comm, const RunFiles& run, CheckTable& table) {
  RowsOfPersons rows(comm, run);
  std::vector<std::uint64_t> rows_of_dataset(run.events.size(), 0);
  // A damaged index is a failed check, not the end of the others: this rank then offers no more rows, and goes on.
  std::string problem;
  std::optional<SecureIndexReader> reader;
  try {
    reader.emplace(run.secure, comm.rank(), comm.size());
  } catch (const Error& error) {
    problem = error.what();
  }
  const auto next = [&] {
    std::vector<IndexEntry> batch;
    try {
      while (reader && batch.size() < kBatchRows) {
        const bool more = reader->next_block([&](const IndexRow& row) {
          batch.push_back({row.person, row.dataset});
          if (row.dataset < rows_of_dataset.size()) ++rows_of_dataset[row.dataset];
        });
        if (!more) reader.reset();
      }
    } catch (const Error& error) {
      problem = error.what();
      reader.reset();
    }
    return batch;
  };
  shuffle_stream<IndexEntry>(
      comm, next, [&](const IndexEntry& entry) { return rows.owner(entry.person, comm.size()); },
      [&](std::span<const IndexEntry> entries, int) { rows.count(entries); });

  table.add("secure index is whole", problem.empty() ? 1 : 0, problem.empty() ? 0 : 1, problem);
  comm.sum(std::span(rows_of_dataset));
  std::uint64_t violations = 0, total = 0;
  std::string detail;
  for (std::size_t d = 0; d < run.events.size(); ++d) {
    total += rows_of_dataset[d];
    if (rows_of_dataset[d] == run.events[d].rows) continue;
    ++violations;
    if (detail.empty()) detail = "dataset " + run.events[d].name;
  }
  table.add("each dataset: rows of the secure index = events", comm.is_root() ? total : 0,
            comm.is_root() ? violations : 0, detail);
  table.add("persons of the secure index are in /persons", rows.known().examined(), rows.known().violations());
  Tally same;
  rows.compare(same);
  table.add("each person: rows of the secure index = events", same.examined(), same.violations());
}

}  // namespace ligature
