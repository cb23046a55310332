#include "io/row_parser.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "engine/close_gaps.hpp"
#include "engine/column_chunk.hpp"
#include "engine/error.hpp"
#include "engine/field_text.hpp"
#include "engine/local_id.hpp"
#include "io/identifier_standing.hpp"

namespace ligature {

namespace {

constexpr DayNumber kLastDay = std::numeric_limits<DayNumber>::max();
constexpr std::size_t kGuessedRowBytes = 48;

std::string_view without_blanks(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The text of a column, empty if the extract has no such column.
template <typename Source>
std::string_view field_at(const Source& source, std::uint32_t row, std::uint32_t column) noexcept {
  return column == kNoColumn ? std::string_view{} : source.field(row, column);
}

// A source of a single row, whose fields had to be read with care.
struct SingleRow {
  std::span<const std::string_view> values;
  std::uint64_t begin = 0;
  [[nodiscard]] std::string_view field(std::size_t, std::size_t column) const noexcept { return values[column]; }
  void fields(std::span<const std::uint32_t> rows, std::size_t column, std::size_t, std::string_view* texts) const {
    if (!rows.empty()) *texts = values[column];
  }
  [[nodiscard]] std::uint64_t offset(std::size_t) const noexcept { return begin; }
};

template <typename T>
constexpr T missing_number() noexcept {
  if constexpr (std::is_floating_point_v<T>) {
    return std::numeric_limits<T>::quiet_NaN();
  } else {
    return std::numeric_limits<T>::min();
  }
}

// Reads a whole number or a finite decimal that T can hold; the value that means missing is not understood either.
template <typename T>
std::optional<T> parse_number(std::string_view text) noexcept {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) return std::nullopt;
  } else {
    if (value == missing_number<T>()) return std::nullopt;
  }
  return value;
}

template <typename T>
void store(T value, std::byte* at) noexcept {
  std::memcpy(at, &value, sizeof value);
}

// Stores a number or its missing value; returns false if text was there but not understood.
template <typename T>
bool store_number(std::string_view text, std::byte* at) noexcept {
  const std::optional<T> value = text.empty() ? std::nullopt : parse_number<T>(text);
  store(value.value_or(missing_number<T>()), at);
  return text.empty() || value.has_value();
}

// Stores a number of each text; returns how many texts were not understood.
template <typename T>
std::uint64_t store_numbers(std::span<const std::string_view> texts, std::byte* at, std::size_t stride) noexcept {
  std::uint64_t not_understood = 0;
  for (const std::string_view text : texts) {
    if (!store_number<T>(without_blanks(text), at)) ++not_understood;
    at += stride;
  }
  return not_understood;
}

}  // namespace

NhsFilter numbers_spoken_of(const RowRules& rules) {
  const auto for_each = [&](const auto& visit) {
    if (rules.superseded != nullptr) {
      for (const auto& [old_number, current] : rules.superseded->entries()) visit(old_number);
    }
    if (rules.objections == nullptr) return;
    for (const Preference& preference : rules.objections->preferences()) {
      if (preference.kind == ObjectionKind::type1) visit(preference.nhs);
    }
  };
  std::size_t numbers = 0;
  for_each([&](std::uint64_t) { ++numbers; });
  NhsFilter filter(numbers);
  for_each([&](std::uint64_t nhs) { filter.add(nhs); });
  return filter;
}

RowParser::RowParser(const FileContext& file, std::size_t expected_bytes, RowBlock&& recycled)
    : file_(file), block_(std::move(recycled)), codes_(file.schema->fields.size()) {
  const RowRules& rules = *file.rules;
  if (file.spoken_of == nullptr && (rules.objections != nullptr || rules.superseded != nullptr)) {
    throw Error("rows cannot be read by tables whose numbers are not listed");  // no objection would bar any
  }
  block_.clear();
  block_.file = file.file;
  const std::vector<PayloadField>& fields = file.schema->fields;
  provider_field_ = static_cast<std::size_t>(
      std::find_if(fields.begin(), fields.end(),
                   [](const PayloadField& field) { return field.role == PayloadField::Role::provider; }) -
      fields.begin());
  const std::size_t rows = expected_bytes / kGuessedRowBytes;
  block_.identities.reserve(rows);
  block_.payload.reserve(rows * file.schema->payload_bytes);
  if (file.schema->has_row_id) {
    block_.row_id_end.reserve(rows);
    block_.row_ids.reserve(rows * 8);
  } else {
    block_.row_line.reserve(rows);
  }
  if (file_.layout.local_id != kNoColumn) block_.local_keys.reserve(rows);
}

