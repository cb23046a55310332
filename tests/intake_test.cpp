// Intake: the rows of extracts do not depend on ranks, blocks or compression, and bad rows are named exactly.
#include "io/intake.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "engine/error.hpp"
#include "io/share_reader.hpp"
#include "tests/intake_fixture.hpp"

namespace ligature {
namespace {

using testing::day;
using testing::identity_text;
using testing::IntakeTest;
using testing::kHeader;
using testing::kNhs;
using namespace std::chrono_literals;
using namespace std::string_literals;

IntakeTuning tiny(std::size_t block_bytes) {
  return {block_bytes, 0};
}

std::string ordinary_rows(int rows) {
  std::string text;
  for (int i = 0; i < rows; ++i) {
    text += "r" + std::to_string(i) + ",9434765919,31/12/1970,SW1A 1AA,1,2014-04-01,A" + std::to_string(81000 + i % 7) +
            ",c" + std::to_string(i % 5) + "," + std::to_string(i) + "\n";
  }
  return text;
}

std::string gzip(const std::string& text, std::size_t member_bytes) {
  std::string packed;
  for (std::size_t at = 0; at < text.size(); at += member_bytes) {
    const std::size_t size = std::min(member_bytes, text.size() - at);
    z_stream stream{};
    EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string member(deflateBound(&stream, size) + 64, '\0');
    std::string source = text.substr(at, size);
    stream.next_in = reinterpret_cast<Bytef*>(source.data());
    stream.avail_in = static_cast<uInt>(size);
    stream.next_out = reinterpret_cast<Bytef*>(member.data());
    stream.avail_out = static_cast<uInt>(member.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    member.resize(stream.total_out);
    deflateEnd(&stream);
    packed += member;
  }
  return packed;
}

std::string zstd(const std::string& text, std::size_t frame_bytes) {
  std::string packed;
  for (std::size_t at = 0; at < text.size(); at += frame_bytes) {
    const std::size_t size = std::min(frame_bytes, text.size() - at);
    std::string frame(ZSTD_compressBound(size), '\0');
    ZSTD_CCtx* const context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);  // as zstd(1) does
    frame.resize(ZSTD_compress2(context, frame.data(), frame.size(), text.data() + at, size));
    ZSTD_freeCCtx(context);
    packed += frame;
  }
  return packed;
}

TEST_F(IntakeTest, AFileWithOnlyAHeaderHasNoRows) {
  write("gp.csv", kHeader);
  job_.extracts = {extract("gp", {"gp.csv"})};
  const Outcome outcome = read();
  EXPECT_EQ(outcome.counts.read, 0U);
  EXPECT_TRUE(outcome.rows.empty());
}

TEST_F(IntakeTest, OneRowBecomesOneIdentityAndOnePayload) {
  write("gp.csv", kHeader + "r1, 943 476 5919,31/12/1970,sw1a1aa,male,2014-04-01, A81001 ,\"x,y\",-7\n");
  job_.extracts = {extract("gp", {"gp.csv"})};
  const Outcome outcome = read();
  ASSERT_EQ(outcome.rows.size(), 1U);
  IdentityFields fields;
  fields.nhs = {kNhs, NhsStatus::valid};
  fields.date_of_birth = day(1970, 12, 31);
  fields.postcode = standardise_postcode("SW1A 1AA");
  fields.gender = Gender::male;
  EXPECT_EQ(outcome.rows[0], "0 r1 " + identity_text(pack(fields)) + " event_date=" + std::to_string(day(2014, 4, 1)) +
                                 " provider=A81001 code=x,y value=-7");
}

// Every kind of trouble within a few lines.
std::string hostile_file() {
  std::string text = "\xEF\xBB\xBF" + kHeader;
  text += "r1,9434765919,1970-12-31,SW1A 1AA,1,2014-04-01,A81001,\"two\nlines, \"\"quoted\"\"\",1\n";
  text += "r2,too,few\n\n";
  text += "r3,9434765919,1970-12-31,SW1A 1AA,1,2014-04-01,A81001,\"open,1\n";
  text += "r4,9434765919,1970-12-31,SW1A 1AA,2,2014-04-01,A81001,a,2\r\n";
  text += "r5,\"9434765919\"x,1970-12-31,SW1A 1AA,1,2014-04-01,A81001,b,3\r";
  text += "r6,9434765919,1970-12-31,SW1A 1AA,1,2014-04-01,A8\xC3,c,4\n";
  text += "r7,9434765919,1970-12-31,SW1A 1AA,1,2014-04-01,A81001,d\0d,5\n"s;
  text += "r8,9434765919,1970-12-31,SW1A 1AA,1,2014-04-01,A81001," + std::string(400, 'z') + ",6\n";
  text += "r9,,,,,,,,\n";
  text += "\"r\r\n10\",9434765870,,\"\",\"\",,\"\"\"\",\"a\n\nb\",99999\n";
  text += "\"open to the end,,,,,,,,\n";
  text += "r11,9434765919,1970-12-31,SW1A 1AA,1,2014-04-01,A81001,last,7";
  return text;
}

TEST_F(IntakeTest, QuarantinedRowsAreNamedByLineAndReason) {
  const std::string text = hostile_file();
  write("gp.csv", text);
  job_.extracts = {extract("gp", {"gp.csv"})};
  const Outcome outcome = read();
  EXPECT_EQ(outcome.quarantined,
            (std::vector<std::string>{"0 4 column_count", "0 6 malformed_quote", "0 8 malformed_quote", "0 9 bad_utf8",
                                      "0 10 nul_byte", "0 11 too_long", "0 17 unterminated_quote"}));
  EXPECT_EQ(outcome.rows.size(), 5U);
  EXPECT_EQ(outcome.counts.one_time, 1U);
  EXPECT_EQ(outcome.counts.values_not_understood, 1U);
}

TEST_F(IntakeTest, EveryBlockSizeGivesTheRowsOfOneBlock) {
  const std::string text = hostile_file();
  write("gp.csv", text);
  job_.extracts = {extract("gp", {"gp.csv"})};
  const Outcome plain = expected(text), whole = read();
  EXPECT_EQ(whole.rows, plain.rows);
  EXPECT_EQ(whole.quarantined, plain.quarantined);
  for (std::size_t block = 1; block <= text.size(); block += block < 64 ? 1 : 37) {
    const Outcome cut = read(tiny(block));
    ASSERT_EQ(cut.rows, plain.rows) << "blocks of " << block;
    ASSERT_EQ(cut.quarantined, plain.quarantined) << "blocks of " << block;
  }
}

TEST_F(IntakeTest, EveryBlockSizeGivesTheRowsOfOneBlockOfACompressedFile) {
  const std::string text = hostile_file();
  write("gp.csv.gz", gzip(text, 300));
  write("gp.csv.zst", zstd(text, 250));
  const Outcome plain = expected(text);
  for (const char* name : {"gp.csv.gz", "gp.csv.zst"}) {
    job_.extracts = {extract("gp", {name})};
    EXPECT_EQ(read().rows, plain.rows) << name;
    EXPECT_EQ(read().quarantined, plain.quarantined) << name;
    for (std::size_t block = 1; block <= text.size(); block += block < 20 ? 1 : 111) {
      const Outcome cut = read(tiny(block));
      ASSERT_EQ(cut.rows, plain.rows) << name << ", blocks of " << block;
      ASSERT_EQ(cut.quarantined, plain.quarantined) << name << ", blocks of " << block;
      // A small file is read whole by one thread; its buffer may still be smaller than the file.
      ASSERT_EQ(read({block, 1U << 20}).rows, plain.rows) << name << ", blocks of " << block;
    }
  }
}

// Six rows, inside whose quotes stand complete rows: whoever begins there guesses wrong and must read again.
std::string deceptive_rows() {
  std::string text;
  for (int i = 0; i < 6; ++i) {
    text += "q" + std::to_string(i) + ",9434765919,1970-12-31,SW1A 1AA,1,2014-04-01,A81001,\"\n" + ordinary_rows(40) +
            "\",1\n";
  }
  return text;
}

TEST_F(IntakeTest, QuotedTextThatLooksLikeRowsDoesNotDeceiveARankThatBeginsInIt) {
  const std::string text = kHeader + deceptive_rows();
  job_.max_record_bytes = 100'000;
  write("gp.csv", text);
  job_.extracts = {extract("gp", {"gp.csv"})};
  const Outcome plain = expected(text);
  ASSERT_EQ(plain.rows.size(), 6U);
  std::uint64_t restarts = 0;
  for (const std::size_t block : {64U, 1000U, 1371U, 5000U}) {
    const Outcome cut = read(tiny(block));
    ASSERT_EQ(cut.rows, plain.rows) << "blocks of " << block;
    restarts += cut.restarts;
  }
  EXPECT_EQ(restarts > 0, comm_.size() > 1);
}

TEST_F(IntakeTest, EveryRankReadsAPartOfEachDatasetAndTheRowsAreThoseOfOneReading) {
  job_.max_record_bytes = 100'000;
  const std::string bad = "too,few\n";
  write("a.csv", kHeader + ordinary_rows(100) + bad);
  write("b.csv", kHeader + ordinary_rows(200));
  write("c.csv", kHeader + deceptive_rows() + bad);
  write("d.csv", kHeader + ordinary_rows(150) + bad);
  job_.extracts = {extract("gp", {"a.csv", "b.csv"}), extract("ae", {"c.csv"}), extract("op", {"d.csv"})};
  const auto by_file = [](std::vector<std::string> texts) {
    std::stable_sort(texts.begin(), texts.end(), [](const auto& a, const auto& b) { return a[0] < b[0]; });
    return texts;
  };
  const Outcome whole = read();
  ASSERT_EQ(whole.rows.size(), 456U);
  ASSERT_EQ(whole.quarantined.size(), 3U);
  std::uint64_t restarts = 0;
  for (const std::size_t block : {64U, 1000U, 1371U, 5000U}) {
    const Outcome cut = read(tiny(block));
    restarts += cut.restarts;
    EXPECT_EQ(by_file(cut.rows), by_file(whole.rows)) << "blocks of " << block;
    EXPECT_EQ(by_file(cut.quarantined), by_file(whole.quarantined)) << "blocks of " << block;
    EXPECT_EQ(cut.counts.read, whole.counts.read);
  }
  EXPECT_EQ(restarts > 0, comm_.size() > 1);
  const Inputs inputs = find_inputs(comm_, job_);
  std::set<std::uint32_t> datasets;
  for (const Segment& segment : share_of_inputs(inputs, comm_.rank(), comm_.size(), 1000, {0, inputs.files.size()})) {
    datasets.insert(inputs.files[segment.file].dataset);
  }
  EXPECT_EQ(datasets.size(), 3U);
}

TEST(ShareOfInputs, CoversEveryFileOnceInOrderAndIsFairToABlock) {
  constexpr std::uint64_t kBlock = 1000;
  std::mt19937 random(7);
  for (int trial = 0; trial < 200; ++trial) {
    Inputs inputs;
    inputs.datasets.resize(3);
    std::uint64_t total = 0, largest_compressed = 0;
    for (std::size_t f = 0, files = 1 + random() % 12; f < files; ++f) {
      InputFile file;
      file.dataset = static_cast<std::uint32_t>(random() % 3);
      file.bytes = 1 + random() % (random() % 2 == 0 ? 700 : 20'000);
      if (random() % 5 == 0) file.compression = Compression::zstd;
      const std::uint64_t weight = file.bytes * (file.compression == Compression::none ? 1 : 4);
      if (file.compression != Compression::none) largest_compressed = std::max(largest_compressed, weight);
      total += weight;
      inputs.files.push_back(file);
    }
    const int ranks = 1 + static_cast<int>(random() % 6);
    std::vector<std::uint64_t> read(inputs.files.size(), 0);
    for (int rank = 0; rank < ranks; ++rank) {
      std::uint64_t mine = 0;
      std::optional<std::uint32_t> before;
      for (const Segment& segment : share_of_inputs(inputs, rank, ranks, kBlock, {0, inputs.files.size()})) {
        const InputFile& file = inputs.files[segment.file];
        if (before) {
          const auto place = [&](std::uint32_t f) { return std::pair(inputs.files[f].dataset, f); };
          ASSERT_LT(place(*before), place(segment.file));
        }
        ASSERT_EQ(segment.begin, read[segment.file]);
        ASSERT_LT(segment.begin, segment.end);
        ASSERT_TRUE(segment.end == file.bytes || (segment.end % kBlock == 0 && file.compression == Compression::none));
        read[segment.file] = segment.end;
        before = segment.file;
        mine += (segment.end - segment.begin) * (file.compression == Compression::none ? 1 : 4);
      }
      const std::uint64_t fair = share_of(total, rank, ranks).size();
      EXPECT_LE(mine, fair + std::max(kBlock, largest_compressed) + 2) << trial;
      EXPECT_GE(mine + std::max(kBlock, largest_compressed) + 2, fair) << trial;
    }
    for (std::size_t f = 0; f < read.size(); ++f) ASSERT_EQ(read[f], inputs.files[f].bytes);
  }
}

TEST_F(IntakeTest, AnOrdinaryExtractIsReadOnceWhereverItIsCut) {
  const std::string text = kHeader + ordinary_rows(300);
  write("gp.csv", text);
  job_.extracts = {extract("gp", {"gp.csv"})};
  const Outcome plain = expected(text);
  for (std::size_t block = 500; block < 640; block += 3) {
    const Outcome cut = read(tiny(block));
    ASSERT_EQ(cut.rows, plain.rows);
    ASSERT_EQ(cut.restarts, 0U) << "blocks of " << block;
  }
}

TEST_F(IntakeTest, RandomHostileFilesReadAsThePlainReaderReadsThem) {
  std::mt19937 random(909090);  // the same on every rank
  const std::vector<std::string> values = {"9434765919", "9434765870", "1970-12-31", "SW1A 1AA",    "1",        "",
                                           "x",          "\"a,b\"",    "\"a\nb\"",   "\"\"\"\"",    "\"\r\n\"", " 7 ",
                                           "\"",         "\"x\"y",     "\xE9",       "l\xC3\xA9on", "\0"s,      "a\"b"};
  for (int trial = 0; trial < 60; ++trial) {
    const std::size_t kinds = trial % 3 == 0 ? 9 : trial % 3 == 1 ? 12 : values.size();
    const char* const line_end = trial % 4 == 0 ? "\r\n" : trial % 4 == 1 ? "\r" : "\n";
    std::string text = trial % 5 == 0 ? "\xEF\xBB\xBF" : "";
    text += kHeader.substr(0, kHeader.size() - 1) + line_end;
    for (std::size_t row = 0; row < 5 + random() % 60; ++row) {
      const std::size_t columns = random() % 12 == 0 ? 1 + random() % 12 : 9;
      for (std::size_t c = 0; c < columns; ++c) text += (c == 0 ? "" : ",") + values[random() % kinds];
      text += random() % 20 == 0 ? "\n\n" : line_end;
    }
    write("gp.csv", text);
    job_.extracts = {extract("gp", {"gp.csv"})};
    job_.max_record_bytes = 200 + random() % 400;
    const Outcome plain = expected(text);
    for (const std::size_t block : {std::size_t{8} << 20, 1 + random() % 50, 1 + random() % 500}) {
      const Outcome found = read(tiny(block));
      ASSERT_EQ(found.rows, plain.rows) << "trial " << trial << ", blocks of " << block;
      ASSERT_EQ(found.quarantined, plain.quarantined) << "trial " << trial << ", blocks of " << block;
    }
  }
}

TEST_F(IntakeTest, DelimitersAndLineEndsDoNotChangeTheRows) {
  const std::string text = kHeader + ordinary_rows(20);
  std::vector<std::string> first;
  for (const char delimiter : {',', ';', '|', '\t'}) {
    for (const std::string line_end : {"\n", "\r\n", "\r"}) {
      std::string other;
      for (const char c : text)
        other += c == ',' ? std::string(1, delimiter) : c == '\n' ? line_end : std::string(1, c);
      write("gp.csv", other);
      job_.extracts = {extract("gp", {"gp.csv"})};
      job_.extracts[0].delimiter = delimiter;
      const Outcome outcome = read(tiny(100));
      if (first.empty()) first = outcome.rows;
      ASSERT_EQ(outcome.rows.size(), 20U);
      ASSERT_EQ(outcome.rows, first);
    }
  }
}

TEST_F(IntakeTest, ManySmallFilesAreReadInTheOrderOfTheirNames) {
  std::vector<std::string> ids;
  for (int f = 0; f < 120; ++f) {
    const std::string number = std::to_string(1000 + f), row = ",9434765919,31/12/1970,SW1A 1AA,1,,,,\n";
    const std::string text = kHeader + "a" + number + row + "b" + number + row;
    write("p" + number +
              (f % 3 == 0   ? ".csv.gz"
               : f % 3 == 1 ? ".csv.zst"
                            : ".csv"),
          f % 3 == 0   ? gzip(text, 1000)
          : f % 3 == 1 ? zstd(text, 1000)
                       : text);
    ids.push_back("a" + number);
    ids.push_back("b" + number);
  }
  job_.extracts = {extract("gp", {"p*"})};
  const Outcome outcome = read(), blocks = read(tiny(50));
  ASSERT_EQ(outcome.rows.size(), ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    EXPECT_TRUE(outcome.rows[i].starts_with(std::to_string(i / 2) + " " + ids[i] + " ")) << outcome.rows[i];
  }
  EXPECT_EQ(blocks.rows, outcome.rows);
}

TEST_F(IntakeTest, WithoutARowIdTheLineNumberServes) {
  write("a.csv", "nhs_number,gender\n9434765919,1\n\n\"9434765870\",\"x\ny\"\n9434765919,2\n");
  write("b.csv", "nhs_number,gender\n9434765870,2\n");
  Extract ae;
  ae.dataset = "ae";
  ae.files = {path("a.csv"), path("b.csv")};
  ae.columns.nhs_number = "nhs_number";
  ae.columns.gender = "gender";
  job_.extracts = {ae};
  for (const std::size_t block : {1U, 5U, 1000U}) {
    const Outcome outcome = read(tiny(block));
    ASSERT_EQ(outcome.rows.size(), 4U);
    EXPECT_TRUE(outcome.rows[0].starts_with("0 2 ")) << outcome.rows[0];
    EXPECT_TRUE(outcome.rows[1].starts_with("0 4 ")) << outcome.rows[1];
    EXPECT_TRUE(outcome.rows[2].starts_with("0 6 ")) << outcome.rows[2];
    EXPECT_TRUE(outcome.rows[3].starts_with("1 2 ")) << outcome.rows[3];
  }
}

TEST_F(IntakeTest, FileDigestsComeFromTheBytesAlone) {
  const std::string text = kHeader + ordinary_rows(500);
  write("a.csv", text);
  write("b.csv", text + "\n");
  write("c.csv.gz", gzip(text, 5000));
  job_.extracts = {extract("gp", {"a.csv", "b.csv", "c.csv.gz"})};
  const Outcome blocks_at_once = read({1024, 0});
  const std::vector<Digest> split = blocks_at_once.digests, whole = read({1024, 1U << 20}).digests;
  EXPECT_EQ(split, whole);
  for (const std::size_t piece : {100U, 512U, 1000U}) {  // where memory is short
    const Outcome pieces = read({1024, 0, piece}), files = read({1024, 1U << 20, piece});
    EXPECT_EQ(pieces.digests, whole) << piece;
    EXPECT_EQ(files.digests, whole) << piece;
    EXPECT_EQ(pieces.rows, blocks_at_once.rows) << piece;
    EXPECT_EQ(files.rows, blocks_at_once.rows) << piece;
  }
  EXPECT_NE(whole[0], whole[1]);
  std::vector<Digest> blocks;
  for (std::size_t at = 0; at < text.size(); at += 1024) {
    blocks.push_back(digest(std::as_bytes(std::span(text)).subspan(at, std::min<std::size_t>(1024, text.size() - at))));
  }
  EXPECT_EQ(whole[0], digest(std::as_bytes(std::span(blocks))));
}

// What reading the job's files ends with, where the file named so is changed once the first rows of it have come.
std::string failure_when_changed(const Communicator& comm, const JobFile& job, const std::string& path,
                                 const std::function<void()>& change) {
  IntakeTuning tuning;
  tuning.whole_file_bytes = 0;
  tuning.piece_bytes = tuning.block_bytes = std::size_t{1} << 12;
  const Inputs inputs = find_inputs(comm, job);
  bool is_changed = false;
  const auto consume = [&](const RowBlock&) {
    if (comm.is_root() && !std::exchange(is_changed, true)) change();
  };
  try {
    read_extracts(
        comm, job, inputs, {}, [] {}, consume, [](std::uint64_t) {}, tuning);
  } catch (const Error& error) {
    const std::string message = error.what();
    return message.find(path) == std::string::npos ? "" : message;
  }
  return "";
}

TEST_F(IntakeTest, AFileThatChangesWhileItIsReadEndsTheJobOnEveryRank) {
  std::string text = kHeader;
  for (int i = 0; i < 5'000; ++i) text += "r" + std::to_string(i) + ",,1950-02-03,LS1 1AA,1,2014-01-01,A,x,1\n";
  write("same.csv", text);
  job_.extracts = {extract("gp", {"same.csv"})};
  const auto failure = [&](const char* name, const std::function<void()>& change) {
    job_.extracts = {extract("gp", {name})};
    const std::string message = failure_when_changed(comm_, job_, path(name), change);
    comm_.barrier();
    return message;
  };
  EXPECT_EQ(failure("same.csv", [] {}), "");
  EXPECT_NE(failure("same.csv",
                    [&] {
                      // Time goes on a second, and not only what it is between two ticks of the system.
                      const std::filesystem::path same = path("same.csv");
                      std::filesystem::last_write_time(same, std::filesystem::last_write_time(same) + 1s);
                    }),
            "");
  if (comm_.size() > 1) return;  // a rank fails alone where the file's end is not where it was
  write("more.csv.gz", gzip(text, text.size()));
  EXPECT_NE(failure("more.csv.gz",
                    [&] {
                      const std::string member = gzip(text, text.size());
                      const File file = File::open_update(path("more.csv.gz"));
                      file.write_at(file.size(), std::as_bytes(std::span(member)));
                    }),
            "");
}

TEST_F(IntakeTest, ABrokenCompressedFileEndsTheJobWithItsName) {
  if (comm_.size() > 1) GTEST_SKIP() << "the rank that finds it ends the job alone";
  const std::string text = kHeader + ordinary_rows(5000);
  for (const std::string name : {"t.csv.gz", "t.csv.zst"}) {
    std::string packed = name.ends_with(".gz") ? gzip(text, text.size()) : zstd(text, text.size());
    job_.extracts = {extract("gp", {name})};
    for (const bool truncated : {true, false}) {
      std::string broken = packed;
      if (truncated) {
        broken.resize(packed.size() - 5);
      } else {
        for (std::size_t i = packed.size() / 2; i < packed.size() / 2 + 40; ++i) broken[i] = '\x77';
      }
      write(name, broken);
      for (const IntakeTuning& tuning : {IntakeTuning{8U << 20, 0}, IntakeTuning{8U << 20, 1U << 20}}) {
        try {
          read(tuning);
          ADD_FAILURE() << name << " was read";
        } catch (const Error& error) {
          EXPECT_EQ(error.exit_code(), kExitFailed);
          EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
        }
      }
    }
  }
}

}  // namespace
}  // namespace ligature
