// The digests of a file's blocks, from bytes that come in pieces of any size.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "io/content_digest.hpp"

namespace ligature {

class BlockDigests {
 public:
  explicit BlockDigests(std::size_t block_bytes) : block_bytes_(block_bytes) {}

  // The file's next bytes.  digests: of its blocks so far; the last is that of a block as far as it has come.
  void add(std::span<const std::byte> bytes, std::vector<Digest>& digests) {
    while (!bytes.empty()) {
      if (left_ == 0) {
        block_.emplace();
        digests.emplace_back();
        left_ = block_bytes_;
      }
      const std::size_t part = std::min(bytes.size(), left_);
      block_->add(bytes.first(part));
      digests.back() = block_->finish();
      left_ -= part;
      bytes = bytes.subspan(part);
    }
  }
  // What comes next is of another file, or begins a block.
  void restart() noexcept { left_ = 0; }

 private:
  std::size_t block_bytes_;
  std::size_t left_ = 0;  // of the block
  std::optional<PiecewiseDigest> block_;
};

}  // namespace ligature