void RowParser::row(Texts fields, std::uint64_t offset, std::uint64_t lines) {
  if (fields.size() != file_.layout.columns) return bad(QuarantineReason::column_count, lines);
  ++block_.counts.read;
  rows_.assign(1, 0);
  add_rows(SingleRow{fields, offset});
  block_.lines += lines;
}

void RowParser::run(const RecordRun& records) {
  rows_.clear();
  for (std::uint32_t record = 0; record < records.size(); ++record) {
    if (records.columns(record) == file_.layout.columns && !records.is_blank(record)) {
      rows_.push_back(record);
    } else if (!records.is_blank(record)) {
      ++block_.counts.read;
      ++block_.counts.quarantined[static_cast<std::size_t>(QuarantineReason::column_count)];
      block_.quarantined.push_back({block_.lines + record, QuarantineReason::column_count});
    }
  }
  block_.counts.read += rows_.size();
  add_rows(records);
  block_.lines += records.size();
}

void RowParser::bad(QuarantineReason reason, std::uint64_t lines) {
  ++block_.counts.read;
  ++block_.counts.quarantined[static_cast<std::size_t>(reason)];
  block_.quarantined.push_back({block_.lines, reason});
  block_.lines += lines;
}

template <typename Source>
void RowParser::add_rows(const Source& source) {
  leave_out_objectors(source);
  if (rows_.empty()) return;  // a block may have no payload yet, and then none to point into
  if (file_.rules->bind_persons) block_.extracted.insert(block_.extracted.end(), extracted_.begin(), extracted_.end());
  add_identities(source);
  add_payload(source);
  add_origins(source);
  count_providers();
  block_.counts.kept += rows_.size();
}

// The fields of one column, empty if the extract has no such column.
template <typename Source>
RowParser::Texts RowParser::column(const Source& source, std::uint32_t column,
                                   std::vector<std::string_view>& texts) const {
  texts.resize(rows_.size());
  if (column == kNoColumn) {
    std::fill(texts.begin(), texts.end(), std::string_view());
  } else {
    source.fields(rows_, column, file_.layout.columns, texts.data());
  }
  return texts;
}

// The date that the extract was taken on: its column, else the job file's word, else the day of the run.
DayNumber RowParser::extract_date(std::string_view text) {
  if (!text.empty() && text != extracted_text_) {
    extracted_text_ = text;
    const std::optional<CivilDate> date = parse_date(text);
    extracted_day_ = date ? day_number(*date).value_or(kMissingDay) : kMissingDay;
  }
  if (!text.empty() && extracted_day_ != kMissingDay) return extracted_day_;
  return file_.extract->extracted.value_or(file_.rules->as_at);
}

// Reads dates of extraction and NHS numbers, and takes the rows off the list that their persons object to.
template <typename Source>
void RowParser::leave_out_objectors(const Source& source) {
  const RowRules& rules = *file_.rules;
  if (file_.layout.objection_code != kNoColumn) note_coded_objections(source);
  extracted_.resize(rows_.size());
  if (file_.layout.extracted == kNoColumn) {
    std::fill(extracted_.begin(), extracted_.end(), extract_date({}));
  } else {
    const Texts texts = column(source, file_.layout.extracted, texts_);
    for (std::size_t i = 0; i < texts.size(); ++i) extracted_[i] = extract_date(texts[i]);
  }
  numbers_.resize(rows_.size());
  standardise_nhs_numbers(column(source, file_.layout.nhs_number, texts_), numbers_);
  replaced_.clear();
  if (file_.spoken_of == nullptr) return;
  list_spoken_of();
  if (rules.superseded != nullptr) replace_superseded(*rules.superseded);
  if (rules.objections == nullptr) return;
  const ObjectionLedger& ledger = *rules.objections;
  for (const std::uint32_t i : asked_) ledger.prefetch_bucket(numbers_[i].value);
  for (const std::uint32_t i : asked_) ledger.prefetch_entries(numbers_[i].value);
  std::erase_if(asked_, [&](std::uint32_t i) {
    return numbers_[i].status != NhsStatus::valid ||
           !ledger.bars(numbers_[i].value, extracted_[i], file_.after_opt_out);
  });
  for (const std::uint32_t i : asked_) {
    ++block_.counts.opted_out;
    if (std::binary_search(replaced_.begin(), replaced_.end(), i)) --block_.counts.nhs_superseded;
    if (rules.bind_persons) note_barred(source, rows_[i], numbers_[i].value, extracted_[i]);
  }
  close_gaps(rows_, asked_);
  close_gaps(extracted_, asked_);
  close_gaps(numbers_, asked_);
}

