// Sorting by comparison on the threads of one rank.  Apart from parallel.hpp, for few need it and its templates are
// long.
#pragma once

#ifdef LIGATURE_THREAD_SANITIZER  // parallel.hpp says why
#include <algorithm>
#else
#include <tbb/parallel_sort.h>
#endif

namespace ligature {

// Sorts by a strict total order (no two items equal under it unless identical): the result is then unique.
template <typename Iterator, typename Less>
void sort_items(Iterator first, Iterator last, const Less& less) {
#ifdef LIGATURE_THREAD_SANITIZER
  std::sort(first, last, less);
#else
  tbb::parallel_sort(first, last, less);
#endif
}

}  // namespace ligature
