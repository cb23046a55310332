// The index of nodes against a sorted list, where numbers are dense, where they are sparse, and at the ends of both.
#include "partition/node_index.hpp"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

namespace ligature {
namespace {

void expect_index_of(const std::vector<std::uint64_t>& nodes) {
  std::vector<std::uint64_t> different = nodes;
  std::sort(different.begin(), different.end());
  different.erase(std::unique(different.begin(), different.end()), different.end());
  const NodeIndex index(nodes.size(), [&](std::size_t i) { return nodes[i]; });
  ASSERT_EQ(index.nodes(), different);
  for (std::size_t i = 0; i < different.size(); ++i) {
    EXPECT_EQ(index.find(different[i]), i);
    for (const std::uint64_t near : {different[i] - 1, different[i] + 1}) {
      const auto found = std::lower_bound(different.begin(), different.end(), near);
      const bool is_there = found != different.end() && *found == near;
      EXPECT_EQ(index.find(near), is_there ? static_cast<std::size_t>(found - different.begin()) : different.size());
    }
  }
}

std::vector<std::uint64_t> random_nodes(std::size_t count, std::uint64_t first, std::uint64_t span) {
  std::mt19937_64 random(count);
  std::vector<std::uint64_t> nodes;
  for (std::size_t i = 0; i < count; ++i) nodes.push_back(first + random() % span);
  return nodes;
}

TEST(NodeIndex, of_nothing_finds_nothing) {
  expect_index_of({});
  EXPECT_EQ(NodeIndex(0, [](std::size_t) { return std::uint64_t{0}; }).find(7), 0U);
}

TEST(NodeIndex, of_dense_numbers_far_from_zero) {
  expect_index_of(random_nodes(20'000, std::uint64_t{1} << 40, 10'000));
  expect_index_of(random_nodes(20'000, 5, 1'000'000));
}

TEST(NodeIndex, of_sparse_numbers) {
  expect_index_of(random_nodes(2'000, 1, std::uint64_t{1} << 60));
}

TEST(NodeIndex, of_one_number_many_times_and_of_neighbours_across_a_word) {
  expect_index_of({9, 9, 9});
  expect_index_of({63, 64, 127, 128, 0, 1});
}

}  // namespace
}  // namespace ligature
