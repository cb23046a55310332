// From the fields of a record to its identity and payload, or to the reason why it is not kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/csv.hpp"
#include "io/header.hpp"
#include "io/intake.hpp"

namespace ligature {

// What the rows of one file have in common; outlives the parsers that read it.
struct FileContext {
  std::uint32_t file = 0;
  const InputFile* input = nullptr;
  const Extract* extract = nullptr;
  const DatasetSchema* schema = nullptr;
  const RowRules* rules = nullptr;
  AfterOptOut after_opt_out = AfterOptOut::keep_earlier;
  std::uint64_t max_record_bytes = 0;
  Header header;
  ColumnLayout layout;
};

// Values as codes in order of first appearance: an open-addressing table.  Values of up to seven bytes, which most
// codes are, are told apart in their slot; longer ones by XXH3 and then by comparison.
class StringCodes {
 public:
  std::uint32_t code(std::string_view value);
  std::vector<std::string> take() { return std::move(values_); }

 private:
  struct Slot {
    std::uint64_t key = 0;
    std::uint32_t code_and_one = 0;  // 0: free
  };
  std::size_t first_slot(std::uint64_t key) const noexcept;
  void grow();
  std::vector<Slot> slots_;  // a power of two of them, at most three quarters used
  std::vector<std::string> values_;
  std::uint64_t last_key_ = 0;  // neighbouring rows often agree
  std::uint32_t last_ = 0;
};

// Builds the RowBlock of a run of records of one file.
class RowParser final : public RecordSink {
 public:
  // expected_bytes: of input, to reserve memory by.
  RowParser(const FileContext& file, std::size_t expected_bytes);

  void row(std::span<const std::string_view> fields, std::uint64_t offset, std::uint64_t lines) override;
  void bad(QuarantineReason reason, std::uint64_t lines) override;
  void line_ends(std::uint64_t lines) override { block_.lines += lines; }

  RowBlock take();

 private:
  using Fields = std::span<const std::string_view>;
  void add_row(Fields fields, std::uint64_t offset);
  DayNumber extract_date(Fields fields);
  std::uint64_t row_digest(Fields fields, std::uint64_t offset, const Identity& identity) const;
  std::uint64_t local_key_of(Fields fields) const;
  void count_identifiers(const IdentityFields& identity);
  void add_payload(Fields fields);

  const FileContext& file_;
  RowBlock block_;
  std::vector<StringCodes> codes_;  // per payload field
  std::string extracted_text_;      // the last date of extraction, which all rows of an upload share
  DayNumber extracted_day_ = kMissingDay;
};

}  // namespace ligature
