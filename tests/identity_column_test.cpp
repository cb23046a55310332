// Identities of many rows at once are those of one row after the other.
#include "io/identity_column.hpp"

#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "engine/column_chunk.hpp"
#include "tests/every_target.hpp"

namespace ligature {
namespace {

struct Rows {
  std::vector<NhsNumber> numbers;
  std::vector<Birth> births;
  std::vector<Postcode> postcodes;
  std::vector<Gender> genders;
  [[nodiscard]] IdentifierColumns columns() const {
    return {numbers.data(), births.data(), postcodes.data(), genders.data()};
  }
};

// Rows with each identifier given, wrong, a default, or missing, in any combination.
Rows random_rows(std::mt19937_64& random, std::size_t count) {
  Rows rows;
  for (std::size_t i = 0; i < count; ++i) {
    const auto status = static_cast<NhsStatus>(random() % 3);
    rows.numbers.push_back({status == NhsStatus::missing ? 0 : random() % 10'000'000'000, status});
    const bool placeholder = random() % 4 == 0;
    rows.births.push_back(
        {placeholder || random() % 3 == 0 ? kMissingDay : static_cast<DayNumber>(random()), placeholder});
    const auto flag = static_cast<PostcodeFlag>(random() % 4 == 0 ? 1 + random() % 2 : 0);
    const bool no_postcode = flag != PostcodeFlag::none || random() % 3 == 0;
    rows.postcodes.push_back({no_postcode ? 0 : random() >> (64 - kPostcodeBits), flag});
    rows.genders.push_back(static_cast<Gender>(random() % 4));
  }
  return rows;
}

TEST(IdentityColumn, rows_are_packed_as_each_is_alone) {
  std::mt19937_64 random(5);
  for (int times = 0; times < 2'000; ++times) {
    const std::size_t count = random() % (kChunkRows + 1);
    const Rows rows = random_rows(random, count);
    std::vector<Identity> expected(count);
    std::vector<std::uint64_t> expected_standing(count);
    const std::uint64_t linkable =
        pack_identities_plainly(rows.columns(), count, expected.data(), expected_standing.data());
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(unpack(expected[i]), rows.columns().row(i));
    on_every_target([&](const char* target) {
      std::vector<Identity> packed(count);
      std::vector<std::uint64_t> standing(count);
      ASSERT_EQ(pack_identities(rows.columns(), count, packed.data(), standing.data()), linkable) << target;
      ASSERT_EQ(packed, expected) << target;
      ASSERT_EQ(standing, expected_standing) << target;
    });
  }
}

TEST(IdentityColumn, what_is_linkable_is_told_of_each_row) {
  const NhsNumber valid{4010232137, NhsStatus::valid}, invalid{4010232138, NhsStatus::invalid}, none;
  const Birth born{20'000, false}, not_known{kMissingDay, true};
  const Postcode home{12'345, PostcodeFlag::none}, nowhere{0, PostcodeFlag::pseudo};
  const Rows rows{{valid, invalid, invalid, invalid, none, none, none, none},
                  {not_known, born, not_known, not_known, born, born, not_known, not_known},
                  {nowhere, nowhere, home, nowhere, home, nowhere, home, nowhere},
                  std::vector<Gender>(8, Gender::female)};
  std::vector<Identity> identities(8);
  std::vector<std::uint64_t> standing(8);
  EXPECT_EQ(pack_identities(rows.columns(), 8, identities.data(), standing.data()), 0b0001'0111U);
}

TEST(ColumnChunk, unread_rows_are_those_without_a_bit) {
  std::vector<std::size_t> unread;
  for_each_unread(0b1011, 6, [&](std::size_t row) { unread.push_back(row); });
  EXPECT_EQ(unread, (std::vector<std::size_t>{2, 4, 5}));
  unread.clear();
  for_each_unread(~(std::uint64_t{1} << 63), kChunkRows, [&](std::size_t row) { unread.push_back(row); });
  EXPECT_EQ(unread, std::vector<std::size_t>{63});
}

}  // namespace
}  // namespace ligature
