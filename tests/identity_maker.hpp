// Identities as a test's sentence would put them: numbers by index, dates and postcodes as they are written.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/evidence.hpp"
#include "engine/identity.hpp"

namespace ligature {

// The valid NHS number of the stem 600 000 000 + index, or of the next one that has a check digit.
inline std::uint64_t number_of_stem(std::uint64_t index) {
  for (std::uint64_t stem = 600'000'000 + index;; ++stem) {
    for (std::uint64_t check = 0; check < 10; ++check) {
      if (nhs_check_digit_ok(stem * 10 + check)) return stem * 10 + check;
    }
  }
}

// number: ten digits, valid or not; 0 for none.
inline IdentityFields fields_of(std::uint64_t number, std::string_view birth, std::string_view postcode,
                                Gender gender) {
  IdentityFields fields;
  if (number != 0) fields.nhs = {number, nhs_check_digit_ok(number) ? NhsStatus::valid : NhsStatus::invalid};
  standardise_birth(birth, kMissingDay, fields);
  fields.postcode = standardise_postcode(postcode);
  fields.gender = gender;
  return fields;
}

// As it counts in comparison (evidence.hpp).
inline Identity weighed_identity(std::uint64_t number, std::string_view birth, std::string_view postcode, Gender gender,
                                 const Evidence& evidence = {}) {
  return weighed(pack(fields_of(number, birth, postcode, gender)), evidence);
}

}  // namespace ligature
