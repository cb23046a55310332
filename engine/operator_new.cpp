// The program's operator new and delete: large blocks are recycled (recycled_memory.hpp), small ones are malloc's.  All
// other forms end up in these.  A file of its own, so that the linker takes it as soon as anything is allocated and the
// compiler sees no container beside it.
#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "engine/recycled_memory.hpp"

// A sanitizer has to see every block.  GCC names it, Clang has to be asked.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LIGATURE_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LIGATURE_SANITIZED
#endif

#if !defined(LIGATURE_SANITIZED)

namespace {

template <typename Take>
void* take_block(std::size_t bytes, const Take& take_small) {
  if (bytes >= ligature::kLargeBlock) {
    if (void* const block = ligature::take_large_block(bytes)) return block;
  }
  for (;;) {
    if (void* const block = take_small()) return block;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

void give_back(void* block) noexcept {
  if (!ligature::give_back_large_block(block)) std::free(block);
}

}  // namespace

void* operator new(std::size_t bytes) {
  return take_block(bytes, [&] { return std::malloc(bytes == 0 ? 1 : bytes); });
}

void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const auto unit = static_cast<std::size_t>(alignment);
  // Large blocks lie at multiples of kLargeAlignment.
  const std::size_t wanted = unit <= ligature::kLargeAlignment ? bytes : 0;
  return take_block(wanted, [&] { return std::aligned_alloc(unit, std::max(unit, (bytes + unit - 1) / unit * unit)); });
}

void operator delete(void* block) noexcept {
  give_back(block);
}
void operator delete(void* block, std::size_t) noexcept {
  give_back(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
  give_back(block);
}
void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
  give_back(block);
}

#endif
