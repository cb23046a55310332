// Codes of a column of texts are those of a map, in order of first appearance.
#include "io/string_codes.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "io/intake.hpp"

namespace ligature {
namespace {

// Texts back to back, with the eight bytes after each that may be read.
std::vector<std::string_view> in_one_text(const std::vector<std::string>& texts, std::string& text) {
  for (const std::string& one : texts) text += one;
  text.append(8, '#');
  std::vector<std::string_view> views;
  for (std::size_t at = 0, i = 0; i < texts.size(); at += texts[i++].size()) {
    views.push_back(std::string_view(text).substr(at, texts[i].size()));
  }
  return views;
}

// Stores the texts in columns of so many and holds their codes against a map's.
void expect_codes_of_a_map(const std::vector<std::string>& texts, std::size_t column) {
  std::string text;
  const std::vector<std::string_view> views = in_one_text(texts, text);
  StringCodes codes;
  std::map<std::string, std::uint32_t> expected;
  std::vector<std::string> in_order;
  for (std::size_t begin = 0; begin < views.size(); begin += column) {
    const auto some = std::span(views).subspan(begin, std::min(column, views.size() - begin));
    std::vector<std::uint32_t> stored(2 * some.size(), 7);  // every other place is somebody else's
    codes.store_codes(some, reinterpret_cast<std::byte*>(stored.data()), 2 * sizeof(std::uint32_t));
    for (std::size_t i = 0; i < some.size(); ++i) {
      const std::string value(some[i]);
      if (value.empty()) {
        EXPECT_EQ(stored[2 * i], kMissingCategory);
      } else {
        const auto [known, is_new] = expected.try_emplace(value, static_cast<std::uint32_t>(expected.size()));
        if (is_new) in_order.push_back(value);
        EXPECT_EQ(stored[2 * i], known->second) << value;
      }
      EXPECT_EQ(stored[2 * i + 1], 7U);
    }
  }
  EXPECT_EQ(codes.take(), in_order);
}

TEST(StringCodes, short_long_missing_and_alike_values_are_told_apart) {
  using namespace std::string_literals;
  const std::vector<std::string> texts{"",
                                       "I10",
                                       "I10",
                                       "",
                                       "I10\0"s,
                                       "\0"s,
                                       "\0\0"s,
                                       "1234567",
                                       "12345678",
                                       "123456789",
                                       "12345678",
                                       "1234567",
                                       "I10",
                                       "i10",
                                       "",
                                       std::string(1'000, 'x'),
                                       std::string(1'000, 'x') + "y"};
  for (const std::size_t column : {1U, 3U, 100U}) expect_codes_of_a_map(texts, column);
}

TEST(StringCodes, nothing_but_missing_values_has_no_code) {
  expect_codes_of_a_map(std::vector<std::string>(100), 10);
}

TEST(StringCodes, any_values_however_many_have_the_codes_of_a_map) {
  std::mt19937_64 random(7);
  for (const std::uint64_t different : {3U, 63U, 5'000U}) {
    std::vector<std::string> texts;
    for (int i = 0; i < 20'000; ++i) {
      const std::uint64_t value = random() % different;
      std::string text = value == 0 ? std::string() : std::to_string(value);
      if (value % 5 == 1) text += " with more than seven bytes";
      if (value % 7 == 2) text.resize(1 + value % 3, '\0');
      texts.push_back(std::move(text));
    }
    expect_codes_of_a_map(texts, 999);
  }
}

}  // namespace
}  // namespace ligature
