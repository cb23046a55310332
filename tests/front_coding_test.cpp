// Numbers and texts in few bytes come back as they went, and what is cut short is refused.
#include "io/front_coding.hpp"

#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ligature {
namespace {

TEST(FrontCoding, numbers_take_seven_bits_a_byte) {
  for (const auto& [value, size] : std::vector<std::pair<std::uint64_t, std::size_t>>{
           {0, 1}, {127, 1}, {128, 2}, {16'383, 2}, {16'384, 3}, {std::numeric_limits<std::uint64_t>::max(), 10}}) {
    std::vector<std::byte> bytes;
    put_number(bytes, value);
    EXPECT_EQ(bytes.size(), size) << value;
    std::span<const std::byte> left = bytes;
    std::uint64_t found = 0;
    ASSERT_TRUE(take_number(left, found));
    EXPECT_EQ(found, value);
    EXPECT_TRUE(left.empty());
    for (left = std::span(bytes).first(size - 1); !left.empty(); left = left.first(left.size() - 1)) {
      std::span<const std::byte> cut = left;
      EXPECT_FALSE(take_number(cut, found));
    }
  }
  const std::vector<std::byte> beyond(11, std::byte{0xFF});
  std::span<const std::byte> left = beyond;
  std::uint64_t found = 0;
  EXPECT_FALSE(take_number(left, found));
}

TEST(FrontCoding, texts_of_any_bytes_come_back_and_row_ids_take_little) {
  const std::vector<std::string> texts{"gp0000012345",       "gp0000012346",        "gp00000123460",       "gp", "", "",
                                       std::string(1, '\0'), std::string(300, 'x'), std::string(301, 'x'), "y"};
  std::vector<std::byte> bytes;
  std::string before;
  for (const std::string& text : texts) put_text(bytes, text, before);
  std::span<const std::byte> left = bytes;
  std::string text;
  for (const std::string& expected : texts) {
    ASSERT_TRUE(take_text(left, text));
    EXPECT_EQ(text, expected);
  }
  EXPECT_FALSE(take_text(left, text));
  bytes.clear();
  before = texts[0];
  put_text(bytes, texts[1], before);
  EXPECT_EQ(bytes.size(), 3U);  // two lengths and the last digit
}

TEST(FrontCoding, text_that_shares_more_than_there_is_is_refused) {
  std::vector<std::byte> bytes;
  put_number(bytes, 4);
  put_number(bytes, 0);
  std::span<const std::byte> left = bytes;
  std::string text = "abc";
  EXPECT_FALSE(take_text(left, text));
}

}  // namespace
}  // namespace ligature
