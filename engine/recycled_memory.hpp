// Large blocks of memory that are used again instead of being given back.
//
// The first touch of a page is the most expensive access there is: on a virtual machine whose free memory is with the
// host it runs at 0.3 GB/s, and even at best at a tenth of what memory does.  A rebuild allocates three times what it
// ever holds at once.  So the program's operator new takes blocks of kLargeBlock bytes and more from one range of
// addresses, in huge pages, lowest free address first, and keeps what is freed for the next block.  Where free ranges
// are too small for it, their pages are moved under it (mremap), or given back as others are touched where the system
// cannot: the process never holds much more than the program had in use at its peak, nor than a bound that it sets
// itself where memory is short.  Smaller blocks, and all blocks where such a range cannot be had or a sanitizer
// watches, are malloc's.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ligature {

inline constexpr std::size_t kLargeBlock = std::size_t{256} << 10;
inline constexpr std::size_t kLargeAlignment = std::size_t{64} << 10;  // of large blocks

struct RecycledMemory {
  std::uint64_t in_use = 0;       // bytes of large blocks now
  std::uint64_t most_in_use = 0;  // ... at any time
  std::uint64_t held = 0;         // bytes of pages that lie under blocks, or did and were not given back
  std::uint64_t handed_out = 0;   // bytes of all large blocks so far: what would have been touched without recycling
};
RecycledMemory recycled_memory() noexcept;

// From here on pages of no more than so many bytes are held, unless blocks in use lie on them.  close: the bound is
// near what is needed, so that huge pages, of which a block may use little, are done without.
void keep_large_blocks_within(std::uint64_t bytes, bool close) noexcept;

// For operator new: null if the range cannot serve it.
void* take_large_block(std::size_t bytes);
// For operator delete: false if the block is not of the range.
bool give_back_large_block(void* block) noexcept;

}  // namespace ligature
