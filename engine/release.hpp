// Gives a vector's memory back at once.  Assigning {} would empty it and keep the memory: braces choose the assignment
// of a list, which has no reason to shrink.
#pragma once

#include <vector>

namespace ligature {

template <typename T, typename Allocator>
void release(std::vector<T, Allocator>& items) noexcept {
  std::vector<T, Allocator>().swap(items);
}

}  // namespace ligature
