// The program's operator new and delete: large blocks are recycled (recycled_memory.hpp), small ones are malloc's.  All
// other forms but the aligned ones, which stay the library's, end up in these.  A file of its own, so that the linker
// takes it as soon as anything is allocated and the compiler sees no container beside it.
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

void* operator new(std::size_t bytes) {
  if (bytes >= ligature::kLargeBlock) {
    if (void* const block = ligature::take_large_block(bytes)) return block;
  }
  for (;;) {
    if (void* const block = std::malloc(bytes == 0 ? 1 : bytes)) return block;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

void operator delete(void* block) noexcept {
  if (!ligature::give_back_large_block(block)) std::free(block);
}

void operator delete(void* block, std::size_t) noexcept {
  if (!ligature::give_back_large_block(block)) std::free(block);
}

#endif
