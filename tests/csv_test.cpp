// Records of delimited text: RFC 4180 as docs/bad-rows.md reads it, hostile bytes, and pieces of every size.
#include "io/csv.hpp"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/csv_pieces.hpp"
#include "tests/plain_csv_reader.hpp"
#include "tests/sanitized.hpp"

namespace ligature {
namespace {

using testing::decodes_as_utf8;
using testing::PieceBuffer;
using testing::PlainReading;
using testing::PlainRecord;
using testing::read_in_pieces;
using testing::read_plainly;
using testing::without_bad_offsets;
using namespace std::string_literals;

constexpr std::size_t kLimit = 65536;

PlainReading read(const std::string& text, std::size_t limit = kLimit) {
  return read_in_pieces(text, ',', limit, text.size() + 1);
}

std::vector<std::vector<std::string>> rows(const std::string& text, std::size_t limit = kLimit) {
  std::vector<std::vector<std::string>> fields;
  for (const PlainRecord& record : read(text, limit).records) {
    if (record.good) fields.push_back(record.fields);
  }
  return fields;
}

// Quarantined records as (line counted from 0, reason).
std::vector<std::pair<std::uint64_t, QuarantineReason>> quarantined(const std::string& text,
                                                                    std::size_t limit = kLimit) {
  std::vector<std::pair<std::uint64_t, QuarantineReason>> bad;
  for (const PlainRecord& record : read(text, limit).records) {
    if (!record.good) bad.emplace_back(record.line, record.reason);
  }
  return bad;
}

using Rows = std::vector<std::vector<std::string>>;
using Quarantined = std::vector<std::pair<std::uint64_t, QuarantineReason>>;

TEST(Records, AnEmptyFileHasNone) {
  EXPECT_TRUE(read("").records.empty());
}

TEST(Records, EndAtLineFeedCarriageReturnOrBoth) {
  EXPECT_EQ(rows("a,b\nc,d\r\ne,f\rg,h"), (Rows{{"a", "b"}, {"c", "d"}, {"e", "f"}, {"g", "h"}}));
  EXPECT_EQ(read("a\nb\r\nc\rd").lines, 3U);
}

TEST(Records, EmptyLinesAreNotRecordsButCountAsLines) {
  const PlainReading reading = read("\n\na\r\n\r\n\r\rb\n");
  ASSERT_EQ(reading.records.size(), 2U);
  EXPECT_EQ(reading.records[0].line, 2U);
  EXPECT_EQ(reading.records[1].line, 6U);
  EXPECT_EQ(reading.lines, 7U);
}

TEST(Records, KeepEmptyFields) {
  EXPECT_EQ(rows(",\n,,\n\"\"\n"), (Rows{{"", ""}, {"", "", ""}, {""}}));
}

TEST(Records, QuotedFieldsHoldDelimitersQuotesAndLineEnds) {
  EXPECT_EQ(rows("\"a,b\",\"say \"\"hi\"\"\",\"one\r\ntwo\nthree\"\nx,y,z\n"),
            (Rows{{"a,b", "say \"hi\"", "one\r\ntwo\nthree"}, {"x", "y", "z"}}));
  EXPECT_EQ(read("\"one\r\ntwo\nthree\"\nx\n").records[1].line, 3U);
}

TEST(Records, AQuoteInsideAnUnquotedFieldIsAnOrdinaryCharacter) {
  EXPECT_EQ(rows("5'11\",a \"b\" c\n"), (Rows{{"5'11\"", "a \"b\" c"}}));
  EXPECT_EQ(rows(" \"a\",b\n"), (Rows{{" \"a\"", "b"}}));
}

TEST(Records, TextAfterAClosingQuoteQuarantinesTheLineWhereTheRecordBegan) {
  const std::string text = "a,b\n\"x\ny\"z,1\nc,d\n";
  EXPECT_EQ(quarantined(text), (Quarantined{{1, QuarantineReason::malformed_quote}}));
  EXPECT_EQ(rows(text), (Rows{{"a", "b"}, {"y\"z", "1"}, {"c", "d"}}));
}

TEST(Records, AQuoteOpenAtTheEndOfTheFileCostsOneLine) {
  const std::string text = "a,b\n1,\"open\n2,c\n3,d";
  EXPECT_EQ(quarantined(text), (Quarantined{{1, QuarantineReason::unterminated_quote}}));
  EXPECT_EQ(rows(text), (Rows{{"a", "b"}, {"2", "c"}, {"3", "d"}}));
}

TEST(Records, AQuoteThatClosesBeyondTheLimitCostsOneLine) {
  const std::string text = "1,\"open\n2,c\n3,\"d\"\n";
  EXPECT_EQ(quarantined(text, 10), (Quarantined{{0, QuarantineReason::unterminated_quote}}));
  EXPECT_EQ(rows(text, 10), (Rows{{"2", "c"}, {"3", "d"}}));
}

TEST(Records, MayBeAsLongAsTheLimitAndNotLonger) {
  EXPECT_EQ(rows("12345,789\nx\n", 9), (Rows{{"12345", "789"}, {"x"}}));
  EXPECT_EQ(quarantined("12345,7890\nx\n", 9), (Quarantined{{0, QuarantineReason::too_long}}));
  EXPECT_EQ(rows("\"2345678\"\r\nx", 9), (Rows{{"2345678"}, {"x"}}));
  EXPECT_EQ(quarantined("\"23456789\"\r\nx", 9), (Quarantined{{0, QuarantineReason::unterminated_quote}}));
}

TEST(Records, AnEndlessLineIsOneQuarantinedRowAndItsBytesAreNotKept) {
  RecordTokenizer tokenizer(',', 100);
  ReadingState state;
  testing::RecordCollector collector;
  const std::string part(1000, 'x');
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const PieceBuffer buffer(part, 0, part.size());
    Piece piece = buffer.piece();
    piece.offset = i * part.size();
    piece.last = false;
    read_records(tokenizer, state, piece, 0, piece.size, collector);
    EXPECT_LE(state.carry.size(), 101U);
  }
  const std::string end = "\na,b\n";
  const PieceBuffer buffer(end, 0, end.size());
  read_records(tokenizer, state, buffer.piece(), 0, end.size(), collector);
  ASSERT_EQ(collector.reading.records.size(), 2U);
  EXPECT_EQ(collector.reading.records[0].reason, QuarantineReason::too_long);
  EXPECT_EQ(collector.reading.records[1].line, 1U);
}

TEST(Records, WithANulByteOrBadUtf8AreQuarantined) {
  EXPECT_EQ(quarantined("a\0b,c\nx\n"s), (Quarantined{{0, QuarantineReason::nul_byte}}));
  EXPECT_EQ(quarantined("x,y\nl\xE9on,c\nz\n"), (Quarantined{{1, QuarantineReason::bad_utf8}}));
  EXPECT_EQ(rows("l\xC3\xA9on,c\n"), (Rows{{"l\xC3\xA9on", "c"}}));
}

TEST(Records, ThatAllOpenAQuoteAreRecoveredInLinearTime) {
  // Each line leaves a quote open whether it begins inside quotes or outside; a naive recovery scans max_record_bytes
  // for each of them, ten thousand times the file.
  const std::size_t lines = unless_sanitized(1'000'000, 200'000);
  std::string text;
  for (std::size_t i = 0; i < lines; ++i) text += "a\",\"\n";
  const PlainReading reading = read(text, 1 << 20);
  EXPECT_EQ(reading.records.size(), lines);
  for (const PlainRecord& record : reading.records) ASSERT_EQ(record.reason, QuarantineReason::unterminated_quote);
}

TEST(Utf8, FollowsTheTableOfWellFormedSequences) {
  for (const char* good : {"", "plain", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                           "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "twelve bytes\xC3\xA9 and more"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC3", "\xC3(", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "seven77\xC3"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

TEST(Utf8, EveryShortSequenceIsJudgedAsADecoderWould) {
  for (unsigned lead = 0; lead < 256; ++lead) {
    for (unsigned second = 0; second < 256; ++second) {
      for (const char* rest : {"", "\x80", "\x80\x80", "x"}) {
        const std::string text = std::string{static_cast<char>(lead), static_cast<char>(second)} + rest;
        ASSERT_EQ(is_utf8(text), decodes_as_utf8(text)) << lead << ' ' << second << ' ' << rest;
      }
    }
  }
}

const std::vector<std::string>& hostile_texts() {
  static const std::vector<std::string> texts = {
      "",
      "\n",
      "\r",
      "\"",
      "\"\"",
      "\"\"\"",
      "a,\"b\nc\",d\r\ne,f,g",
      "a\r\n\"b\r\nc\"\r\nd\r",
      "\"a\"b\n\"c\nd\"e\nf\n",
      "a\",\"\na\",\"\na\",\"\na\",\"\nb\n",
      "\"\n\"\n\"\n\"\n\"",
      "x,\"\"\"\nx,\"\"\"\nx,\"\"\"\n",
      "long,long,long,long,long\nb\n",
      "\"long long long\nlong long\",x\nb,c\n",
      "\"a\nb\",ccccccccccccccccccccccccc\nd\n",
      "ab\0c\n\xFF\n\xC3\xA9\n"s,
      "\r\n\r\n\n\r\n\r\r\na\r\r\n",
      "\"aaaaaaaaaaaaa\"\"\n\"\"aaaaaa\"\nb\n",
  };
  return texts;
}

// Compares with the plain reader for a piece size.  REQUIRES: piece_bytes > 0.
::testing::AssertionResult agrees(const std::string& text, std::size_t limit, std::size_t piece_bytes) {
  const PlainReading expected = without_bad_offsets(read_plainly(text, ',', limit));
  const PlainReading found = read_in_pieces(text, ',', limit, piece_bytes);
  if (found.records == expected.records && found.lines == expected.lines) return ::testing::AssertionSuccess();
  auto failure = ::testing::AssertionFailure();
  failure << "limit " << limit << ", pieces of " << piece_bytes << ": " << ::testing::PrintToString(text) << "\n";
  for (const PlainRecord& record : expected.records) failure << "expected " << record << "\n";
  for (const PlainRecord& record : found.records) failure << "found    " << record << "\n";
  return failure << "lines " << expected.lines << " " << found.lines;
}

TEST(Pieces, OfEverySizeGiveTheRecordsOfTheWhole) {
  for (const std::string& text : hostile_texts()) {
    for (const std::size_t limit : {1UL, 5UL, 12UL, 13UL, 14UL, 20UL, 1000UL}) {
      for (std::size_t piece = 1; piece <= text.size() + 1; ++piece) ASSERT_TRUE(agrees(text, limit, piece));
    }
  }
}

// Text of the bytes that decide, so that every state meets every byte.
std::string random_text(std::mt19937& random, std::size_t size) {
  static const std::vector<std::string> parts = {"\"",    "\"",     "\"",   ",",        ",",   "\n",
                                                 "\n",    "\r",     "\r\n", "a",        "bcd", "\"\"",
                                                 "\",\"", "\"\n\"", "\0"s,  "\xC3\xA9", "\xE9"};
  std::string text;
  // Some texts seldom have the rarer parts, so that well-formed runs occur.
  const std::size_t kinds = 4 + random() % (parts.size() - 3);
  while (text.size() < size) text += parts[random() % kinds];
  return text;
}

TEST(Pieces, OfRandomTextsGiveTheRecordsOfThePlainReader) {
  std::mt19937 random(20140401);
  for (int trial = 0; trial < unless_sanitized(3000, 600); ++trial) {
    const std::string text = random_text(random, random() % 120);
    const std::size_t limit = 1 + random() % (trial % 2 == 0 ? 12 : 60);
    ASSERT_TRUE(agrees(text, limit, text.size() + 1));
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(agrees(text, limit, 1 + random() % 40));
  }
}

TEST(Pieces, OfLongRandomTextsGiveTheRecordsOfThePlainReader) {
  std::mt19937 random(1974);
  for (int trial = 0; trial < unless_sanitized(40, 15); ++trial) {
    const std::string text = random_text(random, 20000);
    const std::size_t limit = 1 + random() % 3000;
    ASSERT_TRUE(agrees(text, limit, text.size() + 1));
    ASSERT_TRUE(agrees(text, limit, 1 + random() % 5000));
  }
}

TEST(GuessedStart, IsATrueRecordStartWhereverAnOrdinaryExtractIsCut) {
  std::string text;
  std::vector<bool> starts;
  for (int i = 0; i < 300; ++i) {
    starts.resize(text.size(), false);
    starts.push_back(true);
    text += std::to_string(i) + ",9434765919,1970-12-31,SW1A 1AA,\"note, with\nline " + std::to_string(i * 7) + "\"\n";
  }
  starts.resize(text.size() + 1, false);
  starts[text.size()] = true;
  RecordTokenizer tokenizer(',', kLimit);
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    const PieceBuffer buffer(text, cut, text.size() - cut);
    const std::size_t guess = guess_record_start(tokenizer, buffer.piece(), text[cut - 1], 5);
    ASSERT_TRUE(starts[cut + guess]) << "cut at " << cut << ", guessed " << guess;
    ASSERT_LE(guess, 150U);  // and near: nothing is left to the closing stage that could be parsed here
  }
}

TEST(GuessedStart, LiesInsideAnyPiece) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 2000; ++trial) {
    const std::string text = random_text(random, random() % 60);
    RecordTokenizer tokenizer(',', 1 + random() % 30);
    const PieceBuffer buffer(text, 0, text.size());
    ASSERT_LE(guess_record_start(tokenizer, buffer.piece(), "\n\ra\""[random() % 4], 1 + random() % 3), text.size());
  }
}

}  // namespace
}  // namespace ligature
