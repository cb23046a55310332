// [[extract.screen]] of a job file: which rows of an extract are births, deliveries, deaths, admissions, registrations.
//
// The engine knows no clinical codes; the quality screens (docs/quality.md) look at what these rules name.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ligature {

enum class ScreenKind : std::uint32_t { birth, delivery, death, admission, registration };
inline constexpr std::size_t kScreenKinds = 5;
inline constexpr std::array<std::string_view, kScreenKinds> kScreenKindNames = {"birth", "delivery", "death",
                                                                                "admission", "registration"};

struct ScreenRule {
  ScreenKind kind = ScreenKind::birth;
  std::string column;               // a kept category; empty: every row of the extract
  std::vector<std::string> values;  // of that column
  std::string until;                // admission, registration: a kept date, the last day; empty: none
  std::string site;                 // admission, registration: a kept category, else "provider"; empty for other kinds
  friend bool operator==(const ScreenRule&, const ScreenRule&) = default;
};

struct Extract;
class Mistakes;
class TableReader;

// Reads the rules of an extract whose columns and kept columns are known already.
void read_screens(TableReader& extract_table, Extract& extract, Mistakes& mistakes);

}  // namespace ligature
