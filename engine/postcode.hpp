// UK postcodes: reading, repair of letter/digit confusions by position, pseudo postcodes, packing into 34 bits.
//
// Grammar (NHS data dictionary; ndr_support): outward A9 A99 A9A AA9 AA99 AA9A or NPT, inward 9AA.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ligature {

enum class PostcodeFlag : std::uint8_t {
  none = 0,
  no_fixed_abode = 1,  // ZZ99 3VZ
  pseudo = 2,          // any other ZZ99: unknown, overseas, other UK country
};

// Packed as fields, highest first: area letters 5+5 bits, district 4+6, sector 4, unit letters 5+5 = 34 bits.
// Letters count from 1 (0 = absent); the district's second character is 0 absent, 1..10 a digit, 11..36 a letter.
// So equal prefixes of a postcode are equal prefixes of its bits.  0 is "missing".
using PackedPostcode = std::uint64_t;

struct Postcode {
  PackedPostcode packed = 0;  // 0 for missing and for pseudo postcodes
  PostcodeFlag flag = PostcodeFlag::none;
  friend bool operator==(const Postcode&, const Postcode&) = default;
};

inline constexpr int kPostcodeBits = 34;
// Masks over PackedPostcode that keep everything up to and including the named part.
inline constexpr PackedPostcode kPostcodeAreaMask = 0x3FFULL << 24;
inline constexpr PackedPostcode kPostcodeDistrictMask = 0xFFFFFULL << 14;
inline constexpr PackedPostcode kPostcodeSectorMask = 0xFFFFFFULL << 10;

// Standardises one field: any case, any spacing or punctuation between the parts; O for 0, I or L for 1 (and back)
// mended where the position admits only a letter or only a digit, two characters at most.  Anything outside the
// grammar is missing.
Postcode standardise_postcode(std::string_view text) noexcept;

// The same for a column of fields, as many postcodes as texts.  Fast where they are in their usual spelling and need no
// mending.  Throws as ensure_simd_targets does.
void standardise_postcodes(std::span<const std::string_view> texts, std::span<Postcode> postcodes);

// "SW1A 1AA".  REQUIRES: packed != 0.
std::string postcode_text(PackedPostcode packed);

// The outward part, "SW1A".  REQUIRES: packed != 0.
std::string outward_code(PackedPostcode packed);

// The seven characters as bytes, area letters highest (byte 6) down to the last unit letter (byte 0); each byte < 0x80.
// 0 for missing.  The form that comparisons work on.
std::uint64_t postcode_bytes(PackedPostcode packed) noexcept;

}  // namespace ligature
