#include "jobs/provenance_text.hpp"

#include <fmt/format.h>

#include "engine/evidence.hpp"
#include "engine/provenance.hpp"

namespace ligature {

std::string bits_text(Weight weight, int decimals) {
  return fmt::format("{:.{}f}", static_cast<double>(weight) / kWeightPerBit, decimals);
}

std::vector<std::string_view> flag_names(std::uint8_t flags, std::uint8_t notes) {
  std::vector<std::string_view> names;
  if ((flags & Evidence::number_disowned) != 0) names.emplace_back("number_disowned");
  if ((flags & Evidence::number_default) != 0) names.emplace_back("number_default");
  if ((flags & Evidence::birth_default) != 0) names.emplace_back("birth_default");
  if ((flags & Evidence::number_thin) != 0) names.emplace_back("number_thin");
  if ((flags & Evidence::twin_male) != 0) names.emplace_back("twin_male");
  if ((flags & Evidence::twin_female) != 0) names.emplace_back("twin_female");
  if ((flags & Evidence::several_patients) != 0) names.emplace_back("several_patients");
  if ((notes & Provenance::company_known) != 0) names.emplace_back("company_known");
  if ((notes & Provenance::other_provider) != 0) names.emplace_back("other_provider");
  if ((notes & Provenance::other_patient) != 0) names.emplace_back("other_patient");
  return names;
}

std::string_view id_type_name(IdType type) noexcept {
  switch (type) {
    case IdType::nhs_number:
      return "nhs_number";
    case IdType::contested:
      return "contested";
    case IdType::other:
      return "other";
    case IdType::ambiguous:
      return "ambiguous";
    case IdType::one_time:
      return "one_time";
  }
  return "";
}

}  // namespace ligature
