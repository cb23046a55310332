#include "io/screen_settings.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "io/job_file.hpp"
#include "io/table_reader.hpp"

namespace ligature {

namespace {

constexpr std::size_t kMaxScreens = 100;  // of one extract
constexpr std::string_view kHeader = "[[extract.screen]]";

// The text of a key that must name a kept column of a type; empty if it is absent or wrong.
std::string kept_column(TableReader& table, std::string_view key, ColumnType type, const Extract& extract) {
  const std::optional<std::string> name = table.text(key);
  if (!name) return {};
  const bool kept = std::any_of(extract.keep.begin(), extract.keep.end(), [&](const KeptColumn& column) {
    return column.column == *name && column.type == type;
  });
  if (kept) return *name;
  table.mistake_at(key, fmt::format("'{}' in {} must name a column that [[extract.keep]] keeps as \"{}\"; '{}' is none",
                                    key, kHeader, column_type_name(type), *name));
  return {};
}

// Where and until when: of stays only.
void read_stay(TableReader& table, const Extract& extract, ScreenRule& rule) {
  rule.until = kept_column(table, "until", ColumnType::date, extract);
  rule.site = kept_column(table, "site", ColumnType::category, extract);
  if (rule.kind != ScreenKind::admission && rule.kind != ScreenKind::registration) {
    for (const std::string_view key : {"until", "site"}) {
      if (table.has(key)) {
        table.mistake_at(key, fmt::format("'{}' in {} is for admissions and registrations, not for {} rows", key,
                                          kHeader, kScreenKindNames[static_cast<std::size_t>(rule.kind)]));
      }
    }
    return;
  }
  if (!table.has("site")) {
    rule.site = "provider";
    if (!extract.columns.provider) {
      table.mistake(fmt::format("{} needs a place: name 'site' here, or 'provider' in [extract.columns]", kHeader));
    }
  }
}

}  // namespace

void read_screens(TableReader& extract_table, Extract& extract, Mistakes& mistakes) {
  const std::vector<const ConfigNode*> tables = extract_table.tables("screen", kHeader);
  if (tables.size() > kMaxScreens) {
    return extract_table.mistake_at("screen",
                                    fmt::format("{} screens; at most {} are possible", tables.size(), kMaxScreens));
  }
  for (const ConfigNode* node : tables) {
    TableReader table(node, std::string(kHeader), extract_table.place(), mistakes);
    ScreenRule rule;
    const auto kind = table.one_of("kind", kScreenKindNames);
    if (!table.has("kind")) table.mistake(fmt::format("'kind' in {} is required, for instance \"birth\"", kHeader));
    rule.column = kept_column(table, "column", ColumnType::category, extract);
    rule.values = table.texts("values").value_or(std::vector<std::string>{});
    if (table.has("column") != table.has("values")) {
      table.mistake(fmt::format("'column' and 'values' in {} go together; without both, every row is meant", kHeader));
    }
    if (kind) {
      rule.kind = static_cast<ScreenKind>(*kind);
      read_stay(table, extract, rule);
    } else {
      table.any("until");
      table.any("site");
    }
    if (!extract.columns.event_date) {
      table.mistake(fmt::format("{} needs dates: name 'event_date' in [extract.columns]", kHeader));
    }
    table.report_unknown_keys();
    extract.screens.push_back(std::move(rule));
  }
}

}  // namespace ligature
