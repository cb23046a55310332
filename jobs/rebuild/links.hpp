// What the passes over pairs have found so far on one rank.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/clustering.hpp"
#include "jobs/rebuild/passes.hpp"

namespace ligature {

struct LinkCount {
  std::size_t edges = 0, suppressed = 0;
};

struct Links {
  std::vector<Edge> edges;
  std::vector<Edge> suppressed;  // with an end that only barred rows have (PassResult)
  [[nodiscard]] LinkCount count() const noexcept { return {edges.size(), suppressed.size()}; }
  void add(const PassResult& found) {
    edges.insert(edges.end(), found.edges.begin(), found.edges.end());
    suppressed.insert(suppressed.end(), found.suppressed.begin(), found.suppressed.end());
  }
};

}  // namespace ligature
