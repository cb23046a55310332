// Partition sort against std::sort, on keys spread evenly, crowded, equal, few, and over the whole of 64 bits.
#include "engine/partition_sort.hpp"

#include <functional>
#include <random>
#include <tuple>

#include <gtest/gtest.h>

namespace ligature {
namespace {

struct Item {
  std::uint64_t key = 0;
  std::uint64_t tie = 0;
  friend auto operator<=>(const Item&, const Item&) = default;
};

void expect_sorted_like_std_sort(std::vector<Item> items) {
  std::vector<Item> expected = items;
  std::sort(expected.begin(), expected.end());
  partition_sort(items, [](const Item& item) { return item.key; }, std::less<>());
  EXPECT_EQ(items, expected);
}

std::vector<Item> items_with_keys(std::size_t count, const std::function<std::uint64_t(std::uint64_t)>& key_of) {
  std::mt19937_64 random(count);
  std::vector<Item> items;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t number = random();
    items.push_back({key_of(number), random() % 5});
  }
  return items;
}

TEST(PartitionSort, sorts_any_number_of_items) {
  for (const std::size_t count : {0U, 1U, 2U, 511U, 512U, 513U, 5'000U, 300'000U}) {
    expect_sorted_like_std_sort(items_with_keys(count, [](std::uint64_t number) { return number; }));
  }
}

TEST(PartitionSort, sorts_dense_numbers_far_from_zero) {
  expect_sorted_like_std_sort(items_with_keys(100'000, [](std::uint64_t n) { return (1ULL << 40) + n % 1'000; }));
}

TEST(PartitionSort, sorts_crowded_keys_by_the_rest_of_the_order) {
  expect_sorted_like_std_sort(items_with_keys(50'000, [](std::uint64_t) { return 7; }));
  expect_sorted_like_std_sort(items_with_keys(50'000, [](std::uint64_t n) { return n % 100 == 0 ? n : 7; }));
}

TEST(PartitionSort, sorts_keys_at_both_ends_of_64_bits) {
  expect_sorted_like_std_sort(items_with_keys(50'000, [](std::uint64_t n) { return n % 2 == 0 ? 0 : ~0ULL; }));
}

TEST(PartitionSort, gives_the_same_on_any_number_of_threads) {
  const std::vector<Item> items = items_with_keys(200'000, [](std::uint64_t n) { return n >> 20; });
  std::vector<Item> expected = items;
  std::sort(expected.begin(), expected.end());
  for (const int threads : {1, 2, 4}) {
    const ThreadLimit limit(threads);
    std::vector<Item> sorted = items;
    partition_sort(sorted, [](const Item& item) { return item.key; }, std::less<>());
    EXPECT_EQ(sorted, expected);
  }
}

}  // namespace
}  // namespace ligature
