// Pseudonyms against OpenSSL's one-shot HMAC, and what keeps the name spaces apart.
#include "engine/pseudonym.hpp"

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "engine/error.hpp"

namespace ligature {
namespace {

std::vector<std::byte> key_of(std::size_t size, unsigned char first = 1) {
  std::vector<std::byte> key;
  for (std::size_t i = 0; i < size; ++i) key.push_back(static_cast<std::byte>(first + 7 * i));
  return key;
}

// The first digits of the HMAC-SHA-256 of a message, by OpenSSL's own one-shot function.
std::string expected_hex(const std::vector<std::byte>& key, const std::string& message, std::size_t digits = 32) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(message.data()),
       message.size(), digest, &length);
  EXPECT_EQ(length, 32U);
  std::string text;
  for (std::size_t i = 0; 2 * i < digits; ++i) {
    text += "0123456789abcdef"[digest[i] >> 4];
    text += "0123456789abcdef"[digest[i] & 0xF];
  }
  return text;
}

TEST(Pseudonym, hexadecimal_text_has_the_order_of_the_value) {
  EXPECT_EQ(hex(Pseudonym{}), "00000000000000000000000000000000");
  EXPECT_EQ(hex(Pseudonym{0x0123456789abcdefULL, 0xfedcba9876543210ULL}), "0123456789abcdeffedcba9876543210");
  EXPECT_LT((Pseudonym{1, 0}), (Pseudonym{2, 0}));
  EXPECT_LT((Pseudonym{1, 0xFF}), (Pseudonym{2, 0}));
  EXPECT_LT((Pseudonym{1, 1}), (Pseudonym{1, 2}));
}

TEST(Pseudonym, text_is_read_back_and_nothing_else_is_read) {
  const Pseudonym pseudonym{0x0123456789abcdefULL, 0xfedcba9876543210ULL};
  const std::string text = hex(pseudonym);
  EXPECT_EQ(parse_pseudonym(text.data()), pseudonym);
  const std::string digits = "0123456789abcdef";
  for (std::size_t place = 0; place < text.size(); ++place) {
    for (int code = 0; code < 256; ++code) {
      std::string other = text;
      other[place] = static_cast<char>(code);
      if (digits.find(other[place]) != std::string::npos) {
        EXPECT_EQ(hex(parse_pseudonym(other.data())), other);
      } else {
        EXPECT_THROW(parse_pseudonym(other.data()), Error);
      }
    }
  }
}

TEST(Pseudonymiser, refuses_a_key_shorter_than_32_bytes) {
  EXPECT_THROW(Pseudonymiser({}), UsageError);
  EXPECT_THROW(Pseudonymiser(key_of(31)), UsageError);
  EXPECT_NO_THROW(Pseudonymiser(key_of(32)));
}

