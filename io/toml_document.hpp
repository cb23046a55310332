// A TOML document as a plain tree with the place of every key and value, free of the parser's types.
//
// What the TOML parser says is wrong, and what --set overrides cannot reach, is collected in Mistakes together with
// what the reader of the tree finds later, so that a user sees everything at once.  Format: toml.io, version 1.0.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/date.hpp"

namespace ligature {

// Where a key or value stands: a line and column of the file (from 1), or an override.
struct ConfigPlace {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
  std::string override_key;  // not empty: "--set KEY" gave it
};

struct ConfigNode {
  enum class Kind : std::uint8_t { table, array, text, integer, number, boolean, date, other };
  Kind kind = Kind::table;
  std::string text;  // of Kind::text; of an override also the text as given, whatever its kind
  bool boolean = false;
  std::int64_t integer = 0;
  double number = 0;
  CivilDate date;
  ConfigPlace place;
  // Of a table, each with its key, in byte order of the keys; of an array, in order.
  std::vector<ConfigNode> children;
  std::string key;
  ConfigPlace key_place;
};

// "a table", "text", "a whole number", ...
std::string_view kind_name(ConfigNode::Kind kind) noexcept;

// The mistakes of one document, in the order in which they stand in it.
class Mistakes {
 public:
  // document: what the file is, for messages.
  explicit Mistakes(std::string file, std::string document = "job file")
      : file_(std::move(file)), document_(std::move(document)) {}
  void add(const ConfigPlace& place, std::string message);
  [[nodiscard]] bool empty() const noexcept { return items_.empty(); }
  // Throws UsageError with one line a mistake, "file:line:column: message" or "--set key: message"; the first hundred.
  void throw_if_any();

 private:
  struct Item {
    ConfigPlace place;
    std::string message;
  };
  std::string file_, document_;
  std::vector<Item> items_;
};

// Parses a document.  A syntax error is one mistake, and the result is then an empty table.
ConfigNode parse_toml(std::string_view text, Mistakes& mistakes);

// What a document says, key by key: each value that is no table, by its dotted path, as text; items of arrays by
// number.
std::vector<std::pair<std::string, std::string>> stated_values(const ConfigNode& root);

// Applies "key=value" to the tree: key is a dotted path in which a number picks an item of an array; tables on the way
// are made.  value is read as TOML; what TOML does not take is a bare text.
void apply_override(ConfigNode& root, const std::string& assignment, Mistakes& mistakes);

}  // namespace ligature
