// Optimal string alignment over short names: three rows of the dynamic programme.
#include "io/nearest_name.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace ligature {
namespace {

constexpr std::size_t kLongestName = 64;

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0U : 1U)});
      const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::optional<std::string_view> nearest_name(std::string_view name, std::span<const std::string_view> known) {
  if (name.size() > kLongestName) return std::nullopt;
  std::size_t nearest = std::max<std::size_t>(1, name.size() / 3) + 1;
  std::optional<std::string_view> found;
  for (const std::string_view candidate : known) {
    if (candidate.size() > kLongestName) continue;
    if (const std::size_t distance = edit_distance(name, candidate); distance < nearest) {
      nearest = distance;
      found = candidate;
    }
  }
  return found;
}

std::string suggestion(std::string_view name, std::span<const std::string_view> known, std::string_view label) {
  if (const auto near = nearest_name(name, known)) return fmt::format("; did you mean '{}'?", *near);
  return fmt::format("; known {}: {}", label, fmt::join(known, ", "));
}

}  // namespace ligature
