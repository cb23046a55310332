// Fuzz target: any bytes as the fields of a row.  Lines of the input are the NHS number, date of birth, postcode,
// gender and kind of objection; what is missing is empty.  Reading must give values in range, the printed form of a
// value must read as that value, and packing must lose nothing.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/consent.hpp"
#include "engine/identity.hpp"
#include "engine/linkage_key.hpp"

namespace {

using namespace ligature;

// Unlike assert, also in a release build.
void require(bool holds, const char* invariant) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", invariant);
  std::abort();
}

std::string ten_digits(std::uint64_t value) {
  const std::string text = std::to_string(value);
  return std::string(10 - text.size(), '0') + text;
}

void check_nhs_number(std::string_view text) {
  const NhsNumber number = standardise_nhs_number(text);
  if (number.status == NhsStatus::missing) return require(number.value == 0, "a missing NHS number has no value");
  require(number.value <= 9'999'999'999ULL, "an NHS number has ten digits");
  require(number.status == NhsStatus::valid || number.status == NhsStatus::invalid, "a number is valid or invalid");
  require(nhs_check_digit_ok(number.value) == (number.status == NhsStatus::valid),
          "valid means the check digit is right");
  require(standardise_nhs_number(ten_digits(number.value)) == number, "a printed NHS number reads as itself");
  require(nhs_digits_bcd(number.value) == std::stoull(std::to_string(number.value), nullptr, 16), "digits as nibbles");
}

void check_birth(std::string_view text) {
  const std::optional<CivilDate> date = parse_date(text);
  for (const DayNumber latest : {kMissingDay, DayNumber{1}, DayNumber{43'555}, DayNumber{65'535}}) {
    IdentityFields fields;
    standardise_birth(text, latest, fields);
    if (!date) require(fields == IdentityFields{}, "no date, no date of birth");
    if (fields.placeholder_birth) require(fields.date_of_birth == kMissingDay, "a placeholder is no date of birth");
    if (fields.date_of_birth == kMissingDay) continue;
    require(latest == kMissingDay || fields.date_of_birth <= latest, "nobody is born after the extract");
    require(date && day_number(*date) == fields.date_of_birth, "the date of birth is the date");
    IdentityFields again;
    standardise_birth(iso_date(fields.date_of_birth), latest, again);
    require(again == fields, "a printed date reads as itself");
  }
}

void check_postcode(std::string_view text) {
  const Postcode postcode = standardise_postcode(text);
  if (postcode.packed == 0) return require(postcode_bytes(postcode.packed) == 0, "no postcode, no characters");
  require(postcode.flag == PostcodeFlag::none, "a pseudo postcode is missing");
  require(postcode.packed < 1ULL << kPostcodeBits, "a postcode fits its bits");
  const std::string printed = postcode_text(postcode.packed);
  require(standardise_postcode(printed) == postcode, "a printed postcode reads as itself");
  require(printed.size() >= 6 && printed.size() <= 8, "a postcode has five to seven characters");
  require(printed.starts_with(outward_code(postcode.packed) + " "), "the outward code comes first");
}

// A column reads as its fields do, wherever in it they stand.
void check_columns(std::span<const std::string_view> fields) {
  std::vector<std::string_view> texts(70);
  for (std::size_t i = 0; i < texts.size(); ++i) texts[i] = fields[i % fields.size()];
  std::vector<NhsNumber> numbers(texts.size());
  std::vector<Postcode> postcodes(texts.size());
  std::vector<DayNumber> days(texts.size());
  standardise_nhs_numbers(texts, numbers);
  standardise_postcodes(texts, postcodes);
  parse_days(texts, days);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    require(numbers[i] == standardise_nhs_number(texts[i]), "a number reads alike in a column");
    require(postcodes[i] == standardise_postcode(texts[i]), "a postcode reads alike in a column");
    const std::optional<CivilDate> date = parse_date(texts[i]);
    require(days[i] == (date ? day_number(*date).value_or(kMissingDay) : kMissingDay),
            "a date reads alike in a column");
  }
}

void check_objection_kind(std::string_view text) {
  const std::optional<KindText> kind = parse_objection_kind(text);
  if (kind) require(kind->kind <= ObjectionKind::national, "a kind of objection is one of three");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::array<std::string_view, 5> fields;
  for (std::string_view& field : fields) {
    const std::size_t end = rest.find('\n');
    field = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  // Every reader gets every field: a row with its columns mixed up is ordinary.
  for (const std::string_view field : fields) {
    check_nhs_number(field);
    check_birth(field);
    check_postcode(field);
    require(static_cast<std::uint8_t>(standardise_gender(field)) <= 3, "a gender fits its bits");
    check_objection_kind(field);
  }
  check_columns(fields);
  IdentityFields row;
  standardise_birth(fields[1], kMissingDay, row);
  row.nhs = standardise_nhs_number(fields[0]);
  row.postcode = standardise_postcode(fields[2]);
  row.gender = standardise_gender(fields[3]);
  const Identity identity = pack(row);
  require(unpack(identity) == row, "packing loses nothing");
  require(shard_of(linkage_key(identity)) < kShards, "an identity has a shard");
  const Identity alone = one_time_identity(row, linkage_key(std::as_bytes(std::span(data, size))));
  IdentityFields kept = row;
  kept.nhs = {0, NhsStatus::one_time};
  require(unpack(alone) == kept, "a one-time identity keeps what is not a number");
  require(!(alone == identity), "a one-time identity equals no ordinary one");
  return 0;
}
