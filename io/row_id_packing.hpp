// Row ids in few bytes: a block's ids one after the other, each as what it adds to the one before it
// (front_coding.hpp), and back in batches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace ligature {

class RowIdPacker {
 public:
  // ids: of a block, back to back; ends: where each ends.  What is returned stands until the next call.
  std::span<const std::byte> pack(std::span<const char> ids, std::span<const std::uint32_t> ends);

 private:
  std::vector<std::byte> packed_;  // kept, so that its memory is touched once
};

// Goes through the ids of a block as they are packed.
class PackedRowIds {
 public:
  explicit PackedRowIds(std::span<const std::byte> packed) noexcept : left_(packed) {}
  // The bytes of the next id.  Throws Error if it is not there.
  std::string_view next();

 private:
  std::span<const std::byte> left_;
  std::uint64_t last_size_ = 0;  // of the id before
};

class RowIdUnpacker {
 public:
  void start(std::span<const std::byte> packed) noexcept { left_ = packed, last_size_ = 0; }
  // The next count ids; they stand until the next call.  Throws Error if they are not there.
  std::span<std::string_view> next(std::size_t count);

 private:
  struct Place {
    std::size_t begin = 0, size = 0;
  };
  // Room for so many more bytes of text after those in use.
  void make_room(std::size_t used, std::size_t more);

  std::span<const std::byte> left_;
  std::vector<char> texts_;               // of the batch, back to back; the last id of the one before stands first
  std::size_t last_ = 0, last_size_ = 0;  // the id that was taken last
  std::vector<Place> places_;
  std::vector<std::string_view> ids_;
};

}  // namespace ligature
