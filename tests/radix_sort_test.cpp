// The radix sort against a plain stable sort, on keys of every kind that the job sorts by and on hostile ones.
#include "engine/radix_sort.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/sanitized.hpp"

namespace ligature {
namespace {

class RadixSort : public testing::TestWithParam<int> {
 private:
  ThreadLimit limit_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Threads, RadixSort, testing::Values(1, 2, 4),
                         [](const auto& threads) { return std::to_string(threads.param); });

template <std::size_t kWords>
struct Item {
  std::uint64_t key = 0, place = 0;
  std::uint64_t rest[kWords]{};
  friend bool operator==(const Item&, const Item&) = default;
};

template <std::size_t kWords>
std::vector<Item<kWords>> items_with(std::size_t count, const std::function<std::uint64_t()>& key) {
  std::vector<Item<kWords>> items(count);
  for (std::size_t i = 0; i < count; ++i) items[i] = {key(), i, {count}};
  return items;
}

template <std::size_t kWords>
void expect_sorted_as_plainly(std::size_t count, const std::function<std::uint64_t()>& key, const char* what) {
  const auto key_of = [](const Item<kWords>& item) { return item.key; };
  std::vector<Item<kWords>> items = items_with<kWords>(count, key), plain = items;
  sort_by_key(items, key_of);
  sort_by_key_plain(plain, key_of);
  EXPECT_TRUE(items == plain) << count << " items of " << sizeof(items.front()) << " bytes, keys " << what;
}

TEST_P(RadixSort, sorts_as_a_plain_stable_sort_does_whatever_the_keys) {
  std::mt19937_64 random(11);
  std::uint64_t next = 0;
  const std::pair<const char*, std::function<std::uint64_t()>> kinds[] = {
      {"even, as linkage keys are", [&] { return random(); }},
      {"even and often equal", [&] { return random() % 300 * 0x9E3779B97F4A7C15ULL; }},
      {"of one rank's shards", [&] { return (std::uint64_t{5} << 61) + random() / 8; }},
      {"dense numbers", [&] { return 7'000'000'000 + random() % 50'000; }},
      {"rising", [&] { return ++next; }},
      {"falling", [&] { return --next; }},
      {"all equal", [] { return std::uint64_t{42}; }},
      {"zero and the largest", [&] { return random() % 2 - 1; }},
      {"a flood among others", [&] { return random() % 4 == 0 ? random() : 1U << 20; }},
      {"alike but for their last bits", [&] { return (random() % 8 << 60) + random() % 1000; }},
      {"powers of two", [&] { return std::uint64_t{1} << random() % 64; }},
  };
  for (const auto& [what, key] : kinds) {
    for (const std::size_t count :
         {0U, 1U, 2U, 3U, 64U, 65U, 1000U, 4096U, 30'000U, unless_sanitized(150'000U, 70'000U)}) {
      expect_sorted_as_plainly<1>(count, key, what);
    }
    expect_sorted_as_plainly<2>(20'000, key, what);
    expect_sorted_as_plainly<5>(20'000, key, what);
  }
}

TEST_P(RadixSort, sorts_equal_keys_by_another_order_if_there_is_one) {
  std::mt19937_64 random(12);
  const auto key_of = [](const Item<1>& item) { return item.key; };
  const auto less = [](const Item<1>& a, const Item<1>& b) { return a.place > b.place; };
  for (const std::uint64_t different : {1U, 10U, 5000U}) {
    std::vector<Item<1>> items = items_with<1>(20'000, [&] { return random() % different; }), plain = items;
    sort_by_key(items, key_of, less);
    std::sort(plain.begin(), plain.end(),
              [&](const Item<1>& a, const Item<1>& b) { return a.key != b.key ? a.key < b.key : less(a, b); });
    EXPECT_TRUE(items == plain) << different;
  }
}

TEST_P(RadixSort, sorts_what_several_ranks_have_dealt_as_if_one_had) {
  constexpr unsigned kBits = 6;
  constexpr std::size_t kRanks = 3, kBuckets = std::size_t{1} << kBits;
  std::mt19937_64 random(12);
  const auto key_of = [](const Item<1>& item) { return item.key; };
  for (const std::uint64_t different : {1U, 50U, 1U << 30}) {
    const std::function<std::uint64_t()> key = [&] { return random() % different * 0x9E3779B97F4A7C15ULL; };
    std::vector<Item<1>> plain;
    std::vector<std::vector<Item<1>>> dealt;  // of one rank after the other
    for (std::size_t rank = 0; rank < kRanks; ++rank) {
      dealt.push_back(items_with<1>(rank == 1 ? 0 : 20'000, key));
      plain.insert(plain.end(), dealt.back().begin(), dealt.back().end());
      std::stable_sort(dealt.back().begin(), dealt.back().end(), [](const Item<1>& a, const Item<1>& b) {
        return a.key >> (64 - kBits) < b.key >> (64 - kBits);
      });
    }
    RawVector<Item<1>> items(plain.size());
    std::vector<radix_sort_detail::Run> runs(kBuckets * kRanks);
    std::uint64_t place = 0;
    for (std::size_t rank = 0; rank < kRanks; ++rank) {
      auto item = dealt[rank].begin();
      for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
        radix_sort_detail::Run& run = runs[bucket * kRanks + rank];
        run.begin = place;
        for (; item != dealt[rank].end() && item->key >> (64 - kBits) == bucket; ++item) items[place++] = *item;
        run.end = place;
      }
    }
    sort_by_key_plain(plain, key_of);
    const RawVector<Item<1>> sorted =
        sort_buckets(std::move(items), std::span<const radix_sort_detail::Run>(runs), kRanks, kBits, key_of, nullptr);
    EXPECT_TRUE(std::equal(sorted.begin(), sorted.end(), plain.begin(), plain.end())) << different << " keys";
  }
}

}  // namespace
}  // namespace ligature
