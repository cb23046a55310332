// A decimal number and a unit; std::from_chars reads the number, so the locale does not matter.
#include "io/quantity.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <span>

namespace ligature {
namespace {

struct Unit {
  std::string_view name;  // lower case
  std::uint64_t factor;
};

constexpr std::uint64_t kKibi = 1024;
constexpr std::array<Unit, 4> kCountUnits = {{{"", 1}, {"k", 1'000}, {"m", 1'000'000}, {"g", 1'000'000'000}}};
constexpr std::array<Unit, 15> kByteUnits = {{{"", 1},
                                              {"b", 1},
                                              {"bytes", 1},
                                              {"k", kKibi},
                                              {"m", kKibi* kKibi},
                                              {"g", kKibi* kKibi* kKibi},
                                              {"t", kKibi* kKibi* kKibi* kKibi},
                                              {"kib", kKibi},
                                              {"mib", kKibi* kKibi},
                                              {"gib", kKibi* kKibi* kKibi},
                                              {"tib", kKibi* kKibi* kKibi* kKibi},
                                              {"kb", 1'000},
                                              {"mb", 1'000'000},
                                              {"gb", 1'000'000'000},
                                              {"tb", 1'000'000'000'000}}};
constexpr double kExactDouble = 9007199254740992.0;  // 2^53

bool same_letters(std::string_view text, std::string_view lower_case) noexcept {
  if (text.size() != lower_case.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != lower_case[i]) return false;
  }
  return true;
}

std::optional<std::uint64_t> parse_quantity(std::string_view text, std::span<const Unit> units) noexcept {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view number = text.substr(0, digits);
  std::string_view unit_name = text.substr(digits);
  while (!unit_name.empty() && unit_name.front() == ' ') unit_name.remove_prefix(1);
  if (number.empty() || number.front() == '.' || number.back() == '.') return std::nullopt;
  const char* const end = number.data() + number.size();
  for (const Unit& unit : units) {
    if (!same_letters(unit_name, unit.name)) continue;
    std::uint64_t whole = 0;
    if (const auto [stop, error] = std::from_chars(number.data(), end, whole); error == std::errc{} && stop == end) {
      if (whole > UINT64_MAX / unit.factor) return std::nullopt;
      return whole * unit.factor;
    }
    double fraction = 0;
    const auto [stop, error] = std::from_chars(number.data(), end, fraction, std::chars_format::fixed);
    if (error != std::errc{} || stop != end) return std::nullopt;
    const double value = fraction * static_cast<double>(unit.factor);
    if (!(value <= kExactDouble) || value != std::floor(value)) return std::nullopt;
    return static_cast<std::uint64_t>(value);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> parse_count(std::string_view text) noexcept {
  return parse_quantity(text, kCountUnits);
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) noexcept {
  return parse_quantity(text, kByteUnits);
}

}  // namespace ligature
