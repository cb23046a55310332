// Finds the entries of one NHS number in a sorted table, with about one cache miss instead of a binary search's twenty.
//
// The table is asked once for every row of a national archive.  NHS numbers are spread evenly over the ranges in use,
// so their top bits make a directory whose buckets hold a few entries each; a badly spread table only makes the search
// inside a bucket longer (still logarithmic).  Nearly all rows ask for a number that is not there: a filter small
// enough for the cache answers nearly all of them: all but one to four in a hundred.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ligature {

inline constexpr int kNhsNumberBits = 34;  // 10^10 < 2^34

// A Bloom filter whose bits of a number lie in one word (Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient
// Bloom Filters", 2007), eight to sixteen bits an entry.
class NhsFilter {
 public:
  NhsFilter() = default;
  explicit NhsFilter(std::size_t entries) {
    const int bits = std::min(kNhsNumberBits, static_cast<int>(std::bit_width(entries)));
    word_shift_ = 63 - std::max(0, bits + kBitsAnEntry - kWordBits);
    words_.assign(std::size_t{1} << (63 - word_shift_), 0);
  }

  void add(std::uint64_t nhs) noexcept { words_[word_of(hashed(nhs))] |= mask_of(hashed(nhs)); }

  // False only if this number was not added.  To be inlined, without a branch on its answer, where many numbers are
  // asked for: then the cache misses of several are under way at once.
  [[nodiscard]] bool may_have(std::uint64_t nhs) const noexcept {
    const std::uint64_t hash = hashed(nhs), mask = mask_of(hash);
    return (words_[word_of(hash)] & mask) == mask;
  }

  // Fetches what tells whether this number is there: worth it some numbers before it is asked for.
  void prefetch(std::uint64_t nhs) const noexcept { __builtin_prefetch(&words_[word_of(hashed(nhs))]); }

 private:
  static constexpr int kBitsAnEntry = 3;  // 2^3
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

  int word_shift_ = 63;
  std::vector<std::uint64_t> words_{0};
};

class NhsDirectory {
 public:
  NhsDirectory() = default;

  // entries: sorted by key(entry), an NHS number.  The directory is about as long as the table.
  template <typename Entry, typename Key>
  NhsDirectory(const std::vector<Entry>& entries, const Key& key) {
    if (entries.empty()) return;
    const int bits = std::min(kNhsNumberBits, static_cast<int>(std::bit_width(entries.size())));
    shift_ = kNhsNumberBits - bits;
    filter_ = NhsFilter(entries.size());
    for (const Entry& e : entries) filter_.add(key(e));
    first_.resize((std::size_t{1} << bits) + 1);
    std::size_t entry = 0;
    for (std::size_t bucket = 0; bucket < first_.size(); ++bucket) {
      while (entry < entries.size() && bucket_of(key(entries[entry])) < bucket) ++entry;
      first_[bucket] = entry;
    }
    first_.back() = entries.size();
  }

  // False only if there is no entry of this number.
  [[nodiscard]] bool may_have(std::uint64_t nhs) const noexcept { return filter_.may_have(nhs); }

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

  // Of a number that may_have: fetches the way to its entries, and, somewhat later, the first of its bucket.
  void prefetch_bucket(std::uint64_t nhs) const noexcept {
    if (!first_.empty()) __builtin_prefetch(&first_[bucket_of(nhs)]);
  }
  template <typename Entry>
  void prefetch_entries(const std::vector<Entry>& entries, std::uint64_t nhs) const noexcept {
    if (!first_.empty()) __builtin_prefetch(entries.data() + first_[bucket_of(nhs)]);
  }

 private:
  [[nodiscard]] std::size_t bucket_of(std::uint64_t nhs) const noexcept {
    return static_cast<std::size_t>(std::min(nhs, (std::uint64_t{1} << kNhsNumberBits) - 1) >> shift_);
  }

  int shift_ = kNhsNumberBits;
  NhsFilter filter_;
  std::vector<std::size_t> first_;  // first entry of each bucket, and the number of entries
};

}  // namespace ligature
