// How many different things there are in all, reckoned from a sample of the blocks that they stand in.
//
// In how many blocks a thing stands differs from thing to thing and is not known, but that it is so many for some, so
// many for others; the most likely such mixture tells how many stand in no block of the sample (J. L. Norris and K. H.
// Pollock, Nonparametric MLE under two closed capture-recapture models with heterogeneity between individuals,
// Biometrics 52, 1996).  It is found by expectation and maximisation.
#pragma once

#include <cstdint>
#include <span>

namespace ligature {

// standing[i]: how many things stand in i + 1 blocks of the sample; what stands in more blocks than that is not among
// them.  share: of the blocks that are in the sample, each as likely as any other; above 0, at most 1.  At least their
// sum, which it is where all blocks are in the sample.
double different_in_all(std::span<const std::uint64_t> standing, double share);

}  // namespace ligature
