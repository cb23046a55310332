// Keys are spread by hash and sorted on their rank; the filter is a blocked Bloom filter (Putze, Sanders, Singler
// 2007): one cache line a question.  Its blocks follow the shards, so each rank fills its own and a sum joins them.
#include "jobs/verify/leak_filter.hpp"

#include <algorithm>
#include <bit>
#include <optional>
#include <string>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/nhs_number.hpp"
#include "io/identity_records.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::size_t kBatch = std::size_t{1} << 20;
constexpr std::uint64_t kBitsAKey = 12, kBlockBits = 512, kBlockWords = kBlockBits / 64;
constexpr int kProbes = 5;
constexpr std::uint64_t kNumbersABucket = 10'000'000, kNumberBuckets = 1000;
constexpr int kDistrictShift = 14, kDistrictBits = kPostcodeBits - kDistrictShift;
constexpr double kPostcodesADistrict = 10 * 20 * 20;  // C I K M O V are in no inward part

void sort_unique(std::vector<SearchKey>& keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
}

// Visits the bits of a key in the filter.
template <typename Visit>
void for_bits(std::uint64_t hash, std::uint64_t blocks, const Visit& visit) {
  const std::uint64_t in_shard = blocks / kShards;
  const std::uint64_t block = (hash >> (64 - kShardBits)) * in_shard + (hash >> 20 & 0xFFFFFFFF) % in_shard;
  std::uint64_t bits = hash * 0x9E3779B97F4A7C15ULL;
  for (int probe = 0; probe < kProbes; ++probe, bits >>= 9) {
    visit(block * kBlockWords + (bits >> 6 & (kBlockWords - 1)), std::uint64_t{1} << (bits & 63));
  }
}

}  // namespace

int owner_of(SearchKey key, int ranks) noexcept {
  return ShardMap(ranks).owner(shard_of(linkage_key(key)));
}

LeakFilter::LeakFilter(const Communicator& comm, const std::filesystem::path& secure, const Manifest& run,
                       std::vector<SearchKey> more)
    : numbers_(2 * kNumberBuckets, 0), postcodes_(std::size_t{1} << kDistrictBits, 0) {
  std::optional<std::string> problem;
  std::optional<IdentityRecordReader> reader;
  std::uint64_t read = 0;
  sort_unique(more);
  const auto next = [&] {
    std::vector<SearchKey> batch;
    batch.swap(more);
    try {
      if (read == 0 && !reader && !problem)
        reader.emplace(secure, run.identity_records_digest, comm.rank(), comm.size());
      while (reader && batch.size() < kBatch) {
        const std::span<const IdentityRecord> piece = reader->next_piece();
        if (piece.empty()) break;
        read += piece.size();
        for (const IdentityRecord& record : piece) {
          const Identity& identity = record.identity;
          if (identity.nhs() != 0) batch.push_back(nhs_key(identity.nhs()));
          if (identity.postcode() == 0) continue;
          batch.push_back(postcode_key(identity.postcode()));
          if (identity.date_of_birth() != kMissingDay) {
            batch.push_back(birth_key(identity.date_of_birth(), identity.postcode()));
          }
        }
      }
    } catch (const Error& error) {
      problem = error.what();
      reader.reset();
    }
    sort_unique(batch);
    return batch;
  };
  std::size_t settled = 0;
  shuffle_stream<SearchKey>(
      comm, next, [&](SearchKey key) { return owner_of(key, comm.size()); },
      [&](std::span<const SearchKey> keys, int) {
        keys_.insert(keys_.end(), keys.begin(), keys.end());
        if (keys_.size() < 2 * settled + kBatch) return;
        sort_unique(keys_);
        settled = keys_.size();
      });
  sort_unique(keys_);
  keys_.shrink_to_fit();
  comm.agree(problem);
  if (comm.sum(read) != run.identity_records) throw Error("the identity records of the run are not whole");

  total_ = comm.sum(std::uint64_t{keys_.size()});
  const std::uint64_t blocks = kShards * (1 + total_ * kBitsAKey / kBlockBits / kShards);
  filter_.assign(blocks * kBlockWords, 0);
  for (const SearchKey key : keys_) {
    for_bits(linkage_key(key), blocks, [&](std::size_t word, std::uint64_t bit) { filter_[word] |= bit; });
    const std::uint64_t value = key & ((std::uint64_t{1} << 62) - 1);
    if (key >> 62 == 0 && value < kNumbersABucket * kNumberBuckets) {
      ++numbers_[value / kNumbersABucket + (nhs_check_digit_ok(value) ? kNumberBuckets : 0)];
    } else if (key >> 62 == 1) {
      ++postcodes_[value >> kDistrictShift];
    }
  }
  constexpr std::size_t kWordsAtOnce = std::size_t{1} << 22;
  for (std::size_t at = 0; at < filter_.size(); at += kWordsAtOnce) {
    comm.sum(std::span(filter_).subspan(at, std::min(kWordsAtOnce, filter_.size() - at)));
  }
  comm.sum(std::span(numbers_));
  comm.sum(std::span(postcodes_));
}

bool LeakFilter::may_contain(SearchKey key) const noexcept {
  bool all = true;
  for_bits(linkage_key(key), filter_.size() / kBlockWords,
           [&](std::size_t word, std::uint64_t bit) { all = all && (filter_[word] & bit) != 0; });
  return all;
}

bool LeakFilter::contains(SearchKey key) const noexcept {
  return std::binary_search(keys_.begin(), keys_.end(), key);
}

LeakFilter::Density LeakFilter::density(SearchKey key) const noexcept {
  const std::uint64_t value = key & ((std::uint64_t{1} << 62) - 1);
  if (key >> 62 == 0) {
    const bool right = nhs_check_digit_ok(value);
    const double possible = static_cast<double>(kNumbersABucket) / 11;
    return {numbers_[value / kNumbersABucket + (right ? kNumberBuckets : 0)], right ? possible : 10 * possible};
  }
  if (key >> 62 == 1) return {postcodes_[value >> kDistrictShift], kPostcodesADistrict};
  return {};
}

}  // namespace ligature