TEST(Pseudonymiser, the_hmac_itself_is_that_of_rfc_4231) {
  // Test case 6: a key longer than the block; shows that the oracle of the tests below is HMAC-SHA-256.
  const std::vector<std::byte> key(131, std::byte{0xaa});
  EXPECT_EQ(expected_hex(key, "Test Using Larger Than Block-Size Key - Hash Key First", 64),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Pseudonymiser, names_a_numbered_person_by_the_hmac_of_the_labelled_number) {
  for (const std::size_t size : {32U, 64U, 65U, 200U}) {
    const std::vector<std::byte> key = key_of(size);
    Pseudonymiser pseudonymiser(key);
    EXPECT_EQ(hex(pseudonymiser.of_nhs_number(9434765919)), expected_hex(key, "ligature/person/nhs/1:9434765919"));
    EXPECT_EQ(hex(pseudonymiser.of_nhs_number(19)), expected_hex(key, "ligature/person/nhs/1:0000000019"));
  }
}

TEST(Pseudonymiser, names_any_other_person_by_the_hmac_of_the_labelled_identity) {
  const std::vector<std::byte> key = key_of(32);
  Pseudonymiser pseudonymiser(key);
  const Identity identity{0x0102030405060708ULL, 0x090a0b0c0d0e0f10ULL};
  EXPECT_EQ(
      hex(pseudonymiser.of_identity(identity)),
      expected_hex(key, "ligature/person/identity/1:\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"));
}

TEST(Pseudonymiser, one_object_gives_the_same_pseudonym_whatever_it_named_before) {
  Pseudonymiser used(key_of(32)), fresh(key_of(32));
  for (std::uint64_t number = 0; number < 1000; ++number) {
    used.of_nhs_number(number);
    used.of_identity({number, number});
  }
  EXPECT_EQ(used.of_nhs_number(9434765919), fresh.of_nhs_number(9434765919));
  EXPECT_EQ(used.key_id(), fresh.key_id());
}

// Any number of persons, so that the lanes are filled once, several times and in part.
TEST(Pseudonymiser, many_persons_at_once_get_the_names_that_they_get_one_by_one) {
  Pseudonymiser pseudonymiser(key_of(40));
  for (const std::size_t count : {0U, 1U, 15U, 16U, 17U, 100U}) {
    std::vector<std::uint64_t> numbers;
    std::vector<Identity> identities;
    for (std::uint64_t i = 0; i < count; ++i) {
      numbers.push_back(9434765919 - i * 123'456'789 % 9'000'000'000);
      identities.push_back({i * 0x9E3779B97F4A7C15ULL, ~i * 0xC2B2AE3D27D4EB4FULL});
    }
    std::vector<Pseudonym> of_numbers(count), of_identities(count);
    pseudonymiser.name(numbers, of_numbers);
    pseudonymiser.name(identities, of_identities);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(of_numbers[i], pseudonymiser.of_nhs_number(numbers[i]));
      EXPECT_EQ(of_identities[i], pseudonymiser.of_identity(identities[i]));
    }
  }
}

// In lanes its digits are not found one by one.
TEST(Pseudonymiser, a_number_of_any_digits_gets_one_name_in_both_ways) {
  Pseudonymiser pseudonymiser(key_of(32));
  std::vector<std::uint64_t> numbers = {0, 9'999'999'999};
  for (std::uint64_t power = 1; power < 10'000'000'000; power *= 10) {
    for (const std::uint64_t digit : {1U, 5U, 9U}) numbers.insert(numbers.end(), {digit * power, digit * power - 1});
  }
  std::vector<Pseudonym> names(numbers.size());
  pseudonymiser.name(numbers, names);
  for (std::size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(names[i], pseudonymiser.of_nhs_number(numbers[i]));
}

TEST(Pseudonymiser, refuses_room_for_another_number_of_names) {
  Pseudonymiser pseudonymiser(key_of(32));
  std::vector<Pseudonym> names(2);
  EXPECT_THROW(pseudonymiser.name(std::vector<std::uint64_t>(3), names), Error);
}

TEST(Pseudonymiser, two_keys_give_unrelated_pseudonyms) {
  Pseudonymiser one(key_of(32, 1)), other(key_of(32, 2));
  EXPECT_NE(one.of_nhs_number(9434765919), other.of_nhs_number(9434765919));
  EXPECT_NE(one.key_id(), other.key_id());
}

TEST(Pseudonymiser, numbers_and_identities_never_share_a_pseudonym) {
  Pseudonymiser pseudonymiser(key_of(32));
  std::set<Pseudonym> seen;
  for (std::uint64_t value = 0; value < 20'000; ++value) {
    EXPECT_TRUE(seen.insert(pseudonymiser.of_nhs_number(value)).second);
    EXPECT_TRUE(seen.insert(pseudonymiser.of_identity({value, 0})).second);
    EXPECT_TRUE(seen.insert(pseudonymiser.of_identity({0, value + 1})).second);
  }
}

// The message of a release's name: a label, then the words of what is named, big-endian.
std::string release_message(const std::string& label, const std::vector<std::uint64_t>& words) {
  std::string message = label;
  for (const std::uint64_t word : words) {
    for (int shift = 56; shift >= 0; shift -= 8) message += static_cast<char>(word >> shift & 0xFF);
  }
  return message;
}

TEST(Pseudonymiser, names_of_a_release_are_hmacs_of_the_datasets_names_in_spaces_of_their_own) {
  const std::vector<std::byte> key = key_of(32);
  Pseudonymiser pseudonymiser(key);
  for (const std::size_t count : {1U, 16U, 21U}) {
    std::vector<Pseudonym> persons, person_names(count), row_names(count);
    std::vector<DatasetRow> rows;
    for (std::uint64_t i = 0; i < count; ++i) {
      persons.push_back({0x0123456789ABCDEFULL * (i + 1), ~i});
      rows.push_back({persons.back(), 77 + i, i});
    }
    pseudonymiser.name(std::span<const Pseudonym>(persons), std::span(person_names));
    pseudonymiser.name(std::span<const DatasetRow>(rows), std::span(row_names));
    for (std::size_t i = 0; i < count; ++i) {
      const Pseudonym& who = persons[i];
      EXPECT_EQ(hex(person_names[i]),
                expected_hex(key, release_message("ligature/release/person/1:", {who.high, who.low})));
      EXPECT_EQ(hex(row_names[i]),
                expected_hex(key, release_message("ligature/release/row/1:", {who.high, who.low, 77 + i, i})));
    }
  }
}

TEST(Pseudonymiser, the_key_id_is_sixteen_digits_of_a_label_of_its_own) {
  const std::vector<std::byte> key = key_of(32);
  EXPECT_EQ(Pseudonymiser(key).key_id(), expected_hex(key, "ligature/key/1:", 16));
}

}  // namespace
}  // namespace ligature
