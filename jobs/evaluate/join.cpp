#include "jobs/evaluate/join.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <exception>
#include <iterator>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "io/secure_index.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {
namespace {

// Visits the kinds of a field "nhs_missing|postcode_moved".
template <typename Visit>
void for_each_kind(std::string_view errors, const Visit& visit) {
  while (!errors.empty()) {
    const std::size_t bar = errors.find('|');
    if (const std::string_view kind = errors.substr(0, bar); !kind.empty()) visit(kind);
    if (bar == std::string_view::npos) return;
    errors.remove_prefix(bar + 1);
  }
}

// What a first reading of the truth finds out.
struct TruthSurvey {
  std::uint64_t rows = 0;  // over all ranks
  std::vector<std::string> error_kinds;
};

struct BlockSurvey {
  std::uint64_t rows = 0;
  std::set<std::string, std::less<>> kinds;
};

// Collective.
TruthSurvey survey(const Communicator& comm, const TruthFiles& truth, const std::vector<TruthBlock>& blocks) {
  PerThread<BlockSurvey> surveys;
  std::optional<std::string> problem;
  try {
    for_each_item(blocks.size(), [&](std::size_t i) {
      BlockSurvey& mine = surveys.local();
      read_truth_block(truth, blocks[i], [&](const TruthRow& row) {
        ++mine.rows;
        for_each_kind(row.errors, [&](std::string_view kind) {
          if (!mine.kinds.contains(kind)) mine.kinds.emplace(kind);
          if (mine.kinds.size() > kMaxErrorKinds) {
            throw UsageError(fmt::format("{}: the column errors has more than {} kinds",
                                         truth.files[blocks[i].file].path, kMaxErrorKinds));
          }
        });
      });
    });
  } catch (const std::exception& failure) {
    problem = failure.what();
  }
  comm.agree(problem, kExitWrongUse);
  TruthSurvey result;
  std::string names;  // of this rank, a line each
  std::set<std::string, std::less<>> kinds;
  surveys.for_each([&](const BlockSurvey& mine) {
    result.rows += mine.rows;
    kinds.insert(mine.kinds.begin(), mine.kinds.end());
  });
  for (const std::string& kind : kinds) names += kind + '\n';
  const std::vector<char> all = comm.all_gather(std::span<const char>(names));
  for (auto begin = all.begin(); begin != all.end();) {
    const auto end = std::find(begin, all.end(), '\n');
    kinds.emplace(begin, end);
    begin = std::next(end);
  }
  result.error_kinds.assign(kinds.begin(), kinds.end());
  if (result.error_kinds.size() > kMaxErrorKinds) {
    throw UsageError(fmt::format("the column errors of the truth has more than {} kinds", kMaxErrorKinds));
  }
  result.rows = comm.sum(result.rows);
  return result;
}

// A share of the hashes: those of one pass of several.
struct Pass {
  std::uint64_t number = 0;
  std::uint64_t passes = 1;
  [[nodiscard]] bool takes(const Digest& key) const noexcept { return key.low % passes == number; }
};

class Join {
 public:
  Join(const Communicator& comm, const std::filesystem::path& secure, const std::vector<std::string>& datasets,
       const TruthFiles& truth, const std::vector<TruthBlock>& blocks, const std::vector<std::string>& error_kinds)
      : comm_(comm),
        secure_(secure),
        datasets_(datasets),
        truth_(truth),
        blocks_(blocks),
        error_kinds_(error_kinds),
        shards_(comm.size()) {}

  // Collective.  Rows join JoinedRows::rows at the owner of their found person.
  void run(const Pass& pass, std::vector<LabelledRow>& rows, JoinCounts& counts) {
    std::vector<IndexItem> index = index_items(pass);
    std::vector<TruthItem> truth = truth_items(pass);
    std::vector<LabelledRow> joined;
    join_items(index, truth, joined, counts);
    std::vector<IndexItem>().swap(index);
    std::vector<TruthItem>().swap(truth);
    const Received<LabelledRow> mine =
        shuffle(comm_, std::move(joined), [&](const LabelledRow& row) { return shards_.owner(shard_of(row.found)); });
    rows.insert(rows.end(), mine.items.begin(), mine.items.end());
  }

 private:
  std::vector<IndexItem> index_items(const Pass& pass) {
    constexpr std::size_t kBatch = std::size_t{1} << 18;
    SecureIndexReader reader(secure_, comm_.rank(), comm_.size());
    bool more = true;
    const auto next = [&] {
      std::vector<IndexItem> batch;
      while (more && batch.size() < kBatch) {
        more = reader.next_block([&](const IndexRow& row) {
          if (row.dataset >= datasets_.size()) throw Error("the secure index names a dataset that the run has not");
          const std::string_view dataset = truth_.has_dataset ? datasets_[row.dataset] : std::string_view();
          const IndexItem item{record_key(dataset, row.row_id), row.person.high, row.dataset};
          if (pass.takes(item.key)) batch.push_back(item);
        });
      }
      return batch;
    };
    return receive<IndexItem>(next);
  }

  std::vector<TruthItem> truth_items(const Pass& pass) {
    const std::size_t at_once = 2 * static_cast<std::size_t>(num_threads());
    std::size_t done = 0;
    const auto next = [&] {
      std::vector<TruthItem> batch;
      while (batch.empty() && done < blocks_.size()) {
        const std::size_t count = std::min(at_once, blocks_.size() - done);
        std::vector<std::vector<TruthItem>> parts(count);
        for_each_item(count, [&](std::size_t i) {
          read_truth_block(truth_, blocks_[done + i], [&](const TruthRow& row) {
            const Digest key = record_key(row.dataset, row.record_id);
            if (pass.takes(key)) parts[i].push_back({key, person_key(row.person_id), kinds_of(row.errors)});
          });
        });
        done += count;
        for (const std::vector<TruthItem>& part : parts) batch.insert(batch.end(), part.begin(), part.end());
      }
      return batch;
    };
    return receive<TruthItem>(next);
  }

