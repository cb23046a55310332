// Finds the entries of one NHS number in a sorted table, with about one cache miss instead of a binary search's twenty.
//
// The table is asked once for every row of a national archive.  NHS numbers are spread evenly over the ranges in use,
// so their top bits make a directory whose buckets hold a few entries each; a badly spread table only makes the search
// inside a bucket longer (still logarithmic).  Nearly all rows ask for a number that is not there: a Bloom filter whose
// bits of a number lie in one word (Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007),
// sixteen bits an entry, small enough for the cache, answers all but one in a hundred of them.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ligature {

class NhsDirectory {
 public:
  NhsDirectory() = default;

  // entries: sorted by key(entry), an NHS number.  The directory is about as long as the table.
  template <typename Entry, typename Key>
  NhsDirectory(const std::vector<Entry>& entries, const Key& key) {
    if (entries.empty()) return;
    const int bits = std::min(kNumberBits, static_cast<int>(std::bit_width(entries.size())));
    shift_ = kNumberBits - bits;
    word_shift_ = 63 - std::max(0, bits + kFilterBits - kWordBits);
    filter_.assign(std::size_t{1} << (63 - word_shift_), 0);
    for (const Entry& e : entries) filter_[word_of(hashed(key(e)))] |= mask_of(hashed(key(e)));
    first_.resize((std::size_t{1} << bits) + 1);
    std::size_t entry = 0;
    for (std::size_t bucket = 0; bucket < first_.size(); ++bucket) {
      while (entry < entries.size() && bucket_of(key(entries[entry])) < bucket) ++entry;
      first_[bucket] = entry;
    }
    first_.back() = entries.size();
  }

  // False only if there is no entry of this number.  To be inlined where many numbers are asked for: then the cache
  // misses of several are under way at once.
  [[nodiscard]] bool may_have(std::uint64_t nhs) const noexcept {
    const std::uint64_t hash = hashed(nhs), mask = mask_of(hash);
    return (filter_[word_of(hash)] & mask) == mask;
  }

  // Calls visit(entry) for each entry of this number, in the table's order, until visit returns false.
  // entries: the table that the directory was built from.
  template <typename Entry, typename Key, typename Visit>
  void for_each(const std::vector<Entry>& entries, const Key& key, std::uint64_t nhs, const Visit& visit) const {
    if (!may_have(nhs)) return;
    const std::size_t bucket = bucket_of(nhs);
    const auto begin = entries.begin() + static_cast<std::ptrdiff_t>(first_[bucket]);
    const auto end = entries.begin() + static_cast<std::ptrdiff_t>(first_[bucket + 1]);
    auto entry = std::partition_point(begin, end, [&](const Entry& e) { return key(e) < nhs; });
    for (; entry != end && key(*entry) == nhs; ++entry) {
      if (!visit(*entry)) return;
    }
  }

  // Fetches what tells whether this number is there: worth it some numbers before it is asked for.
  void prefetch(std::uint64_t nhs) const noexcept {
    if (!filter_.empty()) __builtin_prefetch(&filter_[word_of(hashed(nhs))]);
  }

 private:
  static constexpr int kNumberBits = 34;  // 10^10 < 2^34
  static constexpr int kFilterBits = 4;   // 2^4 an entry
  static constexpr int kWordBits = 6;

  // Multiplicative hashing (Knuth, The Art of Computer Programming 3, 6.4): the top bits choose the word, and three
  // times six in the middle the bits of it.
  [[nodiscard]] static std::uint64_t hashed(std::uint64_t nhs) noexcept { return nhs * 0x9E3779B97F4A7C15ULL; }
  [[nodiscard]] std::size_t word_of(std::uint64_t hash) const noexcept {
    return static_cast<std::size_t>(hash >> 1 >> word_shift_);
  }
  [[nodiscard]] static std::uint64_t mask_of(std::uint64_t hash) noexcept {
    return std::uint64_t{1} << (hash >> 14 & 63) | std::uint64_t{1} << (hash >> 20 & 63) |
           std::uint64_t{1} << (hash >> 26 & 63);
  }
  [[nodiscard]] std::size_t bucket_of(std::uint64_t nhs) const noexcept {
    return static_cast<std::size_t>(std::min(nhs, (std::uint64_t{1} << kNumberBits) - 1) >> shift_);
  }

  int shift_ = kNumberBits, word_shift_ = 63;
  std::vector<std::uint64_t> filter_{0};
  std::vector<std::size_t> first_;  // first entry of each bucket, and the number of entries
};

}  // namespace ligature
