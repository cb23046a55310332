// Verify: the secure index and the dataset tell the same story, person by person and dataset by dataset.
//
// Every rank holds the persons of its shards and a count for each of their datasets; the rows of the index travel to
// the rank of their person.
#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

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
  Pseudonym person;
  std::uint64_t dataset = 0;
};

Pseudonym parse(std::string_view text) {
  // What is not hexadecimal is no row's person: the greatest of all, which check_persons has already refused.
  constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();
  Pseudonym pseudonym{kNone, kNone};
  const auto word = [](std::string_view digits, std::uint64_t& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  std::uint64_t high = 0, low = 0;
  if (word(text.substr(0, 16), high) && word(text.substr(16), low)) pseudonym = {high, low};
  return pseudonym;
}

// The persons of this rank's shards, and how many rows of the index each has in each dataset.
class RowsOfPersons {
 public:
  RowsOfPersons(const Communicator& comm, const RunFiles& run) : run_(run), datasets_(run.events.size()) {
    const std::vector<Range> shards = persons_by_shard(run.dataset, ShardMap(comm.size()).shards_of(comm.rank()));
    if (!shards.empty()) rows_ = {shards.front().begin, shards.back().end};
    persons_.resize(rows_.size());
    const std::size_t column = run.dataset.column("/persons/pseudonym");
    for_pieces(rows_, kPiecePersons, [&](Range piece) {
      std::vector<std::array<char, 32>> texts(piece.size());
      run.dataset.read(column, piece.begin, std::as_writable_bytes(std::span(texts)));
      for (std::size_t i = 0; i < texts.size(); ++i) {
        persons_[piece.begin - rows_.begin + i] = parse(std::string_view(texts[i].data(), texts[i].size()));
      }
    });
    counts_.assign(persons_.size() * datasets_, 0);
  }

  void count(std::span<const IndexEntry> entries) {
    for_blocks(entries.size(), kRowsPerTask, [&](std::size_t begin, std::size_t end) {
      std::uint64_t strangers = 0;
      for (const IndexEntry& entry : entries.subspan(begin, end - begin)) {
        const auto found = std::lower_bound(persons_.begin(), persons_.end(), entry.person);
        if (found == persons_.end() || *found != entry.person || entry.dataset >= datasets_) {
          ++strangers;
          continue;
        }
        std::uint32_t& rows = counts_[static_cast<std::size_t>(found - persons_.begin()) * datasets_ + entry.dataset];
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
  Range rows_;  // of /persons
  std::vector<Pseudonym> persons_;
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
  const ShardMap owners(comm.size());
  shuffle_stream<IndexEntry>(
      comm, next, [&](const IndexEntry& entry) { return owners.owner(shard_of(entry.person)); },
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
