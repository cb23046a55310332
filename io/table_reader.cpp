// Types and ranges of job-file values, with messages that say what was expected.
#include "io/table_reader.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "io/nearest_name.hpp"
#include "io/quantity.hpp"

namespace ligature {
namespace {

using Kind = ConfigNode::Kind;

constexpr std::size_t kMaxUnknown = 100;  // of one table: nobody reads more, and each costs a search for its likeness

// A text, or an override's scalar taken as the text that it was written as (--set job.name=2014).
bool is_text(const ConfigNode& node) noexcept {
  if (node.kind == Kind::text) return true;
  return !node.place.override_key.empty() && node.kind != Kind::table && node.kind != Kind::array;
}

bool has_control_character(std::string_view text) noexcept {
  return std::any_of(text.begin(), text.end(), [](char c) { return (c >= 0 && c < 0x20) || c == 0x7F; });
}

}  // namespace

TableReader::TableReader(const ConfigNode* table, std::string name, const ConfigPlace& place, Mistakes& mistakes)
    : table_(table), name_(std::move(name)), place_(table != nullptr ? table->place : place), mistakes_(mistakes) {}

const ConfigNode* TableReader::look_up(std::string_view key) const {
  if (table_ == nullptr) return nullptr;
  const auto found = std::find_if(table_->children.begin(), table_->children.end(),
                                  [&](const ConfigNode& child) { return child.key == key; });
  return found == table_->children.end() ? nullptr : &*found;
}

const ConfigNode* TableReader::find(std::string_view key) {
  known_.emplace_back(key);
  return look_up(key);
}

std::string TableReader::full(std::string_view key) const {
  return fmt::format("'{}' in {}", key, name_);
}

void TableReader::wrong_type(const ConfigNode& node, std::string_view key, std::string_view expected) {
  mistakes_.add(node.place, fmt::format("{} must be {}, not {}", full(key), expected, kind_name(node.kind)));
}

bool TableReader::usable_text(const ConfigNode& node, const std::string& what) {
  if (node.text.empty()) {
    mistakes_.add(node.place, what + " must not be empty");
  } else if (has_control_character(node.text)) {
    mistakes_.add(node.place, what + " holds a control character");
  } else {
    return true;
  }
  return false;
}

std::optional<std::string> TableReader::text(std::string_view key) {
  const ConfigNode* const node = find(key);
  if (node == nullptr) return std::nullopt;
  if (!is_text(*node)) {
    wrong_type(*node, key, "text");
    return std::nullopt;
  }
  if (!usable_text(*node, full(key))) return std::nullopt;
  return node->text;
}

std::optional<std::string> TableReader::required_text(std::string_view key, std::string_view example) {
  if (!has(key)) mistake(fmt::format("{} is required, for instance {} = \"{}\"", full(key), key, example));
  return text(key);
}

std::optional<std::int64_t> TableReader::integer(std::string_view key, std::int64_t least, std::int64_t most) {
  const ConfigNode* const node = find(key);
  if (node == nullptr) return std::nullopt;
  if (node->kind != Kind::integer) {
    wrong_type(*node, key, "a whole number");
    return std::nullopt;
  }
  if (node->integer < least || node->integer > most) {
    mistakes_.add(node->place, fmt::format("{} must be from {} to {}", full(key), least, most));
    return std::nullopt;
  }
  return node->integer;
}

std::optional<double> TableReader::any_number(const ConfigNode& node, std::string_view key) {
  if (node.kind == Kind::integer) return static_cast<double>(node.integer);
  if (node.kind == Kind::number) return node.number;
  wrong_type(node, key, "a number");
  return std::nullopt;
}

std::optional<double> TableReader::probability(std::string_view key) {
  const ConfigNode* const node = find(key);
  if (node == nullptr) return std::nullopt;
  const std::optional<double> value = any_number(*node, key);
  if (value && !(*value > 0 && *value < 1)) {
    mistakes_.add(node->place, full(key) + " must be greater than 0 and less than 1");
    return std::nullopt;
  }
  return value;
}

std::optional<double> TableReader::number(std::string_view key, double least, double most) {
  const ConfigNode* const node = find(key);
  if (node == nullptr) return std::nullopt;
  const std::optional<double> value = any_number(*node, key);
  if (value && !(*value >= least && *value <= most)) {
    mistakes_.add(node->place, fmt::format("{} must be from {} to {}", full(key), least, most));
    return std::nullopt;
  }
  return value;
}

std::optional<DayNumber> TableReader::date(std::string_view key) {
  const ConfigNode* const node = find(key);
  if (node == nullptr) return std::nullopt;
  std::optional<CivilDate> date;
  if (node->kind == Kind::date) {
    date = node->date;
  } else if (node->kind == Kind::text) {
    date = parse_date(node->text);
  } else {
    wrong_type(*node, key, "a date such as 2014-04-01");
    return std::nullopt;
  }
  const std::optional<DayNumber> day = date ? day_number(*date) : std::nullopt;
  if (!day) {
    mistakes_.add(node->place,
                  fmt::format("{} must be a date from 1895-01-01 to 2074-06-05, such as 2014-04-01", full(key)));
  }
  return day;
}

std::optional<bool> TableReader::boolean(std::string_view key) {
  const ConfigNode* const node = find(key);
  if (node == nullptr) return std::nullopt;
  if (node->kind != Kind::boolean) {
    wrong_type(*node, key, "true or false");
    return std::nullopt;
  }
  return node->boolean;
}

std::optional<std::uint64_t> TableReader::bytes(std::string_view key, std::uint64_t least, std::uint64_t most,
                                                bool zero_is_allowed) {
  const ConfigNode* const node = find(key);
  if (node == nullptr) return std::nullopt;
  std::optional<std::uint64_t> value;
  if (node->kind == Kind::integer) {
    if (node->integer >= 0) value = static_cast<std::uint64_t>(node->integer);
  } else if (node->kind == Kind::text) {
    value = parse_bytes(node->text);
  } else {
    wrong_type(*node, key, "a size such as \"12GiB\" or a whole number of bytes");
    return std::nullopt;
  }
  if (value && ((*value >= least && *value <= most) || (*value == 0 && zero_is_allowed))) return value;
  mistakes_.add(node->place,
                fmt::format("{} must be {}a size from {} to {} bytes, such as \"{}\"", full(key),
                            zero_is_allowed ? "0 or " : "", least, most, most >= (1U << 30) ? "12GiB" : "64KiB"));
  return std::nullopt;
}

std::optional<std::vector<std::string>> TableReader::texts(std::string_view key) {
  const ConfigNode* const node = find(key);
  if (node == nullptr) return std::nullopt;
  std::vector<std::string> result;
  if (is_text(*node)) {
    if (!usable_text(*node, full(key))) return std::nullopt;
    result.push_back(node->text);
  } else if (node->kind == Kind::array) {
    for (const ConfigNode& item : node->children) {
      if (item.kind != Kind::text) {
        wrong_type(item, key, "text or an array of texts");
      } else if (usable_text(item, full(key))) {
        result.push_back(item.text);
      }
    }
    if (node->children.empty()) mistakes_.add(node->place, full(key) + " must name at least one");
    if (result.empty()) return std::nullopt;
  } else {
    wrong_type(*node, key, "text or an array of texts");
    return std::nullopt;
  }
  return result;
}

std::optional<std::size_t> TableReader::word(const ConfigNode& node, std::string_view key,
                                             std::span<const std::string_view> words) {
  if (!usable_text(node, full(key))) return std::nullopt;
  if (const auto found = std::find(words.begin(), words.end(), node.text); found != words.end()) {
    return static_cast<std::size_t>(found - words.begin());
  }
  const auto near = nearest_name(node.text, words);
  mistakes_.add(node.place, fmt::format("{} must be {}\"{}\"{}", full(key), words.size() > 2 ? "one of " : "",
                                        fmt::join(words, words.size() > 2 ? "\", \"" : "\" or \""),
                                        near ? fmt::format("; did you mean \"{}\"?", *near) : ""));
  return std::nullopt;
}

std::optional<std::size_t> TableReader::one_of(std::string_view key, std::span<const std::string_view> words) {
  const ConfigNode* const node = find(key);
  if (node == nullptr) return std::nullopt;
  if (is_text(*node)) return word(*node, key, words);
  wrong_type(*node, key, "text");
  return std::nullopt;
}

std::optional<std::size_t> TableReader::required_one_of(std::string_view key, std::span<const std::string_view> words) {
  if (!has(key)) mistake(fmt::format("{} is required: one of \"{}\"", full(key), fmt::join(words, "\", \"")));
  return one_of(key, words);
}

std::optional<std::vector<std::size_t>> TableReader::some_of(std::string_view key,
                                                             std::span<const std::string_view> words) {
  const ConfigNode* const node = find(key);
  if (node == nullptr) return std::nullopt;
  if (!is_text(*node) && node->kind != Kind::array) {
    wrong_type(*node, key, "text or an array of texts");
    return std::nullopt;
  }
  const std::span<const ConfigNode> items = is_text(*node) ? std::span(node, 1) : std::span(node->children);
  if (items.empty()) {
    mistakes_.add(node->place,
                  fmt::format("{} must name at least one of \"{}\"", full(key), fmt::join(words, "\", \"")));
  }
  std::vector<std::size_t> result;
  for (const ConfigNode& item : items) {
    if (!is_text(item)) {
      wrong_type(item, key, "text or an array of texts");
    } else if (const auto found = word(item, key, words)) {
      if (std::find(result.begin(), result.end(), *found) == result.end()) {
        result.push_back(*found);
      } else {
        mistakes_.add(item.place, fmt::format("{} names \"{}\" twice", full(key), item.text));
      }
    }
  }
  if (result.empty()) return std::nullopt;
  return result;
}

const ConfigNode* TableReader::table(std::string_view key) {
  const ConfigNode* const node = find(key);
  if (node == nullptr || node->kind == Kind::table) return node;
  wrong_type(*node, key, "a table");
  return nullptr;
}

std::vector<const ConfigNode*> TableReader::tables(std::string_view key, std::string_view header) {
  std::vector<const ConfigNode*> result;
  const ConfigNode* const node = find(key);
  if (node == nullptr) return result;
  if (node->kind != Kind::array) {
    wrong_type(*node, key, fmt::format("an array of tables, each begun by {} in double brackets", header));
    return result;
  }
  for (const ConfigNode& item : node->children) {
    if (item.kind == Kind::table) {
      result.push_back(&item);
    } else {
      wrong_type(item, key, "an array of tables");
    }
  }
  return result;
}

void TableReader::mistake_at(std::string_view key, std::string message) {
  const ConfigNode* const node = look_up(key);
  mistakes_.add(node != nullptr ? node->place : place_, std::move(message));
}

void TableReader::report_unknown_keys() {
  if (table_ == nullptr) return;
  std::vector<std::string_view> known;  // in the order of the page; some are asked for twice
  for (const std::string_view name : known_) {
    if (std::find(known.begin(), known.end(), name) == known.end()) known.push_back(name);
  }
  std::size_t unknown = 0;
  for (const ConfigNode& child : table_->children) {
    if (std::find(known.begin(), known.end(), child.key) != known.end()) continue;
    if (++unknown > kMaxUnknown) return;
    mistakes_.add(child.key_place,
                  fmt::format("unknown key '{}' in {}{}", child.key, name_, suggestion(child.key, known, "keys")));
  }
}

}  // namespace ligature
