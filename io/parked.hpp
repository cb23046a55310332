// A vector that waits on scratch while others need its memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "engine/release.hpp"
#include "io/spool.hpp"

namespace ligature {

template <typename T, typename Allocator = std::allocator<T>>
class Parked {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  // scratch: a private folder; nothing to leave the items where they are.  items: empty from here on until they are
  // brought back.
  Parked(const std::optional<std::filesystem::path>& scratch, std::vector<T, Allocator>& items) {
    if (!scratch) return;
    count_ = items.size();
    spool_.emplace(*scratch, budget_);
    const std::span<const std::byte> bytes = std::as_bytes(std::span(items));
    for (std::size_t begin = 0; begin < bytes.size(); begin += kPiece) {
      spool_->append(bytes.subspan(begin, std::min(kPiece, bytes.size() - begin)));
    }
    spool_->settle();
    release(items);
  }
  Parked(const Parked&) = delete;
  Parked& operator=(const Parked&) = delete;

  void bring_back(std::vector<T, Allocator>& items) {
    if (!spool_) return;
    items.resize(count_);
    spool_->read(std::as_writable_bytes(std::span(items)));
    spool_.reset();
  }

 private:
  static constexpr std::size_t kPiece = std::size_t{1} << 20;
  std::size_t count_ = 0;
  SpoolBudget budget_{0};
  std::optional<Spool> spool_;
};

}  // namespace ligature
