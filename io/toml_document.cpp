// toml++ behind a plain tree; the only file that includes it.
//
// toml++ states as assertions some things that a malformed document makes untrue ("[" and a control character): here
// every assertion, in every build, ends the parse.  toml_precheck.hpp has the rest of what it must be kept from.
#include "io/toml_document.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace ligature {
[[noreturn]] static void refuse_document() {
  throw std::domain_error("not TOML");
}
}  // namespace ligature

#undef NDEBUG  // toml++ leaves its assertions out otherwise
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_ASSERT(condition) ((condition) ? static_cast<void>(0) : ligature::refuse_document())
#include <fmt/format.h>
#include <toml++/toml.h>

#include "engine/error.hpp"
#include "io/toml_precheck.hpp"

namespace ligature {
namespace {

constexpr std::size_t kMaxReported = 100;
constexpr int kMaxDepth = 16;  // the job file's own structure is four levels deep

// The line and column of a byte; a column is a character of UTF-8.
ConfigPlace place_at(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const std::string_view line = before.substr(before.rfind('\n') + 1);
  const auto starts_character = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; };
  return {static_cast<std::uint32_t>(std::count(before.begin(), before.end(), '\n') + 1),
          static_cast<std::uint32_t>(std::count_if(line.begin(), line.end(), starts_character) + 1),
          {}};
}

ConfigPlace place_of(const toml::source_region& source) {
  return {source.begin.line, source.begin.column, {}};
}

ConfigNode convert(const toml::node& node, int depth, Mistakes& mistakes) {
  using Kind = ConfigNode::Kind;
  ConfigNode result;
  result.place = place_of(node.source());
  if (depth > kMaxDepth) {
    mistakes.add(result.place, "nested too deep");
    return result;
  }
  if (const auto* table = node.as_table()) {
    result.kind = Kind::table;
    for (const auto& [key, value] : *table) {
      ConfigNode child = convert(value, depth + 1, mistakes);
      child.key = std::string(key.str());
      child.key_place = place_of(key.source());
      result.children.push_back(std::move(child));
    }
  } else if (const auto* array = node.as_array()) {
    result.kind = Kind::array;
    for (const toml::node& item : *array) result.children.push_back(convert(item, depth + 1, mistakes));
  } else if (const auto* text = node.as_string()) {
    result.kind = Kind::text;
    result.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    result.kind = Kind::integer;
    result.integer = integer->get();
  } else if (const auto* number = node.as_floating_point()) {
    result.kind = Kind::number;
    result.number = number->get();
  } else if (const auto* boolean = node.as_boolean()) {
    result.kind = Kind::boolean;
    result.boolean = boolean->get();
  } else if (const auto* date = node.as_date()) {
    result.kind = Kind::date;
    result.date = {date->get().year, date->get().month, date->get().day};
  } else {
    result.kind = Kind::other;
  }
  return result;
}

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? std::string() : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

void set_places(ConfigNode& node, const ConfigPlace& place) {
  node.place = node.key_place = place;
  for (ConfigNode& child : node.children) set_places(child, place);
}

// The value of an override: TOML if it is exactly one TOML value, else a bare text.
ConfigNode override_value(const std::string& value, const ConfigPlace& place, Mistakes& mistakes) {
  ConfigNode node;
  node.kind = ConfigNode::Kind::text;
  node.text = value;
  if (!precheck_toml(value) && value.find_first_of("\r\n") == std::string::npos) {
    try {
      const std::string line = "v = " + value;
      const toml::table parsed = toml::parse(std::string_view(line));
      node = convert(*parsed.get("v"), 1, mistakes);
      if (node.kind != ConfigNode::Kind::text) node.text = value;
    } catch (const toml::parse_error&) {
      // Not TOML: the text as it stands, so that a path needs no quotes within quotes.
    } catch (const std::domain_error&) {
      // Likewise.
    }
  }
  set_places(node, place);
  return node;
}

// The child of a table or array that one step of an override's path names; a missing key of a table is made.
ConfigNode* step_into(ConfigNode& node, std::string_view step, std::string_view path_so_far, const ConfigPlace& place,
                      std::string& problem) {
  const std::string name = path_so_far.empty() ? "the job file" : fmt::format("'{}'", path_so_far);
  if (node.kind == ConfigNode::Kind::array) {
    std::size_t index = 0;
    const auto [stop, error] = std::from_chars(step.data(), step.data() + step.size(), index);
    if (error != std::errc{} || stop != step.data() + step.size()) {
      problem = fmt::format("{} is an array: '{}' must be the number of an item, from 0", name, step);
    } else if (index >= node.children.size()) {
      problem = fmt::format("{} has no item {}: it has {}, counted from 0", name, index, node.children.size());
    } else {
      return &node.children[index];
    }
    return nullptr;
  }
  if (node.kind != ConfigNode::Kind::table) {
    problem = fmt::format("{} is {}, not a table: it has no key '{}'", name, kind_name(node.kind), step);
    return nullptr;
  }
  for (ConfigNode& child : node.children) {
    if (child.key == step) return &child;
  }
  ConfigNode child;
  child.key = std::string(step);
  child.place = child.key_place = place;
  const auto after = std::find_if(node.children.begin(), node.children.end(),
                                  [&](const ConfigNode& other) { return other.key > child.key; });
  return &*node.children.insert(after, std::move(child));
}

std::string value_text(const ConfigNode& node) {
  using Kind = ConfigNode::Kind;
  switch (node.kind) {
    case Kind::integer:
      return std::to_string(node.integer);
    case Kind::number:
      return fmt::format("{}", node.number);
    case Kind::boolean:
      return node.boolean ? "true" : "false";
    case Kind::date:
      return fmt::format("{:04}-{:02}-{:02}", node.date.year, node.date.month, node.date.day);
    case Kind::table:
    case Kind::array:
    case Kind::other:
      return {};
    case Kind::text:
      break;
  }
  return fmt::format("\"{}\"", node.text);
}

void add_stated_values(const ConfigNode& node, const std::string& path,
                       std::vector<std::pair<std::string, std::string>>& values) {
  if (node.kind != ConfigNode::Kind::table && node.kind != ConfigNode::Kind::array) {
    values.emplace_back(path, value_text(node));
    return;
  }
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    const ConfigNode& child = node.children[i];
    const std::string step = node.kind == ConfigNode::Kind::table ? child.key : std::to_string(i);
    add_stated_values(child, path.empty() ? step : path + "." + step, values);
  }
}

}  // namespace

