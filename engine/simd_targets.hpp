// The instruction sets that kernels may use: what Highway finds on this machine, less what LIGATURE_SIMD rules out.
#pragma once

namespace ligature {

// Applies LIGATURE_SIMD=baseline|avx2|avx512 (unset: no limit) to every kernel of the process, the first time it is
// called; every kernel calls it before it dispatches.  Throws UsageError if the variable holds anything else.
void ensure_simd_targets();

}  // namespace ligature
