// One pass over the words (runs of letters and digits), remembering the few words, dates and postcodes before.
//
// Sources: NHS data dictionary, "NHS NUMBER" (ten digits, shown 3 3 4) and "POSTCODE"; the dates are parse_date's.
#include "jobs/verify/identifier_forms.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>

#include "engine/error.hpp"

namespace ligature {

namespace {

constexpr std::uint64_t kLeastNumber = 100'000'000, kPastNumbers = 10'000'000'000;
constexpr std::uint64_t kMask34 = (std::uint64_t{1} << 34) - 1;
constexpr std::size_t kNhsDigits = 10, kDateDigits = 8, kInward = 3, kLongestOutward = 4;
constexpr std::size_t kLongestWord = 40;     // in which a number is looked for beside letters
constexpr std::size_t kShortestDigest = 20;  // hexadecimal digits that are no word with a number in it
constexpr std::size_t kHistory = 16;

enum : std::uint8_t { kNone = 0, kDigit = 1, kLetter = 2 };
constexpr std::array<std::uint8_t, 256> kClasses = [] {
  std::array<std::uint8_t, 256> classes{};
  for (int c = '0'; c <= '9'; ++c) classes[static_cast<std::size_t>(c)] = kDigit;
  for (int c = 'a'; c <= 'z'; ++c) classes[static_cast<std::size_t>(c)] = kLetter;
  for (int c = 'A'; c <= 'Z'; ++c) classes[static_cast<std::size_t>(c)] = kLetter;
  return classes;
}();
std::uint8_t class_of(char c) noexcept {
  return kClasses[static_cast<unsigned char>(c)];
}

struct Word {
  std::size_t begin = 0, end = 0;
  bool digits = false;
  [[nodiscard]] std::size_t size() const noexcept { return end - begin; }
};

std::uint64_t number_of(std::string_view digits) noexcept {
  std::uint64_t value = 0;
  for (const char c : digits) value = value * 10 + static_cast<unsigned>(c - '0');
  return value;
}

bool has_shape(std::string_view word, std::string_view shape) noexcept {
  if (word.size() != shape.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (class_of(word[i]) != (shape[i] == 'D' ? kDigit : kLetter)) return false;
  }
  return true;
}

bool is_outward(std::string_view word) noexcept {
  for (const std::string_view shape : {"LD", "LDD", "LDL", "LLD", "LLDD", "LLDL", "LLL"}) {
    if (has_shape(word, shape)) return true;
  }
  return false;
}

// 0 if the parts make no postcode, or a pseudo postcode.
PackedPostcode packed_postcode(std::string_view outward, std::string_view inward) noexcept {
  if (!has_shape(inward, "DLL") || !is_outward(outward)) return 0;
  std::array<char, kLongestOutward + kInward> text{};
  std::copy(outward.begin(), outward.end(), text.begin());
  std::copy(inward.begin(), inward.end(), text.begin() + outward.size());
  return standardise_postcode(std::string_view(text.data(), outward.size() + kInward)).packed;
}
PackedPostcode compact_postcode(std::string_view word) noexcept {
  if (word.size() <= kInward || word.size() > kInward + kLongestOutward) return 0;
  return packed_postcode(word.substr(0, word.size() - kInward), word.substr(word.size() - kInward));
}

// Dates of a text; a day and a month that may be exchanged give two.
struct Days {
  std::array<DayNumber, 2> days{};
  [[nodiscard]] bool none() const noexcept { return days[0] == kMissingDay && days[1] == kMissingDay; }
};
Days days_of(std::string_view text) noexcept {
  Days found;
  const std::optional<CivilDate> date = parse_date(text);
  if (!date) return found;
  found.days[0] = day_number(*date).value_or(kMissingDay);
  if (date->day != date->month) {
    found.days[1] = day_number({date->year, date->day, date->month}).value_or(kMissingDay);
  }
  return found;
}
// Eight digits, year first or last.
Days days_of_digits(std::string_view digits) noexcept {
  if (!has_shape(digits, "DDDDDDDD")) return {};
  if (const Days found = days_of(digits); !found.none()) return found;
  const std::array<char, 10> text{digits[0], digits[1], '/',       digits[2], digits[3],
                                  '/',       digits[4], digits[5], digits[6], digits[7]};
  return days_of(std::string_view(text.data(), text.size()));
}

struct PlacedDays {
  Days days;
  std::size_t begin = 0, end = 0;
};
struct PlacedPostcode {
  PackedPostcode postcode = 0;
  std::size_t begin = 0, end = 0;
};

// The last few of what was found.
template <typename T>
class Recent {
 public:
  void add(const T& item) noexcept { items_[count_++ % items_.size()] = item; }
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (std::size_t i = 0; i < std::min(count_, items_.size()); ++i) visit(items_[i]);
  }

