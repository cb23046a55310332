// What the tests of intake share: a folder of extracts seen by all ranks, and what intake makes of them as text.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "io/files.hpp"
#include "io/intake.hpp"
#include "io/share_reader.hpp"
#include "tests/plain_csv_reader.hpp"

namespace ligature::testing {

inline constexpr std::uint64_t kNhs = 9434765919, kOtherNhs = 9434765870;  // check digits are right
inline const std::string kHeader =
    "record_id,nhs_number,date_of_birth,postcode,gender,event_date,practice,code,value\n";

inline DayNumber day(int year, int month, int d) {
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
  Outcome expected(const std::string& bytes) const;

  std::string row_text(const RowBlock& block, const DatasetSchema& schema, std::size_t row,
                       std::uint64_t first_line) const;

  Communicator comm_;
  std::filesystem::path folder_;
  JobFile job_;
  RowRules rules_;
};

inline std::string identity_text(const Identity& identity) {
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

inline std::string payload_text(const RowBlock& block, const DatasetSchema& schema, std::size_t row) {
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

inline std::string IntakeTest::row_text(const RowBlock& block, const DatasetSchema& schema, std::size_t row,
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
inline std::vector<std::string> gather(const Communicator& comm, const std::vector<std::string>& texts) {
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

inline IntakeTest::Outcome IntakeTest::read(const RowRules& rules, const IntakeTuning& tuning) {
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
  LinesBefore lines = report.lines_before;
  for (const RowBlock& block : blocks) {
    std::uint64_t& line = lines[block.file];
    const DatasetSchema& schema = inputs.datasets[inputs.files[block.file].dataset];
    EXPECT_EQ(block.payload.size(), block.identities.size() * schema.payload_bytes);
    EXPECT_EQ(block.extracted.size(), rules.bind_persons ? block.identities.size() : 0);
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

inline IntakeTest::Outcome IntakeTest::expected(const std::string& bytes) const {
  const std::string text = bytes.starts_with("\xEF\xBB\xBF") ? bytes.substr(3) : bytes;
  const PlainReading reading = read_plainly(text, ',', job_.max_record_bytes);
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
    const auto category = [&](const std::string& value) {
      return trimmed(value).empty() ? std::string("-") : trimmed(value);
    };
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

}  // namespace ligature::testing
