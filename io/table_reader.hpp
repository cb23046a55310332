// Typed reading of one table of a job file: every key that is asked for is known, every other key is a mistake.
//
// Nothing throws: a wrong type or value adds a mistake and reads as absent, so that all mistakes are found in one go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/toml_document.hpp"

namespace ligature {

class TableReader {
 public:
  // table: nullptr reads as an empty table at `place`.  name: as shown, e.g. "[job]".
  TableReader(const ConfigNode* table, std::string name, const ConfigPlace& place, Mistakes& mistakes);

  // The value of a key, or nullopt if it is absent or wrong.  Texts hold no control characters and are never empty.
  std::optional<std::string> text(std::string_view key);
  std::optional<std::string> required_text(std::string_view key, std::string_view example);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t least, std::int64_t most);
  std::optional<double> number(std::string_view key, double least, double most);
  // Greater than 0 and less than 1.
  std::optional<double> probability(std::string_view key);
  std::optional<DayNumber> date(std::string_view key);
  std::optional<bool> boolean(std::string_view key);
  // Bytes: a whole number or a text such as "12GiB".  0 is allowed where zero_is_allowed, whatever the least.
  std::optional<std::uint64_t> bytes(std::string_view key, std::uint64_t least, std::uint64_t most,
                                     bool zero_is_allowed);
  // One text or an array of texts.  Not empty if present.
  std::optional<std::vector<std::string>> texts(std::string_view key);
  // The index into words of a text that must be one of them.
  std::optional<std::size_t> one_of(std::string_view key, std::span<const std::string_view> words);
  std::optional<std::size_t> required_one_of(std::string_view key, std::span<const std::string_view> words);
  // The indices into words of a text or an array of texts, each one of them and none twice.  Not empty if present.
  std::optional<std::vector<std::size_t>> some_of(std::string_view key, std::span<const std::string_view> words);
  // A table, or nullptr.
  const ConfigNode* table(std::string_view key);
  // The tables of an array of tables; empty if absent.  header: how each begins, "[[extract]]".
  std::vector<const ConfigNode*> tables(std::string_view key, std::string_view header);
  // A value of any type, or nullptr.
  const ConfigNode* any(std::string_view key) { return find(key); }

  // True if the key stands in the table, right or wrong.
  [[nodiscard]] bool has(std::string_view key) const { return look_up(key) != nullptr; }
  // Adds a mistake at the value of a key, or at the table if the key is absent.
  void mistake_at(std::string_view key, std::string message);
  void mistake(std::string message) { mistakes_.add(place_, std::move(message)); }
  // Reports each key that nobody has asked for, with the nearest known one.  Call it last.
  void report_unknown_keys();
  [[nodiscard]] const ConfigPlace& place() const noexcept { return place_; }

 private:
  [[nodiscard]] const ConfigNode* look_up(std::string_view key) const;
  const ConfigNode* find(std::string_view key);
  std::optional<double> any_number(const ConfigNode& node, std::string_view key);
  std::optional<std::size_t> word(const ConfigNode& node, std::string_view key,
                                  std::span<const std::string_view> words);
  bool usable_text(const ConfigNode& node, const std::string& what);
  void wrong_type(const ConfigNode& node, std::string_view key, std::string_view expected);
  [[nodiscard]] std::string full(std::string_view key) const;

  const ConfigNode* table_;
  std::string name_;
  ConfigPlace place_;
  Mistakes& mistakes_;
  std::vector<std::string> known_;
};

}  // namespace ligature