// Lists the rows whose number a table may have, which are few.  Without a branch, so that many cache misses are under
// way at once.
void RowParser::list_spoken_of() {
  const NhsFilter& spoken_of = *file_.spoken_of;
  asked_.resize(numbers_.size());
  const std::span<const NhsNumber> numbers = numbers_;
  std::uint32_t* next = asked_.data();
  for (std::uint32_t i = 0; i < numbers.size(); ++i) {
    *next = i;
    next += spoken_of.may_have(numbers[i].value) ? 1 : 0;
  }
  asked_.resize(static_cast<std::size_t>(next - asked_.data()));
}

void RowParser::replace_superseded(const SupersessionTable& superseded) {
  for (const std::uint32_t i : asked_) {
    if (numbers_[i].status != NhsStatus::valid) continue;
    const std::uint64_t written = std::exchange(numbers_[i].value, superseded.current(numbers_[i].value));
    if (numbers_[i].value != written) replaced_.push_back(i);
  }
  block_.counts.nhs_superseded += replaced_.size();
}

// Rows that state a preference by a code.  Hardly any does, so the rest of them is read only then.
template <typename Source>
void RowParser::note_coded_objections(const Source& source) {
  const Texts codes = column(source, file_.layout.objection_code, texts_);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    if (!parse_objection_kind(codes[i])) continue;
    CodedEntry& entry = block_.coded.emplace_back();
    entry.line = block_.lines + rows_[i];
    const std::string_view provider = without_blanks(field_at(source, rows_[i], file_.layout.provider));
    if (block_.coded_providers.empty() || block_.coded_providers.back() != provider) {
      block_.coded_providers.emplace_back(provider);
    }
    entry.provider = static_cast<std::uint32_t>(block_.coded_providers.size() - 1);
    // A preference is known of as late as its extract was taken, and not later.
    const DayNumber latest = extract_date(field_at(source, rows_[i], file_.layout.extracted));
    entry.read = read_preference(field_at(source, rows_[i], file_.layout.nhs_number), codes[i],
                                 field_at(source, rows_[i], file_.layout.objection_date), latest);
    if (file_.rules->superseded != nullptr && entry.read.preference.nhs != 0) {
      entry.read.preference.nhs = file_.rules->superseded->current(entry.read.preference.nhs);
    }
  }
}

// The identifiers of a barred row, and nothing else of it.
template <typename Source>
void RowParser::note_barred(const Source& source, std::uint32_t row, std::uint64_t nhs, DayNumber extracted) {
  const ColumnLayout& layout = file_.layout;
  IdentityFields fields;
  fields.nhs = {nhs, NhsStatus::valid};
  fields.postcode = standardise_postcode(field_at(source, row, layout.postcode));
  fields.gender = standardise_gender(field_at(source, row, layout.gender));
  standardise_birth(field_at(source, row, layout.date_of_birth), extracted == kMissingDay ? kLastDay : extracted,
                    fields);
  BarredRow& barred = block_.barred.emplace_back();
  barred.identity = pack(fields);
  if (layout.local_id == kNoColumn) return;
  const std::string_view local_id = field_at(source, row, layout.local_id);
  barred.local_key = layout.provider != kNoColumn
                         ? local_key(LocalIdScope::provider, field_at(source, row, layout.provider), local_id)
                         : local_key(LocalIdScope::dataset, file_.schema->name, local_id);
}

