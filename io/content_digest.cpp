// The content digest: XXH3-128 of what the dataset says, not of how its file is laid out.
#include "io/content_digest.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <string>
#include <string_view>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "engine/xxhash.hpp"

namespace ligature {

namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
constexpr std::string_view kTag = "ligature content digest 1";

Digest to_digest(XXH128_hash_t hash) noexcept {
  return {hash.high64, hash.low64};
}

}  // namespace

struct PiecewiseDigest::State {
  XXH3_state_t* xxh3 = nullptr;
};

PiecewiseDigest::PiecewiseDigest() : state_(std::make_unique<State>()) {
  state_->xxh3 = XXH3_createState();
  if (state_->xxh3 == nullptr) throw std::bad_alloc();
  XXH3_128bits_reset(state_->xxh3);
}

PiecewiseDigest::~PiecewiseDigest() {
  XXH3_freeState(state_->xxh3);
}

void PiecewiseDigest::add(std::span<const std::byte> bytes) noexcept {
  if (!bytes.empty()) XXH3_128bits_update(state_->xxh3, bytes.data(), bytes.size());
}

Digest PiecewiseDigest::finish() const noexcept {
  return to_digest(XXH3_128bits_digest(state_->xxh3));
}

void ContentDigest::set(std::size_t column, ShardId shard, std::span<const std::byte> bytes) noexcept {
  if (bytes.empty()) return;
  digests_[column * kShards + shard] = digest(bytes);
}

void ContentDigest::set(std::size_t column, ShardId shard, const Digest& digest) noexcept {
  digests_[column * kShards + shard] = digest;
}

