#include "jobs/evaluate/join.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "engine/sort_items.hpp"
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

// The values of a row's group_ columns as one text, a line each: what tells combinations apart.
void encode_groups(std::span<const std::string_view> values, std::string& text) {
  text.clear();
  for (const std::string_view value : values) {
    text += value;
    text += '\n';
  }
}

// Calls visit with each line of a text that ends with a line end.
template <typename Visit>
void for_each_line(std::string_view text, const Visit& visit) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    visit(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
}

// Texts in byte order, each once.  Few: metadata.
using Names = std::set<std::string, std::less<>>;

void insert_name(Names& names, std::string_view name) {
  if (!names.contains(name)) names.emplace(name);
}

// What a first reading of the truth finds out.
struct TruthSurvey {
  std::uint64_t rows = 0;
  Names kinds;
  Names combinations;  // as encode_groups has them
};

void check_limits(const TruthSurvey& survey, const std::string& where) {
  if (survey.kinds.size() > kMaxErrorKinds) {
    throw UsageError(fmt::format("{}: the column errors has more than {} kinds", where, kMaxErrorKinds));
  }
  if (survey.combinations.size() > kMaxCombinations) {
    throw UsageError(fmt::format("{}: the columns group_... have more than {} different combinations of values", where,
                                 kMaxCombinations));
  }
}

void survey_block(const TruthFiles& truth, const TruthBlock& block, TruthSurvey& survey) {
  std::string combination;
  read_truth_block(truth, block, [&](const TruthRow& row) {
    ++survey.rows;
    for_each_kind(row.errors, [&](std::string_view kind) { insert_name(survey.kinds, kind); });
    if (!row.groups.empty()) {
      encode_groups(row.groups, combination);
      insert_name(survey.combinations, combination);
    }
    check_limits(survey, truth.files[block.file].path);
  });
}

// Collective.  The union over ranks of texts of lines_each lines, the last of which has a line end of its own or not.
Names all_names(const Communicator& comm, const Names& mine, std::size_t lines_each, bool ends_line) {
  std::string text;
  for (const std::string& name : mine) text += ends_line ? name : name + '\n';
  const std::vector<char> all = comm.all_gather(std::span<const char>(text));
  Names names;
  std::string name;
  std::size_t lines = 0;
  for_each_line({all.data(), all.size()}, [&](std::string_view line) {
    name += line;
    if (ends_line) name += '\n';
    if (++lines % lines_each == 0) names.insert(std::exchange(name, {}));
  });
  return names;
}

