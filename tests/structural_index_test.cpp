// The SIMD index of an extract against the plain reference, on every instruction set that this machine has.
#include "io/structural_index.hpp"

#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "tests/csv_pieces.hpp"
#include "tests/every_target.hpp"
#include "tests/sanitized.hpp"

namespace ligature {
namespace {

using namespace std::string_literals;

constexpr std::size_t kLongest = 5000;

// Bytes after the text that would make records of it if they were read as text.
std::string with_tail(const std::string& text) {
  std::string tail;
  while (tail.size() < kIndexReadAhead) tail += "\n,\"";
  return text + tail.substr(0, kIndexReadAhead);
}

std::vector<std::uint32_t> first(const std::vector<std::uint32_t>& values, std::size_t count) {
  return {values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count)};
}

// Compares the index of a text with that of the plain reference.
void expect_same(const std::string& text, StructuralIndex& found, const char* target) {
  StructuralIndex expected(text.size());
  index_records_plainly(text.data(), text.size(), ',', expected);
  const std::string padded = with_tail(text);
  index_records(padded.data(), text.size(), ',', found);
  const std::string what = std::string(target) + ": " + ::testing::PrintToString(text);
  ASSERT_EQ(found.record_count, expected.record_count) << what;
  ASSERT_EQ(first(found.records, found.record_count + 1), first(expected.records, expected.record_count + 1)) << what;
  const std::size_t ends = expected.records[expected.record_count] + 1;
  ASSERT_EQ(first(found.ends, ends), first(expected.ends, ends)) << what;
  const std::uint32_t last = expected.ends[ends - 1] + 1;
  const std::string_view indexed = std::string_view(text).substr(0, last);
  const auto strange = [](char c) { return c == '\0' || static_cast<unsigned char>(c) > 0x7F; };
  const bool has_strange = std::any_of(indexed.begin(), indexed.end(), strange);
  const bool has_quotes = indexed.find('"') != std::string_view::npos;
  ASSERT_FALSE(found.plain && has_strange) << what;
  ASSERT_TRUE(found.quoted || !has_quotes) << what;
}

std::string random_text(std::mt19937& random, std::size_t size) {
  static const std::vector<std::string> parts = {",",
                                                 "a",
                                                 "bcdefgh",
                                                 "\n",
                                                 ",\"x\",",
                                                 "\"y, z\"\n",
                                                 "\r\n",
                                                 "\r",
                                                 "\"\",",
                                                 "\"",
                                                 "\"\"",
                                                 "\"\n\"",
                                                 "a\"b,",
                                                 "\0"s,
                                                 "\xC3\xA9",
                                                 "\xFF",
                                                 "0123456789012345678901234567"};
  std::string text;
  const std::size_t kinds = 3 + random() % (parts.size() - 2);
  while (text.size() < size) text += parts[random() % kinds];
  return text.substr(0, size);
}

TEST(StructuralIndex, IsThatOfThePlainReferenceForRandomTexts) {
  on_every_target([](const char* target) {
    std::mt19937 random(1974);
    StructuralIndex index(kLongest);
    for (int trial = 0; trial < unless_sanitized(3000, 500) && !::testing::Test::HasFatalFailure(); ++trial) {
      expect_same(random_text(random, random() % 300), index, target);
    }
    for (int trial = 0; trial < unless_sanitized(100, 25) && !::testing::Test::HasFatalFailure(); ++trial) {
      expect_same(random_text(random, random() % kLongest), index, target);
    }
  });
}

TEST(StructuralIndex, IsThatOfThePlainReferenceWhereverABlockOf64BytesEnds) {
  on_every_target([](const char* target) {
    StructuralIndex index(kLongest);
    for (const char* line : {"a,b\r\nc\r\n", "\"a,b\",\"c\"\r\n\"\"\r", "\r\r\n\n\r", "\"a\"\"b\"\n", "x,\"a\nb\"\n",
                             "\"a\"b\n", "a\"\n", "\"open"}) {
      for (std::size_t before = 0; before < 130; ++before) {
        expect_same(std::string(before, 'x') + "\n" + line + line, index, target);
      }
    }
  });
}

TEST(StructuralIndex, HasRoomForATextThatIsAllDelimitersOrAllLineEnds) {
  on_every_target([](const char* target) {
    StructuralIndex index(kLongest);
    expect_same(std::string(kLongest, ','), index, target);
    expect_same(std::string(kLongest, '\n'), index, target);
    expect_same(std::string(kLongest - 1, ',') + "\n", index, target);
  });
}

// An extract of rows like real ones, a few of them mutated in a byte or two.
std::string mutated_extract(std::mt19937& random, bool quoted) {
  std::string text;
  const char* const line_end = random() % 3 == 0 ? "\r\n" : "\n";
  for (int row = 0; row < 400; ++row) {
    const std::string fields[] = {"G" + std::to_string(1000000 + row),   "A81000",
                                  std::to_string(4000000000 + random()), "1916-10-23",
                                  row % 5 == 0 ? "" : "SW1A 1AA",        "2"};
    for (const std::string& field : fields) {
      text += &field == fields ? "" : ",";
      text += quoted ? "\"" + field + "\"" : field;
    }
    text += line_end;
  }
  static const std::string bytes = "\"\",,\n\n\r\0\xC3\xA9x"s;
  for (std::size_t times = random() % 20; times > 0; --times) {
    text[random() % text.size()] = bytes[random() % bytes.size()];
  }
  return text;
}

TEST(StructuralIndex, ReadsAMutatedExtractAsThePlainReaderDoes) {
  on_every_target([](const char* target) {
    std::mt19937 random(5);
    for (int trial = 0; trial < 60; ++trial) {
      const std::string text = mutated_extract(random, trial % 2 == 0);
      const testing::PlainReading expected = without_bad_offsets(testing::read_plainly(text, ',', 4096));
      const testing::PlainReading found = testing::read_in_pieces(text, ',', 4096, 1 + random() % text.size());
      ASSERT_EQ(found.records, expected.records) << target << " trial " << trial;
      ASSERT_EQ(found.lines, expected.lines) << target << " trial " << trial;
    }
  });
}

}  // namespace
}  // namespace ligature
