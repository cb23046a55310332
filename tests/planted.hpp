// Counts drawn from known probabilities, and the error that drawing leaves to an estimate of what they depend on: the
// inverse of the Fisher information, at the planted values, of a multinomial over cells.
//
// Each cell's probability must be linear in each parameter, as those of a mixture of products of levels are: central
// differences are then exact at any step.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <vector>

namespace ligature {

using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;
using CellProbabilities = std::function<Vector(const Vector& parameters)>;

// Exact multinomial sampling: each cell's count is binomial given those before it.
inline std::vector<std::uint64_t> draw(const Vector& probabilities, std::uint64_t pairs, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> counts;
  double left = 0;
  for (const double p : probabilities) left += p;
  auto rest = static_cast<std::int64_t>(pairs);
  for (const double p : probabilities) {
    const double share = left > 0 ? std::min(1.0, p / left) : 0;
    const std::int64_t count =
        rest > 0 && share > 0 ? std::binomial_distribution<std::int64_t>(rest, share)(random) : 0;
    counts.push_back(static_cast<std::uint64_t>(count));
    rest -= count;
    left -= p;
  }
  return counts;
}

// The information that so many pairs hold on the parameters that are free.
inline Matrix information(const CellProbabilities& cells, const Vector& at, const std::vector<std::size_t>& free,
                          double pairs) {
  const Vector p = cells(at);
  Matrix slopes;
  for (const std::size_t i : free) {
    Vector above = at, below = at;
    const double step = at[i] / 2;
    above[i] += step, below[i] -= step;
    Vector slope = cells(above);
    const Vector low = cells(below);
    for (std::size_t c = 0; c < slope.size(); ++c) slope[c] = (slope[c] - low[c]) / (2 * step);
    slopes.push_back(slope);
  }
  Matrix found(free.size(), Vector(free.size()));
  for (std::size_t i = 0; i < free.size(); ++i) {
    for (std::size_t j = 0; j < free.size(); ++j) {
      for (std::size_t c = 0; c < p.size(); ++c) {
        if (p[c] > 0) found[i][j] += pairs * slopes[i][c] * slopes[j][c] / p[c];
      }
    }
  }
  return found;
}

// Of a positive definite matrix, by Gauss-Jordan elimination after scaling to a unit diagonal.
inline Matrix inverse(Matrix a) {
  const std::size_t n = a.size();
  Vector scale(n);
  Matrix b(n, Vector(n));
  for (std::size_t i = 0; i < n; ++i) scale[i] = 1 / std::sqrt(a[i][i]), b[i][i] = 1;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) a[i][j] *= scale[i] * scale[j];
  }
  for (std::size_t k = 0; k < n; ++k) {
    const double pivot = a[k][k];
    for (std::size_t j = 0; j < n; ++j) a[k][j] /= pivot, b[k][j] /= pivot;
    for (std::size_t i = 0; i < n; ++i) {
      const double factor = i == k ? 0 : a[i][k];
      for (std::size_t j = 0; j < n; ++j) a[i][j] -= factor * a[k][j], b[i][j] -= factor * b[k][j];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) b[i][j] *= scale[i] * scale[j];
  }
  return b;
}

// Of the sum of the parameters weighted by slopes.
inline double standard_error(const Matrix& covariance, const Vector& slopes) {
  double variance = 0;
  for (std::size_t i = 0; i < slopes.size(); ++i) {
    for (std::size_t j = 0; j < slopes.size(); ++j) variance += slopes[i] * slopes[j] * covariance[i][j];
  }
  return std::sqrt(variance);
}

// Squared length of the error in standard errors: chi-squared with as many degrees of freedom as there are parameters.
inline double squared_error(const Matrix& information, const Vector& error) {
  double sum = 0;
  for (std::size_t i = 0; i < error.size(); ++i) {
    for (std::size_t j = 0; j < error.size(); ++j) sum += error[i] * error[j] * information[i][j];
  }
  return sum;
}

}  // namespace ligature
