// The different nodes among many, each with its place in ascending order.
//
// Identities are numbered densely, so a bit a number and a running count of bits answer with one or two reads of memory
// that mostly lie in cache, and no node is ever sorted (rank over a bit vector: Jacobson, FOCS 1989).  Where the
// numbers are sparse, as on one of very many ranks, the nodes are sorted and searched.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"

namespace ligature {

class NodeIndex {
 public:
  // node_at(i): node i of [0, count), in any order and with repeats; called from several threads.
  template <typename NodeAt>
  NodeIndex(std::size_t count, const NodeAt& node_at);

  // The different nodes, ascending.
  [[nodiscard]] const std::vector<std::uint64_t>& nodes() const noexcept { return nodes_; }

  // The place of a node among nodes(), or their number if it is not there.
  [[nodiscard]] std::size_t find(std::uint64_t node) const noexcept {
    if (bits_.empty()) {
      const auto found = std::lower_bound(nodes_.begin(), nodes_.end(), node);
      return found == nodes_.end() || *found != node ? nodes_.size() : static_cast<std::size_t>(found - nodes_.begin());
    }
    if (node < first_ || node - first_ >= 64 * bits_.size()) return nodes_.size();
    const std::uint64_t word = (node - first_) / 64, bit = std::uint64_t{1} << (node - first_) % 64;
    if ((bits_[word] & bit) == 0) return nodes_.size();
    return before_[word] + static_cast<std::size_t>(std::popcount(bits_[word] & (bit - 1)));
  }

 private:
  static constexpr std::size_t kGrain = std::size_t{1} << 14;

  std::vector<std::uint64_t> nodes_;
  std::uint64_t first_ = 0;
  std::vector<std::uint64_t> bits_;    // of the numbers from first_; empty if they are sparse
  std::vector<std::uint32_t> before_;  // nodes before each word of bits
};

template <typename NodeAt>
NodeIndex::NodeIndex(std::size_t count, const NodeAt& node_at) {
  if (count == 0) return;
  std::uint64_t last = 0;
  first_ = std::numeric_limits<std::uint64_t>::max();
  for (std::size_t i = 0; i < count; ++i) {
    first_ = std::min(first_, node_at(i));
    last = std::max(last, node_at(i));
  }
  // The bits take no more memory than the nodes would.
  if ((last - first_) / 64 > count || count > std::numeric_limits<std::uint32_t>::max()) {
    nodes_.resize(count);
    for_blocks(count, kGrain, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) nodes_[i] = node_at(i);
    });
    sort_by_key(nodes_, std::identity());
    nodes_.erase(std::unique(nodes_.begin(), nodes_.end()), nodes_.end());
    return;
  }
  bits_.resize((last - first_) / 64 + 1);
  for_blocks(count, kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::uint64_t number = node_at(i) - first_, bit = std::uint64_t{1} << number % 64;
      const std::atomic_ref<std::uint64_t> word(bits_[number / 64]);
      if ((word.load(std::memory_order_relaxed) & bit) == 0) word.fetch_or(bit, std::memory_order_relaxed);
    }
  });
  before_.resize(bits_.size());
  std::uint32_t different = 0;
  for (std::size_t word = 0; word < bits_.size(); ++word) {
    before_[word] = different;
    different += static_cast<std::uint32_t>(std::popcount(bits_[word]));
  }
  nodes_.resize(different);
  for_blocks(bits_.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t word = begin; word < end; ++word) {
      std::size_t place = before_[word];
      for (std::uint64_t left = bits_[word]; left != 0; left &= left - 1) {
        nodes_[place++] = first_ + 64 * word + static_cast<std::uint64_t>(std::countr_zero(left));
      }
    }
  });
}

}  // namespace ligature
