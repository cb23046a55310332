// Finding what may be an NHS number or a full postcode in any text or bytes.
//
// Only shapes are found here; whether a find is an identifier of the run is asked of the run's identities.
//   NHS number  ten decimal digits, alone or with one space, hyphen or no-break space between any of them (3-3-4 is the
//               usual form), next to no letter or digit on either side.
//   postcode    a full postcode in any case, compact or with one to three spaces, a hyphen or a no-break space before
//               its last three characters, next to no letter or digit on either side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "engine/postcode.hpp"

namespace ligature {

enum class IdentifierKind : std::uint32_t { nhs_number, postcode };

struct IdentifierShape {
  IdentifierKind kind = IdentifierKind::nhs_number;
  std::uint64_t value = 0;   // the number, or PackedPostcode
  std::size_t position = 0;  // of the last word that belongs to it
};

// How many bytes around a place decide what is found there: pieces of a long text are searched with this many bytes of
// their neighbours on both sides, and finds are taken whose position is in the piece itself.
inline constexpr std::size_t kSearchContext = 64;

void search_identifiers(std::string_view text, const std::function<void(const IdentifierShape&)>& found);

// A JSON text with its numbers and literals blanked, so that only keys and strings remain to be searched.
std::string json_strings_only(std::string_view json);

}  // namespace ligature
