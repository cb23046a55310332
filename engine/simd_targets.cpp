#include "engine/simd_targets.hpp"

#include <cstdlib>
#include <string>

#include <hwy/targets.h>

#include "engine/error.hpp"

namespace ligature {

namespace {

// Better targets have lower bits in Highway.
bool restrict_targets() {
  const char* const variable = std::getenv("LIGATURE_SIMD");
  const std::string wanted = variable == nullptr ? "" : variable;
  if (wanted == "baseline") {
#if HWY_ARCH_X86
    hwy::DisableTargets(HWY_SSE4 - 1);
#else
    hwy::DisableTargets(HWY_STATIC_TARGET - 1);
#endif
  } else if (wanted == "avx2") {
#if HWY_ARCH_X86
    hwy::DisableTargets(HWY_AVX2 - 1);
#endif
  } else if (!wanted.empty() && wanted != "avx512") {
    throw UsageError("LIGATURE_SIMD must be baseline, avx2 or avx512");
  }
  return true;
}

}  // namespace

void ensure_simd_targets() {
  static const bool restricted = restrict_targets();
  static_cast<void>(restricted);
}

}  // namespace ligature
