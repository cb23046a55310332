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
    std::vector<std::byte> bytes(kMostNumberBytes);
    bytes.resize(static_cast<std::size_t>(put_number(bytes.data(), value) - bytes.data()));
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
  std::vector<std::byte> bytes(1'000);
  std::byte* end = bytes.data();
  std::string before;
  for (const std::string& text : texts) {
    std::byte* const begin = end;
    end = put_text(end, text, before);
    EXPECT_LE(static_cast<std::size_t>(end - begin), most_text_bytes(text.size()));
    before = text;
  }
  std::span<const std::byte> left = std::span(bytes).first(static_cast<std::size_t>(end - bytes.data()));
  std::string text;
  for (const std::string& expected : texts) {
    ASSERT_TRUE(take_text(left, text));
    EXPECT_EQ(text, expected);
  }
  EXPECT_FALSE(take_text(left, text));
  EXPECT_EQ(put_text(bytes.data(), texts[1], texts[0]), bytes.data() + 3);  // two lengths and the last digit
}

TEST(FrontCoding, texts_share_what_they_begin_with_whatever_their_lengths) {
  const std::string text = "gp0000012345-000";
  for (std::size_t size = 0; size <= text.size(); ++size) {
    EXPECT_EQ(shared_bytes(text, text.substr(0, size)), size);
    std::string other = text;
    if (size < text.size()) other[size] = '*';
    EXPECT_EQ(shared_bytes(other, text), size);
  }
}

TEST(FrontCoding, text_that_shares_more_than_there_is_is_refused) {
  const std::vector<std::byte> bytes{std::byte{4}, std::byte{0}};
  std::span<const std::byte> left = bytes;
  std::string text = "abc";
  EXPECT_FALSE(take_text(left, text));
}

}  // namespace
}  // namespace ligature
