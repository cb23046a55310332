// Runs what holds for every instruction set by each that this machine has.
#pragma once

#include <cstdint>
#include <functional>

#include <hwy/targets.h>

#include "engine/simd_targets.hpp"

namespace ligature {

// Calls body with the name of each target in turn, which kernels then are dispatched to.
inline void on_every_target(const std::function<void(const char*)>& body) {
  ensure_simd_targets();  // reads the environment first
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    body(hwy::TargetName(target));
  }
  hwy::SetSupportedTargetsForTest(0);
}

}  // namespace ligature