template <typename Source>
void RowParser::add_identities(const Source& source) {
  const ColumnLayout& layout = file_.layout;
  const std::size_t rows = rows_.size();
  for (DayNumber& day : extracted_) day = day == kMissingDay ? kLastDay : day;
  births_.resize(rows);
  postcodes_.resize(rows);
  genders_.resize(rows);
  standardise_births(column(source, layout.date_of_birth, texts_), extracted_, births_);
  standardise_postcodes(column(source, layout.postcode, texts_), postcodes_);
  standardise_genders(column(source, layout.gender, texts_), genders_);

  const std::size_t begin = block_.identities.size();
  block_.identities.resize(begin + rows);
  standing_.resize(rows);
  const IdentifierColumns columns = identifiers();
  for (std::size_t i = 0; i < rows; i += kChunkRows) {
    const std::size_t count = std::min(kChunkRows, rows - i);
    Identity* const identities = block_.identities.data() + begin + i;
    const std::uint64_t linkable = pack_identities(columns.from(i), count, identities, standing_.data() + i);
    for_each_unread(linkable, count, [&](std::size_t at) { identities[at] = alone(source, i + at); });
    static_assert(kChunkRows <= standing::kMostRows);
    standing::add(std::accumulate(standing_.begin() + static_cast<std::ptrdiff_t>(i),
                                  standing_.begin() + static_cast<std::ptrdiff_t>(i + count), std::uint64_t{0}),
                  standing::kOfRows, block_.counts);
  }
}

