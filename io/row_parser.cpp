#include "io/row_parser.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "engine/local_id.hpp"

namespace ligature {

namespace {

constexpr DayNumber kLastDay = std::numeric_limits<DayNumber>::max();
constexpr std::size_t kGuessedRowBytes = 48;
constexpr std::size_t kFewestSlots = 64;
// A key of StringCodes: a short value's bytes below its length, or a long one's hash below a length that none has.
constexpr std::size_t kShortValue = 7;
constexpr int kKeyBits = 56;
constexpr std::uint64_t kLongKey = std::uint64_t{0xFF} << kKeyBits;
constexpr std::uint64_t kGoldenRatio = 0x9E3779B97F4A7C15ULL;  // Knuth, TAOCP 3, 6.4: multiplicative hashing

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The text of a column, empty if the extract has no such column.
std::string_view field_at(std::span<const std::string_view> fields, std::uint32_t column) noexcept {
  return column == kNoColumn ? std::string_view{} : fields[column];
}

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

bool store_date(std::string_view text, std::byte* at) noexcept {
  const std::optional<CivilDate> date = text.empty() ? std::nullopt : parse_date(text);
  const std::optional<DayNumber> day = date ? day_number(*date) : std::nullopt;
  store(day.value_or(kMissingDay), at);
  return text.empty() || day.has_value();
}

}  // namespace

std::size_t StringCodes::first_slot(std::uint64_t key) const noexcept {
  return static_cast<std::size_t>((key * kGoldenRatio) >> std::countl_zero(slots_.size() - 1));
}

std::uint32_t StringCodes::code(std::string_view value) {
  const bool is_short = value.size() <= kShortValue;
  std::uint64_t key = is_short ? value.size() << kKeyBits : kLongKey;
  if (is_short) {
    std::memcpy(&key, value.data(), value.size());
  } else {
    key |= linkage_key(std::as_bytes(std::span(value))) >> (64 - kKeyBits);
  }
  if (key == last_key_ && !values_.empty() && (is_short || values_[last_] == value)) return last_;
  if (values_.size() * 4 >= slots_.size() * 3) grow();
  last_key_ = key;
  std::size_t slot = first_slot(key);
  for (; slots_[slot].code_and_one != 0; slot = (slot + 1) & (slots_.size() - 1)) {
    const std::uint32_t candidate = slots_[slot].code_and_one - 1;
    if (slots_[slot].key == key && (is_short || values_[candidate] == value)) return last_ = candidate;
  }
  last_ = static_cast<std::uint32_t>(values_.size());
  slots_[slot] = {key, last_ + 1};
  values_.emplace_back(value);
  return last_;
}

void StringCodes::grow() {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(std::max(kFewestSlots, slots_.size() * 2)));
  for (const Slot& entry : old) {
    if (entry.code_and_one == 0) continue;
    std::size_t slot = first_slot(entry.key);
    while (slots_[slot].code_and_one != 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = entry;
  }
}

RowParser::RowParser(const FileContext& file, std::size_t expected_bytes)
    : file_(file), codes_(file.schema->fields.size()) {
  block_.file = file.file;
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

void RowParser::row(Fields fields, std::uint64_t offset, std::uint64_t lines) {
  if (fields.size() != file_.layout.columns) return bad(QuarantineReason::column_count, lines);
  ++block_.counts.read;
  add_row(fields, offset);
  block_.lines += lines;
}

void RowParser::bad(QuarantineReason reason, std::uint64_t lines) {
  ++block_.counts.read;
  ++block_.counts.quarantined[static_cast<std::size_t>(reason)];
  block_.quarantined.push_back({block_.lines, reason});
  block_.lines += lines;
}

// The date that the extract was taken on: its column, else the job file's word, else the day of the run.
DayNumber RowParser::extract_date(Fields fields) {
  const std::string_view text = field_at(fields, file_.layout.extracted);
  if (!text.empty() && text != extracted_text_) {
    extracted_text_ = text;
    const std::optional<CivilDate> date = parse_date(text);
    extracted_day_ = date ? day_number(*date).value_or(kMissingDay) : kMissingDay;
  }
  if (!text.empty() && extracted_day_ != kMissingDay) return extracted_day_;
  return file_.extract->extracted.value_or(file_.rules->as_at);
}

void RowParser::add_row(Fields fields, std::uint64_t offset) {
  const ColumnLayout& layout = file_.layout;
  const RowRules& rules = *file_.rules;
  const DayNumber extracted = extract_date(fields);

  IdentityFields identity;
  identity.nhs = standardise_nhs_number(field_at(fields, layout.nhs_number));
  bool superseded = false;
  if (identity.nhs.status == NhsStatus::valid) {
    if (rules.superseded != nullptr) {
      const std::uint64_t current = rules.superseded->current(identity.nhs.value);
      superseded = current != identity.nhs.value;
      identity.nhs.value = current;
    }
    if (rules.objections != nullptr && rules.objections->bars(identity.nhs.value, extracted, file_.after_opt_out)) {
      ++block_.counts.opted_out;
      return;
    }
  }
  standardise_birth(field_at(fields, layout.date_of_birth), extracted == kMissingDay ? kLastDay : extracted, identity);
  identity.postcode = standardise_postcode(field_at(fields, layout.postcode));
  identity.gender = standardise_gender(field_at(fields, layout.gender));

  Identity packed = pack(identity);
  if (!is_linkable(identity)) {
    packed = one_time_identity(identity, row_digest(fields, offset, packed));
    ++block_.counts.one_time;
  }
  block_.identities.push_back(packed);
  block_.counts.nhs_superseded += superseded ? 1 : 0;
  ++block_.counts.kept;
  count_identifiers(identity);
  add_payload(fields);
  if (layout.local_id != kNoColumn) block_.local_keys.push_back(local_key_of(fields));
  if (file_.schema->has_row_id) {
    const std::string_view id = field_at(fields, layout.row_id);
    block_.row_ids.insert(block_.row_ids.end(), id.begin(), id.end());
    block_.row_id_end.push_back(static_cast<std::uint32_t>(block_.row_ids.size()));
  } else {
    block_.row_line.push_back(static_cast<std::uint32_t>(block_.lines));
  }
}

// A number means nothing without who gave it: a row of an extract with a provider column that does not say is left out.
std::uint64_t RowParser::local_key_of(Fields fields) const {
  const std::string_view id = field_at(fields, file_.layout.local_id);
  return file_.layout.provider == kNoColumn ? local_key(LocalIdScope::dataset, file_.schema->name, id)
                                            : local_key(LocalIdScope::provider, fields[file_.layout.provider], id);
}

// Differs between rows that are not one row sent twice.  Texts are length-prefixed, so no two lists of them run
// together.
std::uint64_t RowParser::row_digest(Fields fields, std::uint64_t offset, const Identity& identity) const {
  std::string bytes;
  const auto add_number = [&](std::uint64_t value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  const auto add_text = [&](std::string_view text) {
    add_number(text.size());
    bytes.append(text);
  };
  add_text(file_.schema->name);
  const std::string_view id = field_at(fields, file_.layout.row_id);
  if (id.empty()) {
    add_text(file_.input->path);
    add_number(offset);
  } else {
    add_text(id);
  }
  add_number(identity.first);
  add_number(identity.second);
  for (const std::uint32_t column : file_.layout.payload) add_text(field_at(fields, column));
  return linkage_key(std::as_bytes(std::span(bytes)));
}

void RowParser::count_identifiers(const IdentityFields& identity) {
  RowCounts& counts = block_.counts;
  counts.nhs_valid += identity.nhs.status == NhsStatus::valid ? 1 : 0;
  counts.nhs_invalid += identity.nhs.status == NhsStatus::invalid ? 1 : 0;
  counts.nhs_missing += identity.nhs.status == NhsStatus::missing ? 1 : 0;
  counts.birth_placeholder += identity.placeholder_birth ? 1 : 0;
  counts.birth_missing += identity.date_of_birth == kMissingDay && !identity.placeholder_birth ? 1 : 0;
  counts.postcode_pseudo += identity.postcode.flag != PostcodeFlag::none ? 1 : 0;
  counts.postcode_missing += identity.postcode.packed == 0 && identity.postcode.flag == PostcodeFlag::none ? 1 : 0;
  counts.gender_missing += identity.gender != Gender::male && identity.gender != Gender::female ? 1 : 0;
}

void RowParser::add_payload(Fields fields) {
  const DatasetSchema& schema = *file_.schema;
  const std::size_t begin = block_.payload.size();
  block_.payload.resize(begin + schema.payload_bytes);
  for (std::size_t i = 0; i < schema.fields.size(); ++i) {
    const PayloadField& field = schema.fields[i];
    const std::string_view text = trimmed(field_at(fields, file_.layout.payload[i]));
    std::byte* const at = block_.payload.data() + begin + field.offset;
    bool understood = true;
    switch (field.type) {
      case ColumnType::int8:
        understood = store_number<std::int8_t>(text, at);
        break;
      case ColumnType::int16:
        understood = store_number<std::int16_t>(text, at);
        break;
      case ColumnType::int32:
        understood = store_number<std::int32_t>(text, at);
        break;
      case ColumnType::int64:
        understood = store_number<std::int64_t>(text, at);
        break;
      case ColumnType::float32:
        understood = store_number<float>(text, at);
        break;
      case ColumnType::float64:
        understood = store_number<double>(text, at);
        break;
      case ColumnType::date:
        understood = store_date(text, at);
        break;
      case ColumnType::category:
        store(text.empty() ? kMissingCategory : codes_[i].code(text), at);
        break;
    }
    block_.counts.values_not_understood += understood ? 0 : 1;
  }
}

RowBlock RowParser::take() {
  block_.dictionaries.clear();
  for (StringCodes& codes : codes_) block_.dictionaries.push_back(codes.take());
  return std::move(block_);
}

}  // namespace ligature