// Collective.
TruthSurvey survey(const Communicator& comm, const TruthFiles& truth, const std::vector<TruthBlock>& blocks) {
  PerThread<TruthSurvey> surveys;
  std::optional<std::string> problem;
  try {
    for_each_item(blocks.size(), [&](std::size_t i) { survey_block(truth, blocks[i], surveys.local()); });
  } catch (const std::exception& failure) {
    problem = failure.what();
  }
  comm.agree(problem, kExitWrongUse);
  TruthSurvey result;
  surveys.for_each([&](const TruthSurvey& mine) {
    result.rows += mine.rows;
    result.kinds.insert(mine.kinds.begin(), mine.kinds.end());
    result.combinations.insert(mine.combinations.begin(), mine.combinations.end());
  });
  result.rows = comm.sum(result.rows);
  result.kinds = all_names(comm, result.kinds, 1, false);
  if (!truth.groups.empty()) result.combinations = all_names(comm, result.combinations, truth.groups.size(), true);
  check_limits(result, "the truth");
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
       std::uint64_t persons, const TruthFiles& truth, const std::vector<TruthBlock>& blocks, const TruthSurvey& survey)
      : comm_(comm),
        secure_(secure),
        datasets_(datasets),
        persons_(persons),
        truth_(truth),
        blocks_(blocks),
        error_kinds_(survey.kinds.begin(), survey.kinds.end()),
        combinations_(survey.combinations.begin(), survey.combinations.end()),
        shards_(comm.size()) {}

  // Collective.  Rows join JoinedRows::rows at the owner of their found person.
  void run(const Pass& pass, std::vector<LabelledRow>& rows, JoinCounts& counts) {
    std::vector<IndexItem> index = index_items(pass);
    std::vector<TruthItem> truth = truth_items(pass);
    std::vector<LabelledRow> joined;
    join_items(index, truth, joined, counts);
    std::vector<IndexItem>().swap(index);
    std::vector<TruthItem>().swap(truth);
    const Received<LabelledRow> mine = shuffle(comm_, std::move(joined), [&](const LabelledRow& row) {
      return owner_in_shares(row.found, persons_, comm_.size());
    });
    rows.insert(rows.end(), mine.items.begin(), mine.items.end());
  }

 private:
  std::vector<IndexItem> index_items(const Pass& pass) {
    constexpr std::size_t kBatch = std::size_t{1} << 18;
    // What one rank alone finds wrong must not leave the others waiting: it offers no more rows, and all are told
    // after.
    std::optional<std::string> problem;
    std::optional<SecureIndexReader> reader;
    const auto attempt = [&](const auto& step) {
      try {
        step();
      } catch (const Error& error) {
        problem = error.what();
        reader.reset();
      }
    };
    attempt([&] { reader.emplace(secure_, comm_.rank(), comm_.size()); });
    const auto next = [&] {
      std::vector<IndexItem> batch;
      attempt([&] {
        const auto take = [&](const IndexRow& row) {
          if (row.dataset >= datasets_.size()) throw Error("the secure index names a dataset that the run has not");
          if (row.person >= persons_) throw Error("the secure index names a person that the run has not");
          const std::string_view dataset = truth_.has_dataset ? datasets_[row.dataset] : std::string_view();
          const IndexItem item{record_key(dataset, row.row_id), row.person, row.dataset};
          if (pass.takes(item.key)) batch.push_back(item);
        };
        while (reader && batch.size() < kBatch) {
          if (!reader->next_block(take)) reader.reset();
        }
      });
      return batch;
    };
    std::vector<IndexItem> items = receive<IndexItem>(next);
    comm_.agree(problem, kExitFailed);
    return items;
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
          std::string combination;
          read_truth_block(truth_, blocks_[done + i], [&](const TruthRow& row) {
            const Digest key = record_key(row.dataset, row.record_id);
            if (!pass.takes(key)) return;
            encode_groups(row.groups, combination);
            parts[i].push_back({key, text_key(row.person_id), kinds_of(row.errors), birth_group_of(row.birth_group),
                                place_in(combinations_, combination)});
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

  static std::uint64_t text_key(std::string_view text) noexcept { return digest(std::as_bytes(std::span(text))).high; }

  // Birth groups are compared only among the rows of one found person: 32 bits tell them apart.
  static std::uint32_t birth_group_of(std::string_view text) noexcept {
    return text.empty() ? 0 : std::max(std::uint32_t{1}, static_cast<std::uint32_t>(text_key(text)));
  }

  static std::uint64_t place_in(const std::vector<std::string>& names, std::string_view name) noexcept {
    return static_cast<std::uint64_t>(std::lower_bound(names.begin(), names.end(), name) - names.begin());
  }

  std::uint32_t kinds_of(std::string_view errors) const noexcept {
    std::uint32_t bits = 0;
    for_each_kind(errors, [&](std::string_view kind) { bits |= std::uint32_t{1} << place_in(error_kinds_, kind); });
    return bits;
  }

  const Communicator& comm_;
  const std::filesystem::path& secure_;
  const std::vector<std::string>& datasets_;
  std::uint64_t persons_;
  const TruthFiles& truth_;
  const std::vector<TruthBlock>& blocks_;
  std::vector<std::string> error_kinds_, combinations_;  // in byte order
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
    return std::tie(a.key, a.person, a.errors, a.birth_group, a.groups) <
           std::tie(b.key, b.person, b.errors, b.birth_group, b.groups);
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
      LabelledRow row;
      row.truth = truth[t].person;
      for (std::size_t k = t; k < truth_end; ++k) {
        row.errors |= truth[k].errors;
        row.birth_group = std::max(row.birth_group, truth[k].birth_group);
        row.truth_groups = std::max(row.truth_groups, static_cast<std::uint16_t>(truth[k].groups));
      }
      for (std::size_t k = i; k < index_end; ++k) {
        row.found = index[k].found;
        row.dataset = static_cast<std::uint8_t>(index[k].dataset);
        rows.push_back(row);
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
                           const std::vector<std::string>& datasets, std::uint64_t persons, const TruthFiles& truth,
                           std::uint64_t items_at_once) {
  const std::vector<TruthBlock> blocks = truth_blocks(truth, comm.rank(), comm.size());
  const TruthSurvey found = survey(comm, truth, blocks);
  std::uint64_t index_rows = 0;
  read_secure_index(secure, comm.rank(), comm.size(), [&](const IndexRow&) { ++index_rows; });
  JoinedRows result;
  result.error_kinds.assign(found.kinds.begin(), found.kinds.end());
  result.groups.names = truth.groups;
  for (const std::string& combination : found.combinations) {
    std::vector<std::string>& values = result.groups.combinations.emplace_back();
    for_each_line(combination, [&](std::string_view value) { values.emplace_back(value); });
  }
  JoinCounts counts;
  const std::uint64_t most = std::max(comm.sum(index_rows), found.rows);
  const std::uint64_t room = items_at_once * static_cast<std::uint64_t>(comm.size());
  const std::uint64_t passes = std::max<std::uint64_t>(1, (most + room - 1) / room);
  Join join(comm, secure, datasets, persons, truth, blocks, found);
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