  template <typename Item, typename Next>
  std::vector<Item> receive(const Next& next) {
    std::vector<Item> items;
    shuffle_stream<Item>(
        comm_, next, [&](const Item& item) { return shards_.owner(shard_of(item.key.high)); },
        [&](std::span<Item> received, int) { items.insert(items.end(), received.begin(), received.end()); });
    return items;
  }

  static std::uint64_t person_key(std::string_view person_id) noexcept {
    return digest(std::as_bytes(std::span(person_id))).high;
  }

  std::uint64_t kinds_of(std::string_view errors) const noexcept {
    std::uint64_t bits = 0;
    for_each_kind(errors, [&](std::string_view kind) {
      const auto found = std::lower_bound(error_kinds_.begin(), error_kinds_.end(), kind);
      bits |= std::uint64_t{1} << (found - error_kinds_.begin());
    });
    return bits;
  }

  const Communicator& comm_;
  const std::filesystem::path& secure_;
  const std::vector<std::string>& datasets_;
  const TruthFiles& truth_;
  const std::vector<TruthBlock>& blocks_;
  const std::vector<std::string>& error_kinds_;
  ShardMap shards_;
};

template <typename Item>
std::size_t same_key_end(const std::vector<Item>& items, std::size_t begin) noexcept {
  std::size_t end = begin + 1;
  while (end < items.size() && items[end].key == items[begin].key) ++end;
  return end;
}

}  // namespace

Digest record_key(std::string_view dataset, std::string_view record_id) {
  std::string text;
  text.reserve(dataset.size() + 1 + record_id.size());
  text += dataset;
  text += '\0';
  text += record_id;
  return digest(std::as_bytes(std::span(text)));
}

void join_items(std::vector<IndexItem>& index, std::vector<TruthItem>& truth, std::vector<LabelledRow>& rows,
                JoinCounts& counts) {
  sort_items(index.begin(), index.end(), [](const IndexItem& a, const IndexItem& b) {
    return std::tie(a.key, a.found, a.dataset) < std::tie(b.key, b.found, b.dataset);
  });
  sort_items(truth.begin(), truth.end(), [](const TruthItem& a, const TruthItem& b) {
    return std::tie(a.key, a.person, a.errors) < std::tie(b.key, b.person, b.errors);
  });
  std::size_t t = 0;
  for (std::size_t i = 0; i < index.size();) {
    const std::size_t index_end = same_key_end(index, i);
    const std::uint64_t copies = index_end - i;
    counts.index_repeated += copies - 1;
    while (t < truth.size() && truth[t].key < index[i].key) {
      const std::size_t end = same_key_end(truth, t);
      counts.truth_repeated += end - t - 1;
      counts.truth_without_index += end - t;
      t = end;
    }
    if (t == truth.size() || truth[t].key != index[i].key) {
      counts.index_without_truth += copies;
      i = index_end;
      continue;
    }
    const std::size_t truth_end = same_key_end(truth, t);
    counts.truth_repeated += truth_end - t - 1;
    if (truth[t].person != truth[truth_end - 1].person) {  // sorted by person: the first and the last tell
      counts.index_in_conflict += copies;
    } else {
      std::uint32_t errors = 0;
      for (std::size_t k = t; k < truth_end; ++k) errors |= static_cast<std::uint32_t>(truth[k].errors);
      for (std::size_t k = i; k < index_end; ++k) {
        rows.push_back({index[k].found, truth[t].person, errors, static_cast<std::uint16_t>(index[k].dataset), 0});
      }
      counts.joined += copies;
    }
    i = index_end;
    t = truth_end;
  }
  while (t < truth.size()) {
    const std::size_t end = same_key_end(truth, t);
    counts.truth_repeated += end - t - 1;
    counts.truth_without_index += end - t;
    t = end;
  }
}

JoinedRows join_with_truth(const Communicator& comm, const std::filesystem::path& secure,
                           const std::vector<std::string>& datasets, const TruthFiles& truth,
                           std::uint64_t items_at_once) {
  const std::vector<TruthBlock> blocks = truth_blocks(truth, comm.rank(), comm.size());
  TruthSurvey found = survey(comm, truth, blocks);
  std::uint64_t index_rows = 0;
  read_secure_index(secure, comm.rank(), comm.size(), [&](const IndexRow&) { ++index_rows; });
  JoinedRows result;
  result.error_kinds = std::move(found.error_kinds);
  JoinCounts counts;
  const std::uint64_t most = std::max(comm.sum(index_rows), found.rows);
  const std::uint64_t room = items_at_once * static_cast<std::uint64_t>(comm.size());
  const std::uint64_t passes = std::max<std::uint64_t>(1, (most + room - 1) / room);
  Join join(comm, secure, datasets, truth, blocks, result.error_kinds);
  for (std::uint64_t pass = 0; pass < passes; ++pass) join.run({pass, passes}, result.rows, counts);
  std::array<std::uint64_t, kJoinCounters> sums = {0,
                                                   0,
                                                   counts.joined,
                                                   counts.index_without_truth,
                                                   counts.truth_without_index,
                                                   counts.index_repeated,
                                                   counts.truth_repeated,
                                                   counts.index_in_conflict};
  comm.sum(sums);
  result.counts = {comm.sum(index_rows), found.rows, sums[2], sums[3], sums[4], sums[5], sums[6], sums[7]};
  return result;
}

}  // namespace ligature