 private:
  std::array<T, 8> items_{};
  std::size_t count_ = 0;
};

class TextSearch {
 public:
  TextSearch(std::string_view text, const FoundForms& found) : text_(text), found_(found) {}

  void run() {
    for (std::size_t at = 0; at < text_.size();) {
      std::uint8_t kind = class_of(text_[at]);
      if (kind == kNone) {
        ++at;
        continue;
      }
      Word word{at, at, false};
      std::uint8_t kinds = kind;
      while (++at < text_.size() && (kind = class_of(text_[at])) != kNone) kinds |= kind;
      word.end = at;
      word.digits = kinds == kDigit;
      words_[count_++ % kHistory] = word;
      look_at(word, kinds);
    }
  }

 private:
  // The word before the newest by steps; none before the first.
  [[nodiscard]] const Word* before(std::size_t steps) const noexcept {
    return steps < count_ && steps < kHistory ? &words_[(count_ - 1 - steps) % kHistory] : nullptr;
  }
  [[nodiscard]] std::string_view text_of(const Word& word) const noexcept {
    return text_.substr(word.begin, word.size());
  }
  [[nodiscard]] std::string_view gap(const Word& from, const Word& to) const noexcept {
    return text_.substr(from.end, to.begin - from.end);
  }

  static bool one_separator(std::string_view gap) noexcept {
    if (gap.size() == 1) return std::string_view(" -._/\t\xA0").find(gap[0]) != std::string_view::npos;
    return gap == "\xC2\xA0" || gap == "\xE2\x80\x90" || gap == "\xE2\x80\x91" || gap == "\xE2\x80\x93";
  }
  static bool joins_postcode(std::string_view gap) noexcept {
    return one_separator(gap) ||
           (!gap.empty() && gap.size() <= 3 && gap.find_first_not_of(' ') == std::string_view::npos);
  }

  void emit(IdentifierForm form, SearchKey key, std::size_t position) const { found_({form, key, position}); }

  void look_at(const Word& word, std::uint8_t kinds) {
    const std::string_view text = text_of(word);
    if (word.digits) {
      if (word.size() <= kNhsDigits) {
        grouped_number(word);
      } else {
        long_digits(word, text);
      }
    } else if (kinds == (kDigit | kLetter) && word.size() > kNhsDigits && word.size() <= kLongestWord) {
      attached_number(word, text);
    }
    dates_ending_with(word, text);
    if (!word.digits) postcodes_ending_with(word, text);
  }

