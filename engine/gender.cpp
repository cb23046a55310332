#include "engine/gender.hpp"

#include <array>
#include <cstddef>

#include "engine/field_text.hpp"

namespace ligature {

namespace {

// One character.  Codes 0, 1, 2, 9: NHS data dictionary, person gender code.  M, F, U, I: local feeds.  X stands for
// "unspecified" (ICAO Doc 9303), which is the dictionary's 9.
constexpr std::array<Gender, 256> single_characters() {
  std::array<Gender, 256> table{};
  table['1'] = table['M'] = table['m'] = Gender::male;
  table['2'] = table['F'] = table['f'] = Gender::female;
  table['9'] = table['I'] = table['i'] = table['X'] = table['x'] = Gender::indeterminate;
  return table;
}

constexpr std::array<Gender, 256> kSingleCharacters = single_characters();

struct Word {
  std::string_view text;
  Gender gender;
};

// Words that mean "unknown" need no entry: everything else is unknown.
constexpr std::array<Word, 7> kWords = {{{"male", Gender::male},
                                         {"female", Gender::female},
                                         {"man", Gender::male},
                                         {"woman", Gender::female},
                                         {"indeterminate", Gender::indeterminate},
                                         {"not specified", Gender::indeterminate},
                                         {"other", Gender::indeterminate}}};

}  // namespace

Gender standardise_gender(std::string_view text) noexcept {
  if (text.size() != 1) text = trimmed(text);
  if (text.size() == 1) return kSingleCharacters[static_cast<unsigned char>(text[0])];
  for (const Word& word : kWords) {
    if (equals_ignoring_case(text, word.text)) return word.gender;
  }
  return Gender::unknown;
}

void standardise_genders(std::span<const std::string_view> texts, std::span<Gender> genders) noexcept {
  for (std::size_t i = 0; i < texts.size(); ++i) {
    genders[i] = texts[i].size() == 1 ? kSingleCharacters[static_cast<unsigned char>(texts[i][0])]
                                      : standardise_gender(texts[i]);
  }
}

std::uint8_t gender_code(Gender gender) noexcept {
  constexpr std::array<std::uint8_t, 4> kCodes = {0, 1, 2, 9};
  return kCodes[static_cast<std::size_t>(gender) & 3];
}

}  // namespace ligature
