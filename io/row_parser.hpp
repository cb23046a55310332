// From the fields of records to identities and payload, or to the reasons why rows are not kept.
//
// Rows are taken many at a time, a column after the other: the same few instructions run over many fields.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/nhs_directory.hpp"
#include "io/csv.hpp"
#include "io/header.hpp"
#include "io/identity_column.hpp"
#include "io/intake.hpp"
#include "io/string_codes.hpp"

namespace ligature {

// The numbers of which a table has something to say, superseded ones and those with an objection of type 1, so that one
// look, and one cache miss, tells that of nearly every row there is nothing.
NhsFilter numbers_spoken_of(const RowRules& rules);

// What the rows of one file have in common; outlives the parsers that read it.
struct FileContext {
  std::uint32_t file = 0;
  const InputFile* input = nullptr;
  const Extract* extract = nullptr;
  const DatasetSchema* schema = nullptr;
  const RowRules* rules = nullptr;
  const NhsFilter* spoken_of = nullptr;  // numbers_spoken_of(rules); null only where rules have no table
  AfterOptOut after_opt_out = AfterOptOut::keep_earlier;
  std::uint64_t max_record_bytes = 0;
  Header header;
  ColumnLayout layout;
};

// Builds the RowBlock of successive records of one file.
class RowParser final : public RecordSink {
 public:
  // expected_bytes: of input, to reserve memory by.  recycled: a block whose memory is used again.  Throws Error if the
  // file's rules have a table and its numbers are not listed.
  RowParser(const FileContext& file, std::size_t expected_bytes, RowBlock&& recycled = {});

  void row(std::span<const std::string_view> fields, std::uint64_t offset, std::uint64_t lines) override;
  void run(const RecordRun& records) override;
  void bad(QuarantineReason reason, std::uint64_t lines) override;
  void line_ends(std::uint64_t lines) override { block_.lines += lines; }

  RowBlock take();

 private:
  using Texts = std::span<const std::string_view>;

  // Takes the rows that rows_ lists of a source.  Source: field, fields and offset as RecordRun has them.
  template <typename Source>
  void add_rows(const Source& source);
  template <typename Source>
  Texts column(const Source& source, std::uint32_t column, std::vector<std::string_view>& texts) const;
  template <typename Source>
  void leave_out_objectors(const Source& source);
  void list_spoken_of();
  void replace_superseded(const SupersessionTable& superseded);
  template <typename Source>
  void note_coded_objections(const Source& source);
  template <typename Source>
  void note_barred(const Source& source, std::uint32_t row, std::uint64_t nhs, DayNumber extracted);
  template <typename Source>
  void add_identities(const Source& source);
  template <typename Source>
  void add_payload(const Source& source);
  template <typename Source>
  void add_origins(const Source& source);
  void count_providers();
  template <typename Source>
  Identity alone(const Source& source, std::size_t place);
  [[nodiscard]] IdentifierColumns identifiers() const noexcept {
    return {numbers_.data(), births_.data(), postcodes_.data(), genders_.data()};
  }
  DayNumber extract_date(std::string_view text);
  void add_row_ids(Texts ids);
  void add_local_keys(Texts providers, Texts ids);
  std::uint64_t store_column(const PayloadField& field, StringCodes& codes, std::byte* at);

  const FileContext& file_;
  RowBlock block_;
  std::vector<StringCodes> codes_;  // per payload field
  std::size_t provider_field_;      // of the payload; the number of fields if there is none
  std::string extracted_text_;      // the last date of extraction, which all rows of an upload share
  DayNumber extracted_day_ = kMissingDay;

  // Of the rows that are being added, one entry a row.
  std::vector<std::uint32_t> rows_;
  std::vector<std::uint32_t> asked_, replaced_;  // places among them, ascending
  std::vector<std::string_view> texts_, more_texts_;
  std::vector<DayNumber> extracted_, days_;
  std::vector<NhsNumber> numbers_;
  std::vector<Birth> births_;
  std::vector<Postcode> postcodes_;
  std::vector<Gender> genders_;
  std::vector<std::uint64_t> standing_;  // how its identifiers stand
};

}  // namespace ligature