  // Ten digits alone, or the newest groups that one separator each holds together.
  void grouped_number(const Word& word) const {
    std::size_t digits = word.size(), groups = 1;
    std::uint64_t value = number_of(text_of(word)), scale = 1;
    for (std::size_t i = 0; i < word.size(); ++i) scale *= 10;
    const Word* last = &word;
    std::array<std::size_t, kNhsDigits> sizes{word.size()};
    while (digits < kNhsDigits) {
      const Word* previous = before(groups);
      if (previous == nullptr || !previous->digits || !one_separator(gap(*previous, *last))) return;
      digits += previous->size();
      if (digits > kNhsDigits) return;
      value += number_of(text_of(*previous)) * scale;
      for (std::size_t i = 0; i < previous->size(); ++i) scale *= 10;
      sizes[groups++] = previous->size();
      last = previous;
    }
    IdentifierForm form = groups == 1 ? IdentifierForm::nhs_plain : IdentifierForm::nhs_broken;
    if (groups == 3 && sizes[0] == 4 && sizes[1] == 3) form = IdentifierForm::nhs_grouped;
    emit(form, nhs_key(value), word.begin);
  }

  void long_digits(const Word& word, std::string_view text) const {
    const std::size_t zeros = std::min(text.find_first_not_of('0'), text.size());
    if (text.size() - zeros <= kNhsDigits) {
      emit(IdentifierForm::nhs_attached, nhs_key(number_of(text.substr(text.size() - kNhsDigits))), word.begin);
    } else if (text.size() == kNhsDigits + kDateDigits) {
      if (!days_of_digits(text.substr(kNhsDigits)).none()) {
        emit(IdentifierForm::nhs_attached, nhs_key(number_of(text.substr(0, kNhsDigits))), word.begin);
      }
      if (!days_of_digits(text.substr(0, kDateDigits)).none()) {
        emit(IdentifierForm::nhs_attached, nhs_key(number_of(text.substr(kDateDigits))), word.begin);
      }
    }
  }

  // Ten digits between letters.  A digest in hexadecimal is no such word: one in forty has ten digits in a row.
  void attached_number(const Word& word, std::string_view text) const {
    if (text.size() >= kShortestDigest && text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos) {
      return;
    }
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t begin = at;
      while (at < text.size() && class_of(text[at]) == kDigit) ++at;
      if (at - begin == kNhsDigits) {
        emit(IdentifierForm::nhs_attached, nhs_key(number_of(text.substr(begin, kNhsDigits))), word.begin);
      }
      if (at == begin) ++at;
    }
  }

  void add_days(const Days& days, std::size_t begin, std::size_t end, std::size_t position) {
    if (days.none()) return;
    postcodes_.for_each([&](const PlacedPostcode& p) { join(days, begin, p, p.end, position); });
    days_.add({days, begin, end});
  }
  void add_postcode(IdentifierForm form, PackedPostcode postcode, std::size_t begin, std::size_t end,
                    std::size_t position) {
    if (postcode == 0) return;
    emit(form, postcode_key(postcode), position);
    const PlacedPostcode placed{postcode, begin, end};
    days_.for_each([&](const PlacedDays& d) { join(d.days, begin, placed, d.end, position); });
    postcodes_.add(placed);
  }
  // later: where the later of the two begins; earlier_end: where the other ends.
  void join(const Days& days, std::size_t later, const PlacedPostcode& postcode, std::size_t earlier_end,
            std::size_t position) const {
    if (later < earlier_end || later - earlier_end > kJoinedBytes) return;
    if (text_.substr(earlier_end, later - earlier_end).find('\n') != std::string_view::npos) return;
    for (const DayNumber day : days.days) {
      if (day != kMissingDay) emit(IdentifierForm::birth_and_postcode, birth_key(day, postcode.postcode), position);
    }
  }

