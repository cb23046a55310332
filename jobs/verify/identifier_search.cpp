// One pass over the words (runs of letters and digits) of a text, remembering the few words before the current one.
//
// Sources: NHS data dictionary, "NHS NUMBER" (ten digits, shown 3 3 4) and "POSTCODE" (outward and inward part).
#include "jobs/verify/identifier_search.hpp"

#include <algorithm>
#include <array>

namespace ligature {

namespace {

constexpr std::size_t kNhsDigits = 10;
constexpr std::size_t kLongestOutward = 4, kInward = 3;
constexpr std::size_t kMostSpaces = 3;

constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
constexpr bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_word(char c) noexcept {
  return is_digit(c) || is_letter(c);
}

// A no-break space in UTF-8 or Latin-1, a space or a hyphen.
bool is_one_separator(std::string_view gap) noexcept {
  return gap == " " || gap == "-" || gap == "\xC2\xA0" || gap == "\xA0";
}

bool joins_postcode(std::string_view gap) noexcept {
  if (is_one_separator(gap)) return true;
  return !gap.empty() && gap.size() <= kMostSpaces && gap.find_first_not_of(' ') == std::string_view::npos;
}

// The shape of a word: L for a letter, D for a digit.
template <std::size_t kSize>
bool has_shape(std::string_view word, const std::array<std::string_view, kSize>& shapes) noexcept {
  for (const std::string_view shape : shapes) {
    if (shape.size() != word.size()) continue;
    bool fits = true;
    for (std::size_t i = 0; i < word.size(); ++i) fits = fits && is_digit(word[i]) == (shape[i] == 'D');
    if (fits) return true;
  }
  return false;
}

constexpr std::array<std::string_view, 1> kInwardShape{"DLL"};
// NPT, the old Newport, is the only outward part without a digit.
constexpr std::array<std::string_view, 7> kOutwardShapes{"LD", "LDD", "LDL", "LLD", "LLDD", "LLDL", "LLL"};

// The packed form of an outward and an inward part; 0 if they are none, or a pseudo postcode.
PackedPostcode packed_postcode(std::string_view outward, std::string_view inward) {
  if (!has_shape(inward, kInwardShape) || !has_shape(outward, kOutwardShapes)) return 0;
  std::array<char, kLongestOutward + kInward> text{};
  std::copy(outward.begin(), outward.end(), text.begin());
  std::copy(inward.begin(), inward.end(), text.begin() + outward.size());
  return standardise_postcode(std::string_view(text.data(), outward.size() + inward.size())).packed;
}

// Groups of digits that one separator each holds together, newest last: at most ten, since each has a digit.
class DigitGroups {
 public:
  void clear() noexcept { count_ = 0; }
  void add(std::string_view digits) noexcept {
    if (count_ == groups_.size()) {
      for (std::size_t i = 1; i < count_; ++i) groups_[i - 1] = groups_[i];
      --count_;
    }
    groups_[count_++] = digits;
  }
  // The number that the newest groups make together if they have ten digits; true and the value if so.
  [[nodiscard]] bool ten_digits(std::uint64_t& value) const noexcept {
    std::size_t digits = 0, first = count_;
    while (first > 0 && digits < kNhsDigits) digits += groups_[--first].size();
    if (digits != kNhsDigits) return false;
    value = 0;
    for (std::size_t g = first; g < count_; ++g) {
      for (const char c : groups_[g]) value = value * 10 + static_cast<unsigned>(c - '0');
    }
    return true;
  }

 private:
  std::array<std::string_view, kNhsDigits> groups_{};
  std::size_t count_ = 0;
};

bool all_digits(std::string_view word) noexcept {
  for (const char c : word) {
    if (!is_digit(c)) return false;
  }
  return true;
}

}  // namespace

void search_identifiers(std::string_view text, const std::function<void(const IdentifierShape&)>& found) {
  DigitGroups groups;
  std::string_view previous;
  std::size_t previous_end = 0;
  for (std::size_t at = 0; at < text.size();) {
    if (!is_word(text[at])) {
      ++at;
      continue;
    }
    const std::size_t begin = at;
    while (at < text.size() && is_word(text[at])) ++at;
    const std::string_view word = text.substr(begin, at - begin);
    const std::string_view gap = text.substr(previous_end, begin - previous_end);

    if (previous.empty() || !is_one_separator(gap)) groups.clear();
    if (word.size() <= kNhsDigits && all_digits(word)) {
      groups.add(word);
      std::uint64_t number = 0;
      if (groups.ten_digits(number)) found({IdentifierKind::nhs_number, number, begin});
    } else {
      groups.clear();
    }

    PackedPostcode postcode = 0;
    if (word.size() == kInward && !previous.empty() && joins_postcode(gap)) postcode = packed_postcode(previous, word);
    if (word.size() > kInward && word.size() <= kLongestOutward + kInward) {
      postcode = packed_postcode(word.substr(0, word.size() - kInward), word.substr(word.size() - kInward));
    }
    if (postcode != 0) found({IdentifierKind::postcode, postcode, begin});
    previous = word;
    previous_end = at;
  }
}

std::string json_strings_only(std::string_view json) {
  std::string text(json);
  bool quoted = false, escaped = false;
  for (char& c : text) {
    if (quoted) {
      quoted = escaped || c != '"';
      escaped = !escaped && c == '\\';
    } else if (c == '"') {
      quoted = true;
    } else if (is_word(c)) {
      c = ',';  // no separator of either identifier: what stands on its sides stays apart
    }
  }
  return text;
}

}  // namespace ligature
