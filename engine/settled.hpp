// When expectation-maximisation has settled.  The likelihood does not tell: near its top it hardly changes while an
// estimate that little is known of still creeps, and the more pairs there are, the earlier a relative change of it
// looks like none.  So what counts is how far the probabilities move.
#pragma once

#include <algorithm>
#include <cmath>

namespace ligature {

// The move of a probability from one iteration to the next, in units of what counts as settled: a thousandth of the
// standard error that it would have if the class of each pair were known, or less than arithmetic can tell.  pairs: of
// the class, known or expected.
//
// If a share r of the information is missing, each move is r times the one before, so that 1/(1-r) such moves are left
// to go, and the true standard error is 1/sqrt(1-r) times that one: at r = 0.99 a hundredth of it is left, at r =
// 0.9999 a tenth.
inline double move_to_settle(double from, double to, double pairs) noexcept {
  constexpr double kOfStandardError = 1e-3, kSmallest = 1e-12;
  const double error = std::sqrt(to * (1 - to) / pairs);
  return std::abs(to - from) / std::max(kOfStandardError * error, kSmallest * to);
}

}  // namespace ligature
