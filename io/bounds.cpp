#include "io/bounds.hpp"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "engine/error.hpp"
#include "io/files.hpp"

namespace ligature {

namespace {

constexpr std::array<std::pair<std::string_view, double Bounds::*>, 8> kNames{{
    {"disk_read_bytes", &Bounds::disk_read_bytes},
    {"disk_write_bytes", &Bounds::disk_write_bytes},
    {"parse_bytes", &Bounds::parse_bytes},
    {"collapse_rows", &Bounds::collapse_rows},
    {"grouped_items", &Bounds::grouped_items},
    {"compare_pairs", &Bounds::compare_pairs},
    {"cluster_edges", &Bounds::cluster_edges},
    {"pseudonyms", &Bounds::pseudonyms},
}};

}  // namespace

Bounds parse_bounds(const std::string& json, const std::string& name) {
  const auto parsed = nlohmann::json::parse(json, nullptr, false);
  if (!parsed.is_object()) throw UsageError(name + ": not a JSON object of rates");
  Bounds bounds;
  for (const auto& item : parsed.items()) {
    const std::string& key = item.key();
    const auto& value = item.value();
    const auto* const known =
        std::find_if(kNames.begin(), kNames.end(), [&](const auto& entry) { return entry.first == key; });
    if (known == kNames.end()) throw UsageError(name + ": unknown rate \"" + key + "\"");
    if (!value.is_number() || !(value.get<double>() > 0)) {
      throw UsageError(name + ": " + key + ": not a positive number");
    }
    bounds.*known->second = value.get<double>();
  }
  return bounds;
}

Bounds read_bounds(const std::filesystem::path& path) {
  return parse_bounds(read_small_file(path), path.string());
}

std::pair<double, std::string_view> shortest_seconds(const StageWork& work, const Bounds& bounds, int hosts,
                                                     int cores) {
  const auto time = [](double amount, double rate) { return rate > 0 ? amount / rate : 0; };
  const double disk =
      (time(work.read_bytes, bounds.disk_read_bytes) + time(work.written_bytes, bounds.disk_write_bytes)) / hosts;
  const double cpu = (time(work.parsed_bytes, bounds.parse_bytes) + time(work.collapsed_rows, bounds.collapse_rows) +
                      time(work.grouped_items, bounds.grouped_items) + time(work.compared_pairs, bounds.compare_pairs) +
                      time(work.edges, bounds.cluster_edges) + time(work.persons, bounds.pseudonyms)) /
                     cores;
  return disk > cpu ? std::pair{disk, std::string_view("disk")} : std::pair{cpu, std::string_view("cpu")};
}

}  // namespace ligature