  void dates_ending_with(const Word& word, std::string_view text) {
    if (word.digits && word.size() == kDateDigits) {
      add_days(days_of_digits(text), word.begin, word.end, word.begin);
      return;
    }
    if (!word.digits && (word.size() == 9 || word.size() == 8) && class_of(text[0]) == kDigit &&
        class_of(text.back()) == kDigit) {
      add_days(days_of(text), word.begin, word.end, word.begin);  // 31DEC1970
      return;
    }
    const bool year_last = word.digits && word.size() == 4;
    const bool day_last = class_of(text[0]) == kDigit && (word.size() <= 2 || text.find_first_of("Tt") <= 2);
    if (!year_last && !day_last) return;
    const Word *middle = before(1), *first = before(2);
    if (middle == nullptr || first == nullptr || !first->digits || middle->size() > 9) return;
    if (!one_separator(gap(*middle, word)) || !one_separator(gap(*first, *middle))) return;
    if (year_last ? first->size() > 2 : first->size() != 4) return;
    const std::size_t end = year_last ? word.end : word.begin + std::min<std::size_t>(2, word.size());
    std::array<char, 24> copy{};
    const std::size_t size = end - first->begin;
    if (size > copy.size()) return;
    text_.copy(copy.data(), size, first->begin);
    const bool named = !middle->digits;
    std::string_view date(copy.data(), size);
    std::array<char, 10> padded{};
    if (!named) {
      // Digits in any of the separators, with or without leading zeros.
      if (middle->size() > 2 || gap(*middle, word).size() != 1 || gap(*first, *middle).size() != 1) return;
      const std::uint64_t a = number_of(text_of(*first)), b = number_of(text_of(*middle)),
                          c = number_of(text_.substr(word.begin, end - word.begin).substr(0, 4));
      const std::uint64_t year = year_last ? c : a, day = year_last ? a : c;
      if (b > 99 || day > 99) return;
      const auto digit = [](std::uint64_t value) { return static_cast<char>('0' + value % 10); };
      padded = {digit(year / 1000), digit(year / 100), digit(year / 10), digit(year), '-', digit(b / 10), digit(b), '-',
                digit(day / 10),    digit(day)};
      // Month before day is another spelling of the same date, not a wrong one.
      if (b > 12 && day <= 12) {
        std::swap(padded[5], padded[8]);
        std::swap(padded[6], padded[9]);
      }
      date = std::string_view(padded.data(), padded.size());
    }
    add_days(days_of(date), first->begin, word.end, word.begin);
  }

  void postcodes_ending_with(const Word& word, std::string_view text) {
    if (class_of(text.back()) == kLetter) {
      if (word.size() == kInward) return spaced_postcode(word, text);
      add_postcode(IdentifierForm::postcode_compact, compact_postcode(text), word.begin, word.end, word.begin);
    }
    // A date and a postcode that nothing parts.
    if (word.size() <= kDateDigits) return;
    for (const std::size_t date : {kDateDigits, kDateDigits + 1}) {
      if (word.size() <= date) continue;
      glued(word, text.substr(0, date), text.substr(date));
      glued(word, text.substr(text.size() - date), text.substr(0, text.size() - date));
    }
  }
  void glued(const Word& word, std::string_view date, std::string_view rest) {
    const Days days = date.size() == kDateDigits ? days_of_digits(date) : days_of(date);
    if (days.none()) return;
    PackedPostcode postcode = compact_postcode(rest);
    if (postcode == 0 && rest.size() == kInward && rest.data() != text_.data() + word.end - kInward) {
      // SW1A 1AA19700101
      const Word* previous = before(1);
      if (previous != nullptr && joins_postcode(gap(*previous, word)))
        postcode = packed_postcode(text_of(*previous), rest);
    }
    if (postcode == 0) return;
    emit(IdentifierForm::postcode_compact, postcode_key(postcode), word.begin);
    for (const DayNumber day : days.days) {
      if (day != kMissingDay) emit(IdentifierForm::birth_and_postcode, birth_key(day, postcode), word.begin);
    }
  }
  void spaced_postcode(const Word& word, std::string_view inward) {
    const Word* previous = before(1);
    if (previous == nullptr || !joins_postcode(gap(*previous, word))) return;
    const std::string_view outward = text_of(*previous);
    if (const PackedPostcode postcode = packed_postcode(outward, inward); postcode != 0) {
      return add_postcode(IdentifierForm::postcode_spaced, postcode, previous->begin, word.end, word.begin);
    }
    for (const std::size_t date : {kDateDigits, kDateDigits + 1}) {
      // 19700101SW1A 1AA
      if (outward.size() <= date) continue;
      const Days days =
          date == kDateDigits ? days_of_digits(outward.substr(0, date)) : days_of(outward.substr(0, date));
      if (days.none()) continue;
      add_days(days, previous->begin, previous->begin + date, word.begin);
      add_postcode(IdentifierForm::postcode_spaced, packed_postcode(outward.substr(date), inward),
                   previous->begin + date, word.end, word.begin);
    }
  }

