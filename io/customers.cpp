#include "io/customers.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "engine/field_text.hpp"
#include "io/csv.hpp"
#include "io/reference_file.hpp"

namespace ligature {

namespace {

constexpr std::uint64_t kMostRecordBytes = 64 * 1024;
constexpr std::size_t kMostEntries = 1'000'000;

[[noreturn]] void refuse(const std::filesystem::path& path, std::uint64_t line, const std::string& how) {
  throw UsageError(fmt::format("{}:{}: {}", path.string(), line, how));
}

// Visits the values of each row, all of them given and without control characters, with its line.
template <typename Take>
void read_entries(const std::filesystem::path& path, std::vector<std::string> columns, const Take& take) {
  std::size_t entries = 0;
  ReferenceRows rows;
  rows.row = [&](Fields fields, std::uint64_t line) {
    if (++entries > kMostEntries) refuse(path, line, "more entries than any such table has");
    std::vector<std::string> values;
    for (const std::string_view field : fields) {
      values.emplace_back(trimmed(field));
      if (values.back().empty()) refuse(path, line, "an entry lacks a value");
      const auto is_control = [](char c) { return (c >= 0 && c < 0x20) || c == 0x7F; };
      if (!is_utf8(values.back()) || std::any_of(values.back().begin(), values.back().end(), is_control)) {
        refuse(path, line, "an entry is not plain UTF-8 text");
      }
    }
    take(values, line);
  };
  rows.broken = [&](std::uint64_t line) { refuse(path, line, "not a row of the table"); };
  try {
    read_reference_file(path.string(), kMostRecordBytes, columns_named(std::move(columns)), rows);
  } catch (const Error& error) {
    const std::string what = error.what();
    throw UsageError(what.find(path.string()) == std::string::npos ? path.string() + ": " + what : what);
  }
}

// U+00C0 to U+017F without case and marks; capitals stand for two letters: ae, oe, ss, th, ij.
constexpr std::string_view kLatin =
    "aaaaaaAceeeeiiiidnooooo ouuuuyTSaaaaaaAceeeeiiiidnooooo ouuuuyTy"
    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiJJjjkkklllllll"
    "lllnnnnnnnnnooooooOOrrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
static_assert(kLatin.size() == 0x180 - 0xC0);

void append_latin(std::string& folded, char letter) {
  constexpr std::string_view kCapitals = "AOSTJ", kPairs = "aeoessthij";
  const std::size_t two = kCapitals.find(letter);
  if (two != std::string_view::npos) {
    folded += kPairs.substr(2 * two, 2);
  } else if (letter != ' ') {  // the signs of multiplication and division
    folded += letter;
  }
}

// A name without all that may differ between two spellings of it; known: of no character but those that are folded.
struct FoldedName {
  std::string text;
  bool known = true;
};

FoldedName folded_name(std::string_view name) {
  FoldedName folded;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto byte = [&](std::size_t at) { return at < name.size() ? static_cast<unsigned char>(name[at]) : 0U; };
    const char c = name[i];
    if (byte(i) < 0x80) {
      if (c >= 'A' && c <= 'Z') folded.text += static_cast<char>(c - 'A' + 'a');
      if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '&' || c == '+') folded.text += c;
    } else if (byte(i) == 0xC2 && byte(i + 1) < 0xC0) {
      ++i;  // U+0080 to U+00BF: no letters but two ordinals; the space that does not break and the soft hyphen
    } else if (byte(i) >= 0xC3 && byte(i) <= 0xC5 && byte(i + 1) >= 0x80 && byte(i + 1) < 0xC0) {
      append_latin(folded.text, kLatin[(byte(i) - 0xC3) << 6 | (byte(i + 1) & 0x3F)]);
      ++i;
    } else if (byte(i) == 0xE2 && (byte(i + 1) == 0x80 || byte(i + 1) == 0x81)) {
      i += 2;  // U+2000 to U+207F: spaces, dashes, quotation marks, marks of direction
    } else if (byte(i) == 0xEF && byte(i + 1) == 0xBB && byte(i + 2) == 0xBF) {
      i += 2;  // U+FEFF
    } else {
      folded.text += c;
      folded.known = false;
    }
  }
  if (folded.text.empty()) folded.text = name;
  return folded;
}

}  // namespace

std::string folded_recipient(std::string_view name) {
  return folded_name(name).text;
}

std::vector<ApprovedCustomer> read_customers(const std::filesystem::path& path) {
  std::vector<ApprovedCustomer> customers;
  std::set<std::pair<std::string, std::string>> approved;
  std::map<std::string, std::string> types, spellings;
  read_entries(path, {"recipient", "recipient_type", "purpose"},
               [&](std::vector<std::string>& values, std::uint64_t line) {
                 if (values[1] != "researcher" && values[1] != "commissioner" && values[1] != "company") {
                   refuse(path, line, "recipient_type must be researcher, commissioner or company");
                 }
                 const FoldedName recipient = folded_name(values[0]);
                 if (!recipient.known) {
                   refuse(path, line,
                          "the recipient has a character that two spellings cannot be told by: write it in Latin "
                          "letters, those with a mark as one character each");
                 }
                 if (spellings.emplace(recipient.text, values[0]).first->second != values[0]) {
                   refuse(path, line, "the recipient is spelt otherwise in an earlier line: one customer has one name");
                 }
                 if (!approved.emplace(values[0], values[2]).second) {
                   refuse(path, line, "the same recipient and purpose stand in an earlier line");
                 }
                 if (types.emplace(values[0], values[1]).first->second != values[1]) {
                   refuse(path, line, "the recipient has another type in an earlier line");
                 }
                 customers.push_back({std::move(values[0]), std::move(values[1]), std::move(values[2])});
               });
  return customers;
}

std::vector<AreaOf> read_area_lookup(const std::filesystem::path& path) {
  std::vector<AreaOf> areas;
  std::set<std::string> known;
  read_entries(path, {"outward", "area"}, [&](std::vector<std::string>& values, std::uint64_t line) {
    if (!known.insert(values[0]).second) refuse(path, line, "the outward code stands in an earlier line");
    areas.push_back({std::move(values[0]), std::move(values[1])});
  });
  std::sort(areas.begin(), areas.end(), [](const AreaOf& a, const AreaOf& b) { return a.outward < b.outward; });
  return areas;
}

}  // namespace ligature
