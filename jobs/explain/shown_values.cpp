// Identifiers on a terminal: enough to follow a comparison, and no more unless it is asked for.
#include <fmt/format.h>

#include "engine/date.hpp"
#include "engine/evidence.hpp"
#include "engine/gender.hpp"
#include "engine/postcode.hpp"
#include "jobs/explain/explanation.hpp"

namespace ligature {

namespace {

std::string nhs_text(const Identity& identity, std::uint8_t flags, bool values) {
  std::string text;
  switch (identity.nhs_status()) {
    case NhsStatus::missing:
      return "missing";
    case NhsStatus::one_time:
      return "none that tells people apart";
    case NhsStatus::valid:
      text = "valid";
      break;
    case NhsStatus::invalid:
      text = "invalid";
      break;
  }
  if ((flags & Evidence::number_disowned) != 0) text += ", disowned";
  if ((flags & Evidence::number_default) != 0) text += ", default";
  if (!values) return text;
  const std::uint64_t number = identity.nhs();
  return fmt::format("{:03} {:03} {:04} ({})", number / 10'000'000, number / 10'000 % 1'000, number % 10'000, text);
}

std::string birth_text(const Identity& identity, std::uint8_t flags, bool values) {
  const DayNumber day = identity.date_of_birth();
  if (day == kMissingDay) return identity.placeholder_birth() ? "placeholder" : "missing";
  std::string text = values ? iso_date(day) : fmt::format("{}", year_of(day));
  if ((flags & Evidence::birth_default) != 0) text += ", default";
  return text;
}

std::string postcode_shown(const Identity& identity, bool values) {
  if (identity.postcode() != 0) return values ? postcode_text(identity.postcode()) : outward_code(identity.postcode());
  switch (identity.postcode_flag()) {
    case PostcodeFlag::no_fixed_abode:
      return "no fixed abode";
    case PostcodeFlag::pseudo:
      return "pseudo";
    case PostcodeFlag::none:
      break;
  }
  return "missing";
}

std::string gender_text(Gender gender) {
  switch (gender) {
    case Gender::male:
      return "male";
    case Gender::female:
      return "female";
    case Gender::indeterminate:
      return "not specified";
    case Gender::unknown:
      break;
  }
  return "missing";
}

}  // namespace

ShownValues shown_values(const Identity& identity, std::uint8_t evidence_flags, bool values) {
  return {nhs_text(identity, evidence_flags, values), birth_text(identity, evidence_flags, values),
          postcode_shown(identity, values), gender_text(identity.gender())};
}

}  // namespace ligature
