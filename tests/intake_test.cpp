// Intake: the rows of extracts do not depend on ranks, blocks or compression, and bad rows are named exactly.
#include "io/intake.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <random>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "engine/error.hpp"
#include "io/files.hpp"
#include "io/share_reader.hpp"
#include "tests/plain_csv_reader.hpp"

namespace ligature {
namespace {

using testing::PlainReading;
using testing::PlainRecord;
using testing::read_plainly;
using namespace std::string_literals;

constexpr std::uint64_t kNhs = 9434765919, kOtherNhs = 9434765870;  // check digits are right
const std::string kHeader = "record_id,nhs_number,date_of_birth,postcode,gender,event_date,practice,code,value\n";

DayNumber day(int year, int month, int d) {
  return day_number({year, month, d}).value();
}

// A folder of this test and this number of ranks; files are written by rank 0 and seen by all.
class IntakeTest : public ::testing::Test {
 protected:
  IntakeTest() : comm_(Communicator::world()) {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              ("ligature_intake_" + std::string(test->name()) + "_" + std::to_string(comm_.size()));
    if (comm_.is_root()) {
      std::filesystem::remove_all(folder_);
      std::filesystem::create_directories(folder_);
    }
    comm_.barrier();
    job_.max_record_bytes = 300;
  }
  ~IntakeTest() override {
    comm_.barrier();
    if (comm_.is_root()) std::filesystem::remove_all(folder_);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  void write(const std::string& name, const std::string& bytes) {
    if (comm_.is_root()) {
      File::create(path(name), 0600).write_at(0, std::as_bytes(std::span(bytes)));
    }
    comm_.barrier();
  }

  // An extract with every kind of column.
  Extract extract(const std::string& dataset, std::vector<std::string> names) const {
    Extract extract;
    extract.dataset = dataset;
    for (const std::string& name : names) extract.files.push_back(path(name));
    extract.columns.row_id = "record_id";
    extract.columns.nhs_number = "nhs_number";
    extract.columns.date_of_birth = "date_of_birth";
    extract.columns.postcode = "postcode";
    extract.columns.gender = "gender";
    extract.columns.event_date = "event_date";
    extract.columns.provider = "practice";
    extract.keep = {{"code", ColumnType::category}, {"value", ColumnType::int16}};
    return extract;
  }

  // What intake says of the job's files, gathered from all ranks in rank order: the same text for the same content.
  struct Outcome {
    std::vector<std::string> rows;         // "file line|id identity payload"
    std::vector<std::string> quarantined;  // "file line reason"
    RowCounts counts;
    std::vector<Digest> digests;
    std::uint64_t restarts = 0;  // over all ranks, beside the one that each begins with
  };
  Outcome read(const IntakeTuning& tuning = {}) { return read(rules_, tuning); }
  Outcome read(const RowRules& rules, const IntakeTuning& tuning);

  // The same from the plain reader, for a single plain file with all columns, without rules.
  Outcome expected(const std::string& name, const std::string& bytes, char delimiter = ',') const;

  std::string row_text(const RowBlock& block, const DatasetSchema& schema, std::size_t row,
                       std::uint64_t first_line) const;

  Communicator comm_;
  std::filesystem::path folder_;
  JobFile job_;
  RowRules rules_;
};

std::string identity_text(const Identity& identity) {
  std::ostringstream text;
  // The digest of a one-time identity is no matter here; what it keeps is.
  const bool one_time = identity.nhs_status() == NhsStatus::one_time;
  text << static_cast<int>(identity.nhs_status()) << ':' << (one_time ? 0 : identity.nhs()) << ':'
       << identity.date_of_birth() << ':' << identity.postcode() << ':' << static_cast<int>(identity.gender()) << ':'
       << static_cast<int>(identity.postcode_flag()) << ':' << identity.placeholder_birth();
  return text.str();
}

template <typename T>
T value_at(const RowBlock& block, std::size_t at) {
  T value;
  std::memcpy(&value, block.payload.data() + at, sizeof value);
  return value;
}

std::string payload_text(const RowBlock& block, const DatasetSchema& schema, std::size_t row) {
  std::ostringstream text;
  for (std::size_t f = 0; f < schema.fields.size(); ++f) {
    const PayloadField& field = schema.fields[f];
    const std::size_t at = row * schema.payload_bytes + field.offset;
    text << ' ' << field.name << '=';
    if (field.type == ColumnType::date) text << value_at<DayNumber>(block, at);
    if (field.type == ColumnType::int8) text << static_cast<int>(value_at<std::int8_t>(block, at));
    if (field.type == ColumnType::int16) text << value_at<std::int16_t>(block, at);
    if (field.type == ColumnType::int32) text << value_at<std::int32_t>(block, at);
    if (field.type == ColumnType::int64) text << value_at<std::int64_t>(block, at);
    if (field.type == ColumnType::float32) text << value_at<float>(block, at);
    if (field.type == ColumnType::float64) text << value_at<double>(block, at);
    if (field.type == ColumnType::category) {
      const auto code = value_at<std::uint32_t>(block, at);
      text << (code == kMissingCategory ? "-" : block.dictionaries.at(f).at(code));
    }
  }
  return text.str();
}

std::string IntakeTest::row_text(const RowBlock& block, const DatasetSchema& schema, std::size_t row,
                                 std::uint64_t first_line) const {
  std::string id;
  if (schema.has_row_id) {
    const std::uint32_t begin = row == 0 ? 0 : block.row_id_end[row - 1];
    id.assign(block.row_ids.begin() + begin, block.row_ids.begin() + block.row_id_end[row]);
  } else {
    id = std::to_string(first_line + block.row_line[row] + 1);
  }
  return std::to_string(block.file) + " " + id + " " + identity_text(block.identities[row]) +
         payload_text(block, schema, row);
}

// Every rank's texts in rank order; a text may hold any byte.
std::vector<std::string> gather(const Communicator& comm, const std::vector<std::string>& texts) {
  std::vector<std::byte> bytes;
  for (const std::string& text : texts) {
    const std::uint64_t size = text.size();
    const auto head = std::as_bytes(std::span(&size, 1)), body = std::as_bytes(std::span(text));
    bytes.insert(bytes.end(), head.begin(), head.end());
    bytes.insert(bytes.end(), body.begin(), body.end());
  }
  const std::vector<std::byte> all = comm.all_gather_bytes(bytes);
  std::vector<std::string> result;
  for (std::size_t at = 0; at < all.size();) {
    std::uint64_t size = 0;
    std::memcpy(&size, all.data() + at, sizeof size);
    at += sizeof size;
    result.emplace_back(reinterpret_cast<const char*>(all.data()) + at, size);
    at += size;
  }
  return result;
}

IntakeTest::Outcome IntakeTest::read(const RowRules& rules, const IntakeTuning& tuning) {
  const Inputs inputs = find_inputs(comm_, job_);
  std::vector<RowBlock> blocks;
  std::uint64_t restarts = 0;
  const IntakeReport report = read_extracts(
      comm_, job_, inputs, rules,
      [&] {
        blocks.clear();
        ++restarts;
      },
      [&](RowBlock&& block) { blocks.push_back(std::move(block)); }, [](std::uint64_t) {}, tuning);

  std::vector<std::string> rows, quarantined;
  std::uint64_t line = report.lines_before_first_file;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const RowBlock& block = blocks[b];
    if (b != 0 && block.file != blocks[b - 1].file) line = 0;
    const DatasetSchema& schema = inputs.datasets[inputs.files[block.file].dataset];
    EXPECT_EQ(block.payload.size(), block.identities.size() * schema.payload_bytes);
    for (std::size_t row = 0; row < block.identities.size(); ++row) {
      rows.push_back(row_text(block, schema, row, line));
    }
    for (const QuarantinedRow& bad : block.quarantined) {
      quarantined.push_back(std::to_string(block.file) + " " + std::to_string(line + bad.line + 1) + " " +
                            std::string(quarantine_reason_name(bad.reason)));
    }
    line += block.lines;
  }
  Outcome outcome;
  outcome.rows = gather(comm_, rows);
  outcome.quarantined = gather(comm_, quarantined);
  outcome.restarts = comm_.sum(restarts - 1);
  std::array<std::uint64_t, kRowCounters> sum{};
  for (const FileReport& file : report.files) {
    outcome.digests.push_back(file.digest);
    const auto counters = std::bit_cast<std::array<std::uint64_t, kRowCounters>>(file.counts);
    for (std::size_t i = 0; i < kRowCounters; ++i) sum[i] += counters[i];
  }
  outcome.counts = std::bit_cast<RowCounts>(sum);
  std::uint64_t bad = 0;
  for (const std::uint64_t count : outcome.counts.quarantined) bad += count;
  EXPECT_EQ(outcome.counts.read, outcome.counts.kept + outcome.counts.opted_out + bad);
  EXPECT_EQ(outcome.counts.kept, outcome.rows.size());
  EXPECT_EQ(bad, outcome.quarantined.size());
  return outcome;
}

IntakeTest::Outcome IntakeTest::expected(const std::string&, const std::string& bytes, char delimiter) const {
  const std::string text = bytes.starts_with("\xEF\xBB\xBF") ? bytes.substr(3) : bytes;
  const PlainReading reading = read_plainly(text, delimiter, job_.max_record_bytes);
  Outcome outcome;
  for (std::size_t r = 1; r < reading.records.size(); ++r) {
    const PlainRecord& record = reading.records[r];
    const bool fits = record.good && record.fields.size() == reading.records[0].fields.size();
    if (!fits) {
      const QuarantineReason reason = record.good ? QuarantineReason::column_count : record.reason;
      outcome.quarantined.push_back("0 " + std::to_string(record.line + 1) + " " +
                                    std::string(quarantine_reason_name(reason)));
      continue;
    }
    IdentityFields identity;
    identity.nhs = standardise_nhs_number(record.fields[1]);
    standardise_birth(record.fields[2], 65535, identity);
    identity.postcode = standardise_postcode(record.fields[3]);
    identity.gender = standardise_gender(record.fields[4]);
    const Identity packed = is_linkable(identity) ? pack(identity) : one_time_identity(identity, 0);
    const auto trimmed = [](std::string value) {
      value.erase(0, value.find_first_not_of(" \t"));
      value.erase(value.find_last_not_of(" \t") + 1);
      return value;
    };
    const auto category = [&](const std::string& value) { return trimmed(value).empty() ? "-"s : trimmed(value); };
    const auto date = parse_date(trimmed(record.fields[5]));
    std::istringstream number(trimmed(record.fields[8]));
    int value = 0;
    const bool whole = !!(number >> value) && number.eof() && std::abs(value) < 32768;
    outcome.rows.push_back("0 " + record.fields[0] + " " + identity_text(packed) +
                           " event_date=" + std::to_string(date ? day_number(*date).value_or(0) : 0) +
                           " provider=" + category(record.fields[6]) + " code=" + category(record.fields[7]) +
                           " value=" + std::to_string(whole ? value : -32768));
  }
  return outcome;
}

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

// The message of the UsageError that find_inputs ends with, on every rank alike.
std::string mistakes(const Communicator& comm, const JobFile& job) {
  try {
    find_inputs(comm, job);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
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
  const Outcome plain = expected("gp.csv", text), whole = read();
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
  const Outcome plain = expected("gp.csv", text);
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

TEST_F(IntakeTest, QuotedTextThatLooksLikeRowsDoesNotDeceiveARankThatBeginsInIt) {
  // Inside the quotes stand complete rows: whoever begins there guesses wrong and must read again.
  std::string text = kHeader;
  job_.max_record_bytes = 100'000;
  for (int i = 0; i < 6; ++i) {
    text += "q" + std::to_string(i) + ",9434765919,1970-12-31,SW1A 1AA,1,2014-04-01,A81001,\"\n" + ordinary_rows(40) +
            "\",1\n";
  }
  write("gp.csv", text);
  job_.extracts = {extract("gp", {"gp.csv"})};
  const Outcome plain = expected("gp.csv", text);
  ASSERT_EQ(plain.rows.size(), 6U);
  std::uint64_t restarts = 0;
  for (const std::size_t block : {64U, 1000U, 1371U, 5000U}) {
    const Outcome cut = read(tiny(block));
    ASSERT_EQ(cut.rows, plain.rows) << "blocks of " << block;
    restarts += cut.restarts;
  }
  EXPECT_EQ(restarts > 0, comm_.size() > 1);
}

TEST_F(IntakeTest, AnOrdinaryExtractIsReadOnceWhereverItIsCut) {
  const std::string text = kHeader + ordinary_rows(300);
  write("gp.csv", text);
  job_.extracts = {extract("gp", {"gp.csv"})};
  const Outcome plain = expected("gp.csv", text);
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
    const Outcome plain = expected("gp.csv", text);
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

TEST_F(IntakeTest, ExtractsOfOneDatasetShareAPayloadThatHasAllTheirColumns) {
  write("old.csv", "nhs_number,code\n9434765919,a\n");
  write("new.csv", "code,nhs_number,seen,practice\nb,9434765870,2014-04-02,A81001\n");
  Extract old_one, new_one;
  old_one.dataset = new_one.dataset = "op";
  old_one.files = {path("old.csv")};
  new_one.files = {path("new.csv")};
  old_one.columns.nhs_number = new_one.columns.nhs_number = "nhs_number";
  old_one.keep = new_one.keep = {{"code", ColumnType::category}};
  new_one.columns.event_date = "seen";
  new_one.columns.provider = "practice";
  new_one.columns.row_id = "code";
  job_.extracts = {old_one, new_one};
  const Inputs inputs = find_inputs(comm_, job_);
  ASSERT_EQ(inputs.datasets.size(), 1U);
  EXPECT_FALSE(inputs.datasets[0].has_row_id);  // one of the extracts has none
  const Outcome outcome = read();
  ASSERT_EQ(outcome.rows.size(), 2U);
  EXPECT_TRUE(outcome.rows[0].ends_with("event_date=0 provider=- code=a")) << outcome.rows[0];
  EXPECT_TRUE(outcome.rows[1].ends_with("event_date=" + std::to_string(day(2014, 4, 2)) + " provider=A81001 code=b"));
}

TEST_F(IntakeTest, KeptValuesAreTypedAndWhatIsNotUnderstoodIsMissingAndCounted) {
  write("v.csv",
        "nhs_number,a,b,c,d,e,f\n"
        "9434765919,127,+5,-2147483647,9223372036854775807,1.5,-2e300\n"
        "9434765919,128,-32768,1.0,x,1e40,nan\n"
        "9434765919,,,,,,\n"
        "9434765919, 1 ,--1,+-1,0x1,inf,\" \"\n");
  Extract ip;
  ip.dataset = "ip";
  ip.files = {path("v.csv")};
  ip.columns.nhs_number = "nhs_number";
  ip.keep = {{"a", ColumnType::int8},  {"b", ColumnType::int16},   {"c", ColumnType::int32},
             {"d", ColumnType::int64}, {"e", ColumnType::float32}, {"f", ColumnType::float64}};
  job_.extracts = {ip};
  const Outcome outcome = read();
  ASSERT_EQ(outcome.rows.size(), 4U);
  const std::string missing = "a=-128 b=-32768 c=-2147483648 d=-9223372036854775808 e=nan f=nan";
  EXPECT_TRUE(outcome.rows[0].ends_with("a=127 b=5 c=-2147483647 d=9223372036854775807 e=1.5 f=-2e+300"))
      << outcome.rows[0];
  EXPECT_TRUE(outcome.rows[1].ends_with(missing)) << outcome.rows[1];
  EXPECT_TRUE(outcome.rows[2].ends_with(missing)) << outcome.rows[2];
  EXPECT_TRUE(outcome.rows[3].ends_with("a=1 " + missing.substr(7))) << outcome.rows[3];
  EXPECT_EQ(outcome.counts.values_not_understood, 6U + 0U + 4U);
}

TEST_F(IntakeTest, SupersededNumbersAreReplacedAndObjectionsBarRows) {
  const std::string row = ",,,,,,,\n";
  write("gp.csv", kHeader + "keep,9434765919" + row + "old,9434765870" + row + "none," + row);
  const SupersessionTable superseded({{kOtherNhs, kNhs}});
  RowRules rules;
  rules.superseded = &superseded;
  job_.extracts = {extract("gp", {"gp.csv"})};
  const Outcome replaced = read(rules, {});
  ASSERT_EQ(replaced.rows.size(), 3U);
  EXPECT_EQ(replaced.counts.nhs_superseded, 1U);
  EXPECT_NE(replaced.rows[1].find(std::to_string(kNhs)), std::string::npos);

  const ObjectionLedger objections({{kNhs, day(2014, 1, 1), ObjectionKind::type1, false}});
  rules.objections = &objections;
  const Outcome barred = read(rules, {});
  EXPECT_EQ(barred.counts.opted_out, 2U);  // under its current number the old row is barred too
  EXPECT_EQ(barred.counts.kept, 1U);
  EXPECT_EQ(barred.counts.nhs_superseded, 0U);
}

TEST_F(IntakeTest, AnObjectionBarsWhatWasExtractedWhileItStood) {
  write("gp.csv", "nhs_number,taken\n9434765919,2013-06-01\n9434765919,2014-06-01\n9434765919,\n9434765919,soon\n");
  Extract gp;
  gp.dataset = "gp";
  gp.files = {path("gp.csv")};
  gp.columns.nhs_number = "nhs_number";
  gp.columns.extracted = "taken";
  const ObjectionLedger objections({{kNhs, day(2014, 1, 1), ObjectionKind::type1, false}});
  RowRules rules;
  rules.objections = &objections;
  rules.as_at = day(2014, 12, 31);
  job_.extracts = {gp};
  EXPECT_EQ(read(rules, {}).counts.opted_out, 3U);  // without a date the day of the run counts
  job_.extracts[0].extracted = day(2013, 12, 31);
  EXPECT_EQ(read(rules, {}).counts.opted_out, 1U);  // without a date the extract's own counts
  job_.after_opt_out = AfterOptOut::withdraw;
  EXPECT_EQ(read(rules, {}).counts.opted_out, 4U);
}

TEST_F(IntakeTest, ABirthAfterTheExtractIsMissing) {
  write("gp.csv", "date_of_birth,nhs_number\n2014-03-01,9434765919\n2014-05-01,9434765919\n");
  Extract gp;
  gp.dataset = "gp";
  gp.files = {path("gp.csv")};
  gp.columns.nhs_number = "nhs_number";
  gp.columns.date_of_birth = "date_of_birth";
  gp.extracted = day(2014, 4, 1);
  job_.extracts = {gp};
  const Outcome outcome = read();
  EXPECT_EQ(outcome.counts.birth_missing, 1U);
  EXPECT_EQ(outcome.counts.kept, 2U);
}

// The identities of a file's rows that cannot be linked.
std::vector<Identity> one_time_identities(const Communicator& comm, const JobFile& job) {
  const Inputs inputs = find_inputs(comm, job);
  std::vector<Identity> mine;
  read_extracts(
      comm, job, inputs, {}, [&] { mine.clear(); },
      [&](RowBlock&& block) { mine.insert(mine.end(), block.identities.begin(), block.identities.end()); },
      [](std::uint64_t) {});
  return comm.all_gather(std::span<const Identity>(mine));
}

TEST_F(IntakeTest, RowsThatCannotBeLinkedStandAloneUnlessTheyAreOneRowSentTwice) {
  write("gp.csv", kHeader +
                      "r1,,1970-12-31,,1,2014-04-01,A81001,x,1\n"
                      "r2,,1970-12-31,,1,2014-04-01,A81001,x,1\n"
                      "r1,,1970-12-31,,1,2014-04-01,A81001,x,1\n"
                      "r1,,1970-12-31,,1,2014-04-02,A81001,x,1\n"
                      ",,1970-12-31,,1,2014-04-01,A81001,x,1\n"
                      ",,1970-12-31,,1,2014-04-01,A81001,x,1\n");
  job_.extracts = {extract("gp", {"gp.csv"})};
  const std::vector<Identity> with_ids = one_time_identities(comm_, job_);
  ASSERT_EQ(with_ids.size(), 6U);
  EXPECT_EQ(with_ids[0], with_ids[2]);
  EXPECT_NE(with_ids[0], with_ids[1]);
  EXPECT_NE(with_ids[0], with_ids[3]);
  EXPECT_NE(with_ids[4], with_ids[5]);  // no id: the place in the file tells them apart
  job_.extracts[0].columns.row_id.reset();
  const std::vector<Identity> without_ids = one_time_identities(comm_, job_);
  for (std::size_t i = 0; i < without_ids.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(without_ids[i], without_ids[j]);
  }
}

TEST_F(IntakeTest, FileDigestsComeFromTheBytesAlone) {
  const std::string text = kHeader + ordinary_rows(500);
  write("a.csv", text);
  write("b.csv", text + "\n");
  write("c.csv.gz", gzip(text, 5000));
  job_.extracts = {extract("gp", {"a.csv", "b.csv", "c.csv.gz"})};
  const std::vector<Digest> split = read({1024, 0}).digests, whole = read({1024, 1U << 20}).digests;
  EXPECT_EQ(split, whole);
  EXPECT_NE(whole[0], whole[1]);
  std::vector<Digest> blocks;
  for (std::size_t at = 0; at < text.size(); at += 1024) {
    blocks.push_back(digest(std::as_bytes(std::span(text)).subspan(at, std::min<std::size_t>(1024, text.size() - at))));
  }
  EXPECT_EQ(whole[0], digest(std::as_bytes(std::span(blocks))));
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

TEST_F(IntakeTest, AllMistakesOfAllFilesAreToldBeforeAnyWork) {
  write("empty.csv", "");
  write("renamed.csv", "record_id,nhs_no,date_of_birth,postcode,gender,event_date,practice,code,code,value\n");
  write("wide.csv", kHeader);
  write("utf16.csv", "\xFF\xFEr\0"s);
  write("blank.csv", "\n\n");
  job_.extracts = {extract(
      "gp", {"empty.csv", "renamed.csv", "absent.csv", "none*.csv", "wide.csv", "wide*", "utf16.csv", "blank.csv"})};
  Extract tabs = extract("tabs", {"wide.csv"});
  tabs.delimiter = '\t';
  job_.extracts.push_back(tabs);
  const std::string text = mistakes(comm_, job_);
  for (const std::string part :
       {"empty.csv: the file is empty", "renamed.csv: no column \"nhs_number\" in the header; nearest: \"nhs_no\"",
        "renamed.csv: column \"code\" stands 2 times", "absent.csv: no such file", "none*.csv: no such file",
        "wide.csv: named twice", "utf16.csv: the file is UTF-16", "blank.csv: the file is empty",
        "wide.csv: the header is one column with delimiter \"\\t\"; is it \",\"?"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\nnot in\n" << text;
  }
}

TEST_F(IntakeTest, ManyMistakesAreCutShort) {
  for (int f = 0; f < 30; ++f) write(std::string("f").append(std::to_string(f)).append(".csv"), "x\n");
  job_.extracts = {extract("gp", {"f*.csv"})};
  const std::string text = mistakes(comm_, job_);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 20);
  EXPECT_NE(text.find("\nand "), std::string::npos);
}

TEST_F(IntakeTest, ReferenceFilesGiveTheirRowsAndCountTheMalformedOnes) {
  write("superseded.csv", "new_nhs_number,old_nhs_number\n9434765919,9434765870\n1,2\nbroken\n");
  write("objections.csv",
        "kind,nhs_number,date\ntype1,943 476 5870,2014-01-01\ntype1,9434765919,never\n9Nu1.,9434765919,01/06/2014\n"
        "sometimes,9434765919,2014-01-01\n\"open\n");
  write("practices.csv", "name,code\nA,A81002\nB, A81001 \nC,A81002\nD,\n");
  job_.superseded = path("superseded.csv");
  job_.practices = path("practices.csv");
  job_.objections = {path("obj*.csv")};
  ReferenceCounts counts;
  const SupersessionTable superseded = load_superseded(comm_, job_, counts);
  EXPECT_EQ(superseded.current(kOtherNhs), kNhs);
  EXPECT_EQ(counts.rows, 3U);
  EXPECT_EQ(counts.malformed, 2U);
  const ObjectionLedger objections = load_objections(comm_, job_, counts);
  EXPECT_EQ(counts.rows, 5U);
  EXPECT_EQ(counts.malformed, 3U);
  // The objection was made under the old number; it holds for the person.
  EXPECT_TRUE(objections.bars(kNhs, day(2014, 3, 1), AfterOptOut::keep_earlier));
  EXPECT_FALSE(objections.bars(kNhs, day(2014, 7, 1), AfterOptOut::keep_earlier));
  EXPECT_EQ(load_practices(comm_, job_, counts), (std::vector<std::string>{"A81001", "A81002"}));
  EXPECT_EQ(counts.malformed, 1U);
}

TEST_F(IntakeTest, AReferenceFileThatIsMissingOrLacksAColumnEndsTheJobOnEveryRank) {
  write("objections.csv", "nhs_number,kind\n");
  ReferenceCounts counts;
  job_.objections = {path("objections.csv")};
  EXPECT_THROW(load_objections(comm_, job_, counts), Error);
  job_.objections = {path("nowhere.csv")};
  EXPECT_THROW(load_objections(comm_, job_, counts), Error);
  job_.superseded = path("nowhere.csv");
  EXPECT_THROW(load_superseded(comm_, job_, counts), Error);
  job_.practices = path("nowhere.csv");
  EXPECT_THROW(load_practices(comm_, job_, counts), Error);
}

}  // namespace
}  // namespace ligature
