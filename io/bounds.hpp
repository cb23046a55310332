// What a machine can do at best, as benchmarks measured it there, and so the shortest time that a stage can take.
//
// bench/bounds.sh writes the file; rebuild --bounds reads it.  A bound of another machine, or of another day on a
// shared one, says little: so nothing is assumed where no file is given.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace ligature {

// Work a second; 0: not measured.
struct Bounds {
  double disk_read_bytes = 0, disk_write_bytes = 0;  // of a host, past the page cache
  // Of a core:
  double parse_bytes = 0;    // extract to packed identities and payload
  double collapse_rows = 0;  // equal identities to one
  double grouped_items = 0;  // records of 32 bytes brought together by a key: what sorts and shuffles do at least
  double compare_pairs = 0;  // the pair kernel
  double cluster_edges = 0;  // union-find
  double pseudonyms = 0;
};

// A JSON object with any of the names above; throws UsageError for others, and for what is no positive number.
Bounds read_bounds(const std::filesystem::path& path);
Bounds parse_bounds(const std::string& json, const std::string& name);

// What a stage does at least, over all ranks.
struct StageWork {
  double read_bytes = 0, written_bytes = 0;
  double parsed_bytes = 0, collapsed_rows = 0, grouped_items = 0, compared_pairs = 0, edges = 0, persons = 0;
};

// The shortest time, and what sets it ("disk" or "cpu"): disk and cores work side by side, kernels one after another.
// 0 if nothing of the work has a bound.
std::pair<double, std::string_view> shortest_seconds(const StageWork& work, const Bounds& bounds, int hosts, int cores);

}  // namespace ligature