  std::string_view text_;
  const FoundForms& found_;
  std::array<Word, kHistory> words_{};
  std::size_t count_ = 0;
  Recent<PlacedDays> days_;
  Recent<PlacedPostcode> postcodes_;
};

// Fields as engine/postcode.hpp lays them out.
bool is_packed_postcode(std::uint64_t v) noexcept {
  const auto letter = [](std::uint64_t field) { return field >= 1 && field <= 26; };
  return v <= kMask34 && letter(v >> 29) && (v >> 24 & 31) <= 26 && (v >> 20 & 15) <= 10 && (v >> 14 & 63) <= 36 &&
         (v >> 10 & 15) >= 1 && (v >> 10 & 15) <= 10 && letter(v >> 5 & 31) && letter(v & 31);
}

bool in_range(std::uint64_t number) noexcept {
  return number >= kLeastNumber && number < kPastNumbers;
}

void find_in_word(std::uint64_t w, std::size_t position, const FoundForms& found) {
  if (w <= kMask34) {
    if (in_range(w)) found({IdentifierForm::nhs_binary, nhs_key(w), position});
    if (is_packed_postcode(w)) found({IdentifierForm::postcode_packed, postcode_key(w), position});
    return;
  }
  if ((w & 0x3FFF) != 0) return;
  // A packed identity: valid or invalid number first, or birth and postcode (engine/identity.hpp).
  if ((w & 0x7FFFFF) == 0 && (w >> 62 == 1 || w >> 62 == 2) && in_range(w >> 28 & kMask34)) {
    found({IdentifierForm::nhs_packed, nhs_key(w >> 28 & kMask34), position});
  }
  if (w >> 48 != kMissingDay && is_packed_postcode(w >> 14 & kMask34)) {
    found({IdentifierForm::birth_packed, birth_key(static_cast<DayNumber>(w >> 48), w >> 14 & kMask34), position});
  }
}

}  // namespace

void find_in_text(std::string_view text, const FoundForms& found) {
  TextSearch(text, found).run();
}

void find_in_bytes(std::string_view bytes, const FoundForms& found) {
  // Every form has a byte of zero: text has none, and is passed over at the speed of memchr.
  if (bytes.size() < 8 || std::memchr(bytes.data(), 0, bytes.size()) == nullptr) return;
  for (std::size_t at = 0; at + 8 <= bytes.size(); ++at) {
    std::uint64_t little;
    std::memcpy(&little, bytes.data() + at, 8);
    const std::uint64_t big = __builtin_bswap64(little);
    if (little <= kMask34 ? little >= kLeastNumber : (little & 0x3FFF) == 0) find_in_word(little, at, found);
    if (big <= kMask34 ? big >= kLeastNumber : (big & 0x3FFF) == 0) find_in_word(big, at, found);
  }
}

void find_in_number(std::uint64_t value, std::size_t position, const FoundForms& found) {
  find_in_word(value, position, found);
}

void find_in_number(double value, std::size_t position, const FoundForms& found) {
  if (!(value >= static_cast<double>(kLeastNumber) && value < static_cast<double>(kPastNumbers))) return;
  if (std::floor(value) == value) {
    found({IdentifierForm::nhs_binary, nhs_key(static_cast<std::uint64_t>(value)), position});
  }
}

}  // namespace ligature
