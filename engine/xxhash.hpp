// xxHash over long texts: on x86-64 the library's own choice, when it runs, of the widest vectors that the processor
// has, where the library was built with it.  The values are the same.  (linkage_key.cpp compiles xxHash in for short
// ones.)
#pragma once

#include <xxhash.h>

#if defined(LIGATURE_XXHASH_DISPATCH)
#include <xxh_x86dispatch.h>
#endif