Digest ContentDigest::combine(const Communicator& comm, std::span<const ColumnSpec> columns,
                              std::span<const Dictionary> dictionaries) const {
  if (columns.size() * kShards != digests_.size()) throw Error("a content digest of other columns");
  // Each entry is zero on all ranks but one, so the sum over ranks is the entry.
  static_assert(sizeof(Digest) == 2 * sizeof(std::uint64_t));
  std::vector<std::uint64_t> words(digests_.size() * 2);
  if (!words.empty()) std::memcpy(words.data(), digests_.data(), words.size() * sizeof(std::uint64_t));
  comm.sum(std::span(words));

  Digest result;
  if (comm.is_root()) {
    PiecewiseDigest whole;
    const auto add_number = [&](std::uint64_t number) { whole.add(std::as_bytes(std::span(&number, 1))); };
    const auto add_text = [&](std::string_view text) {
      add_number(text.size());
      whole.add(std::as_bytes(std::span(text)));
    };
    const auto by_path = [](const auto& items) {
      std::vector<std::size_t> order(items.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::sort(order.begin(), order.end(),
                [&](std::size_t a, std::size_t b) { return items[a].path < items[b].path; });
      return order;
    };
    add_text(kTag);
    add_number(columns.size());
    for (const std::size_t c : by_path(columns)) {
      add_text(columns[c].path);
      add_text(stored_type_name(columns[c].type));
      add_number(columns[c].rows);
      whole.add(std::as_bytes(std::span(words).subspan(c * kShards * 2, std::size_t{kShards} * 2)));
    }
    add_number(dictionaries.size());
    for (const std::size_t d : by_path(dictionaries)) {
      add_text(dictionaries[d].path);
      add_number(dictionaries[d].values.size());
      for (const std::string& value : dictionaries[d].values) add_text(value);
    }
    result = whole.finish();
  }
  comm.broadcast_value(result);
  return result;
}

namespace {

// Which rows of a column go with a shard.
enum class RowsOf : std::uint8_t { persons, offsets, events };

struct ColumnRows {
  RowsOf kind = RowsOf::persons;
  std::size_t offsets = 0;  // the offsets column of its events
};

std::vector<ColumnRows> kinds_of(const DatasetReader& dataset) {
  std::vector<ColumnRows> kinds;
  for (const ColumnSpec& spec : dataset.columns()) {
    if (spec.path.starts_with("/persons/")) {
      kinds.push_back({RowsOf::persons, 0});
      continue;
    }
    const std::size_t slash = spec.path.rfind('/');
    const std::size_t offsets = dataset.column(spec.path.substr(0, slash) + "/offsets");
    const bool itself = spec.path.substr(slash + 1) == "offsets";
    if (itself && spec.type != StoredType::u64) throw Error("the column " + spec.path + " is not of type u64");
    kinds.push_back({itself ? RowsOf::offsets : RowsOf::events, offsets});
  }
  return kinds;
}

std::uint64_t offset_at(const DatasetReader& dataset, std::size_t offsets, std::uint64_t entry) {
  std::uint64_t offset = 0;
  if (entry >= dataset.columns()[offsets].rows) throw Error(dataset.columns()[offsets].path + " is too short");
  dataset.read(offsets, entry, std::as_writable_bytes(std::span(&offset, 1)));
  return offset;
}

Digest digest_rows(const DatasetReader& dataset, std::size_t column, Range rows) {
  const std::size_t width = stored_bytes(dataset.columns()[column].type);
  const std::uint64_t piece = kPieceBytes / width;
  PiecewiseDigest digest;
  std::vector<std::byte> buffer;
  for (std::uint64_t first = rows.begin; first < rows.end; first += piece) {
    buffer.resize(std::min(piece, rows.end - first) * width);
    dataset.read(column, first, buffer);
    digest.add(buffer);
  }
  return digest.finish();
}

}  // namespace

std::vector<Range> persons_by_shard(const DatasetReader& dataset, Range shards) {
  const std::size_t pseudonyms = dataset.column("/persons/pseudonym");
  if (dataset.columns()[pseudonyms].type != StoredType::text32) throw Error("/persons/pseudonym is not of type text32");
  // Three hexadecimal digits are a shard.  Text that is none has a shard as well: the digest then differs.
  static_assert(kShardBits == 12);
  return shard_row_ranges(shards, dataset.columns()[pseudonyms].rows, [&](std::uint64_t row) {
    std::array<char, 32> text{};
    dataset.read(pseudonyms, row, std::as_writable_bytes(std::span(text)));
    std::uint64_t shard = 0;
    for (const char c : std::string_view(text.data(), 3)) {
      const bool digit = c >= '0' && c <= '9', letter = c >= 'a' && c <= 'f';
      shard = shard * 16 + (digit ? static_cast<unsigned>(c - '0') : letter ? static_cast<unsigned>(c - 'a') + 10 : 0);
    }
    return shard;
  });
}

Digest recompute_content_digest(const Communicator& comm, const DatasetReader& dataset) {
  const auto& columns = dataset.columns();
  ContentDigest digests(columns.size());
  std::vector<Dictionary> dictionaries;
  std::optional<std::string> problem;
  try {
    const std::vector<ColumnRows> kinds = kinds_of(dataset);
    const Range shards = ShardMap(comm.size()).shards_of(comm.rank());
    const std::vector<Range> persons_of = persons_by_shard(dataset, shards);
    for_each_item(persons_of.size(), [&](std::size_t i) {
      const auto shard = static_cast<ShardId>(shards.begin + i);
      for (std::size_t c = 0; c < columns.size(); ++c) {
        Range rows = persons_of[i];
        if (kinds[c].kind == RowsOf::offsets) rows = offsets_rows(shard, rows);
        if (kinds[c].kind == RowsOf::events && rows.begin < rows.end) {
          rows = {offset_at(dataset, kinds[c].offsets, rows.begin), offset_at(dataset, kinds[c].offsets, rows.end)};
        }
        // Damaged offsets must give another digest, not a read out of bounds.
        rows.end = std::min(rows.end, columns[c].rows);
        if (rows.begin < rows.end) digests.set(c, shard, digest_rows(dataset, c, rows));
      }
    });
    if (comm.is_root()) {
      for (const TextColumn& text : dataset.texts()) {
        if (text.path.starts_with("/dictionaries/")) dictionaries.push_back(dataset.dictionary(text.path));
      }
    }
  } catch (const Error& error) {
    problem = error.what();
  }
  comm.agree(problem);
  return digests.combine(comm, columns, dictionaries);
}

}  // namespace ligature