std::string_view kind_name(ConfigNode::Kind kind) noexcept {
  switch (kind) {
    case ConfigNode::Kind::table:
      return "a table";
    case ConfigNode::Kind::array:
      return "an array";
    case ConfigNode::Kind::text:
      return "text";
    case ConfigNode::Kind::integer:
      return "a whole number";
    case ConfigNode::Kind::number:
      return "a number";
    case ConfigNode::Kind::boolean:
      return "true or false";
    case ConfigNode::Kind::date:
      return "a date";
    case ConfigNode::Kind::other:
      break;
  }
  return "a time";
}

void Mistakes::add(const ConfigPlace& place, std::string message) {
  // A key may hold escape sequences; none reaches a terminal.
  std::replace_if(
      message.begin(), message.end(), [](char c) { return (c >= 0 && c < 0x20) || c == 0x7F; }, '?');
  items_.push_back({place, std::move(message)});
}

void Mistakes::throw_if_any() {
  if (items_.empty()) return;
  std::stable_sort(items_.begin(), items_.end(), [](const Item& a, const Item& b) {
    return std::tuple(!a.place.override_key.empty(), a.place.line, a.place.column) <
           std::tuple(!b.place.override_key.empty(), b.place.line, b.place.column);
  });
  std::string text;
  if (items_.size() > 1) text = fmt::format("{} mistakes in the {}\n", items_.size(), document_);
  for (std::size_t i = 0; i < std::min(items_.size(), kMaxReported); ++i) {
    const ConfigPlace& place = items_[i].place;
    if (i > 0) text += '\n';
    text += place.override_key.empty() ? fmt::format("{}:{}:{}: ", file_, place.line, place.column)
                                       : fmt::format("--set {}: ", place.override_key);
    text += items_[i].message;
  }
  if (items_.size() > kMaxReported) text += fmt::format("\n... and {} more", items_.size() - kMaxReported);
  throw UsageError(text);
}

ConfigNode parse_toml(std::string_view text, Mistakes& mistakes) {
  if (const std::optional<TomlProblem> problem = precheck_toml(text)) {
    mistakes.add(place_at(text, problem->offset), problem->message);
    return {};
  }
  try {
    return convert(toml::parse(text), 0, mistakes);
  } catch (const toml::parse_error& error) {
    mistakes.add(place_of(error.source()), std::string(error.description()));
  } catch (const std::domain_error& error) {
    mistakes.add({}, error.what());
  }
  return {};
}

std::vector<std::pair<std::string, std::string>> stated_values(const ConfigNode& root) {
  std::vector<std::pair<std::string, std::string>> values;
  add_stated_values(root, "", values);
  return values;
}

void apply_override(ConfigNode& root, const std::string& assignment, Mistakes& mistakes) {
  const std::size_t equals = assignment.find('=');
  const std::string path = trimmed(assignment.substr(0, equals));
  ConfigPlace place;
  place.override_key = path;
  if (!is_utf8(assignment)) {
    place.override_key = "(not UTF-8)";
    return mistakes.add(place, "key and value must be UTF-8 text");
  }
  if (equals == std::string::npos || path.empty()) {
    if (path.empty()) place.override_key = assignment;
    return mistakes.add(place, "expected key=value, for instance --set job.threads=4");
  }
  ConfigNode* node = &root;
  for (std::size_t begin = 0, depth = 0; begin <= path.size(); ++depth) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    const std::string_view step = std::string_view(path).substr(begin, end - begin);
    if (step.empty() || depth == kMaxDepth) {
      return mistakes.add(place, "a key is a path of names parted by single dots, for instance extract.0.delimiter");
    }
    std::string problem;
    node = step_into(*node, step, std::string_view(path).substr(0, begin == 0 ? 0 : begin - 1), place, problem);
    if (node == nullptr) return mistakes.add(place, problem);
    begin = end + 1;
  }
  std::string key = std::move(node->key);
  *node = override_value(trimmed(assignment.substr(equals + 1)), place, mistakes);
  node->key = std::move(key);
}

}  // namespace ligature