// The identity of a row that its identifiers do not tell from others.  Its digest differs between rows that are not
// one row sent twice; texts are length-prefixed, so no two lists of them run together.
template <typename Source>
Identity RowParser::alone(const Source& source, std::size_t place) {
  const std::uint32_t row = rows_[place];
  const IdentityFields identity = identifiers().row(place);
  std::string bytes;
  const auto add_number = [&](std::uint64_t value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  const auto add_text = [&](std::string_view text) {
    add_number(text.size());
    bytes.append(text);
  };
  add_text(file_.schema->name);
  const std::string_view id = field_at(source, row, file_.layout.row_id);
  if (id.empty()) {
    add_text(file_.input->path);
    add_number(source.offset(row));
  } else {
    add_text(id);
  }
  const Identity packed = pack(identity);
  add_number(packed.first);
  add_number(packed.second);
  for (const std::uint32_t column : file_.layout.payload) add_text(field_at(source, row, column));
  ++block_.counts.one_time;
  return one_time_identity(identity, linkage_key(std::as_bytes(std::span(bytes))));
}

template <typename Source>
void RowParser::add_payload(const Source& source) {
  const DatasetSchema& schema = *file_.schema;
  const std::size_t begin = block_.payload.size();
  block_.payload.resize(begin + rows_.size() * schema.payload_bytes);
  for (std::size_t i = 0; i < schema.fields.size(); ++i) {
    column(source, file_.layout.payload[i], texts_);
    block_.counts.values_not_understood +=
        store_column(schema.fields[i], codes_[i], block_.payload.data() + begin + schema.fields[i].offset);
  }
}

// Stores texts_ from `at` on, a value a row; returns how many were not understood.
std::uint64_t RowParser::store_column(const PayloadField& field, StringCodes& codes, std::byte* at) {
  const std::size_t stride = file_.schema->payload_bytes;
  switch (field.type) {
    case ColumnType::int8:
      return store_numbers<std::int8_t>(texts_, at, stride);
    case ColumnType::int16:
      return store_numbers<std::int16_t>(texts_, at, stride);
    case ColumnType::int32:
      return store_numbers<std::int32_t>(texts_, at, stride);
    case ColumnType::int64:
      return store_numbers<std::int64_t>(texts_, at, stride);
    case ColumnType::float32:
      return store_numbers<float>(texts_, at, stride);
    case ColumnType::float64:
      return store_numbers<double>(texts_, at, stride);
    case ColumnType::date: {
      std::uint64_t not_understood = 0;
      days_.resize(texts_.size());
      parse_days(texts_, days_);
      for (std::size_t i = 0; i < texts_.size(); ++i, at += stride) {
        store(days_[i], at);
        if (days_[i] == kMissingDay && !without_blanks(texts_[i]).empty()) ++not_understood;
      }
      return not_understood;
    }
    case ColumnType::category:
      for (std::string_view& text : texts_) text = without_blanks(text);
      codes.store_codes(texts_, at, stride);
  }
  return 0;
}

// Where rows come from: their ids or lines, and the keys of their local patient ids.
template <typename Source>
void RowParser::add_origins(const Source& source) {
  const ColumnLayout& layout = file_.layout;
  if (file_.schema->has_row_id) {
    add_row_ids(column(source, layout.row_id, texts_));
  } else {
    for (const std::uint32_t row : rows_) block_.row_line.push_back(static_cast<std::uint32_t>(block_.lines + row));
  }
  if (layout.local_id != kNoColumn) {
    add_local_keys(column(source, layout.provider, texts_), column(source, layout.local_id, more_texts_));
  }
}

// Ids are copied sixteen bytes at a time, beyond their ends: what is too much is overwritten by the next one.
void RowParser::add_row_ids(Texts ids) {
  constexpr std::size_t kPart = 16;
  std::size_t end = block_.row_ids.size(), row = block_.row_id_end.size();
  std::size_t size = end;
  for (const std::string_view id : ids) size += id.size();
  block_.row_ids.resize(size + kPart);
  block_.row_id_end.resize(row + ids.size());
  for (const std::string_view id : ids) {
    for (std::size_t at = 0; at < id.size(); at += kPart) {
      std::memcpy(block_.row_ids.data() + end + at, id.data() + at, kPart);
    }
    end += id.size();
    block_.row_id_end[row++] = static_cast<std::uint32_t>(end);
  }
  block_.row_ids.resize(size);
}

// A number means nothing without who gave it: a row of an extract with a provider column that does not say is left out.
void RowParser::add_local_keys(Texts providers, Texts ids) {
  const bool by_provider = file_.layout.provider != kNoColumn;
  LocalKeys keys(by_provider ? LocalIdScope::provider : LocalIdScope::dataset);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    block_.local_keys.push_back(keys.key(by_provider ? providers[i] : std::string_view(file_.schema->name), ids[i]));
  }
}

// Rows of one provider stand together, so that its counts stay where they are.
void RowParser::count_providers() {
  if (provider_field_ == file_.schema->fields.size() || file_.layout.provider == kNoColumn) return;
  const std::size_t stride = file_.schema->payload_bytes;
  const std::byte* at = block_.payload.data() + block_.payload.size() - rows_.size() * stride +
                        file_.schema->fields[provider_field_].offset;
  std::uint64_t words = 0, in_words = 0, latest = 0;  // of the neighbouring rows of one provider
  std::uint32_t of_words = 0;
  const auto add_words = [&] {
    if (in_words == 0) return;
    ProviderCounts& counts = block_.providers[of_words];
    counts.rows += in_words;
    standing::add(words, standing::kOfProvider, counts);
    counts.latest = std::max(counts.latest, latest);
    words = in_words = latest = 0;
  };
  for (std::size_t i = 0; i < rows_.size(); ++i, at += stride) {
    std::uint32_t code = 0;
    std::memcpy(&code, at, sizeof code);
    if (code == kMissingCategory) continue;
    if (code >= block_.providers.size()) block_.providers.resize(code + 1);
    if (code != of_words || in_words == standing::kMostRows) {
      add_words();
      of_words = code;
    }
    words += standing_[i];
    ++in_words;
    // Without any date of an extract, all days are the last: nothing is late.
    latest = std::max<std::uint64_t>(latest, extracted_[i]);
  }
  add_words();
}

RowBlock RowParser::take() {
  block_.dictionaries.clear();
  for (StringCodes& codes : codes_) block_.dictionaries.push_back(codes.take());
  return std::move(block_);
}

}  // namespace ligature
