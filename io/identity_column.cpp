// Identities of many rows in SIMD lanes chosen at run time (Highway), eight bytes of a row to a lane.
#include "io/identity_column.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "io/identity_column.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "engine/simd_targets.hpp"
#include "engine/word_lanes.hpp"
#include "io/identifier_standing.hpp"

HWY_BEFORE_NAMESPACE();
namespace ligature {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

std::uint64_t pack_vectors(const IdentifierColumns&, std::size_t, Identity*, std::uint64_t*, std::size_t&) {
  return 0;
}

#else

// Two words of each row, the second of which has one byte and padding.
template <typename Row>
HWY_INLINE void load_rows(const Row* rows, WordVector& first, WordVector& second) {
  static_assert(sizeof(Row) == 16);
  hn::LoadInterleaved2(Words(), reinterpret_cast<const std::uint64_t*>(rows), first, second);
  second = hn::And(second, set(0xFF));
}

HWY_INLINE WordVector load_births(const Birth* births) {
  static_assert(sizeof(Birth) == 4);
  const hn::Rebind<std::uint32_t, Words> d;
  return hn::PromoteTo(Words(), hn::LoadU(d, reinterpret_cast<const std::uint32_t*>(births)));
}

HWY_INLINE WordVector load_genders(const Gender* genders) {
  static_assert(sizeof(Gender) == 1);
  const hn::Rebind<std::uint8_t, Words> d;
  const hn::Rebind<std::uint32_t, Words> d32;
  return hn::PromoteTo(Words(), hn::PromoteTo(d32, hn::LoadU(d, reinterpret_cast<const std::uint8_t*>(genders))));
}

HWY_INLINE WordVector one_if(WordMask condition, standing::Byte byte) {
  return hn::IfThenElseZero(condition, set(standing::yes(byte)));
}

// Packs as many of the rows as fill whole vectors, `done`.
std::uint64_t pack_vectors(const IdentifierColumns& columns, std::size_t rows, Identity* identities,
                           std::uint64_t* standing, std::size_t& done) {
  const Words d;
  const WordVector none = set(0);
  const auto number_is = [](WordVector status, NhsStatus wanted) {
    return hn::Eq(status, set(static_cast<std::uint64_t>(wanted)));
  };
  std::uint64_t linkable = 0;
  for (done = 0; done + hn::Lanes(d) <= rows; done += hn::Lanes(d)) {
    WordVector number, status, postcode, flag;
    load_rows(columns.numbers + done, number, status);
    load_rows(columns.postcodes + done, postcode, flag);
    const WordVector birth = load_births(columns.births + done), day = hn::And(birth, set(0xFFFF));
    const WordVector placeholder = hn::And(hn::ShiftRight<16>(birth), set(1));
    const WordVector gender = load_genders(columns.genders + done);

    const WordVector first =
        hn::Or(hn::Or(hn::ShiftLeft<62>(status), hn::ShiftLeft<28>(number)),
               hn::Or(hn::Or(hn::ShiftLeft<26>(gender), hn::ShiftLeft<24>(flag)), hn::ShiftLeft<23>(placeholder)));
    const WordVector second = hn::Or(hn::ShiftLeft<48>(day), hn::ShiftLeft<14>(postcode));
    hn::StoreInterleaved2(first, second, d, reinterpret_cast<std::uint64_t*>(identities + done));

    const WordMask valid = number_is(status, NhsStatus::valid), invalid = number_is(status, NhsStatus::invalid);
    const WordMask no_number = hn::Not(hn::Or(valid, invalid));
    const WordMask no_birth = hn::Eq(day, none), no_postcode = hn::Eq(postcode, none);
    const WordMask no_gender = hn::Not(hn::Or(hn::Eq(gender, set(static_cast<std::uint64_t>(Gender::male))),
                                              hn::Eq(gender, set(static_cast<std::uint64_t>(Gender::female)))));
    const WordMask default_birth = hn::Ne(placeholder, none), pseudo = hn::Ne(flag, none);
    const WordVector of_number =
        hn::Or(hn::Or(one_if(valid, standing::nhs_valid), one_if(invalid, standing::nhs_invalid)),
               one_if(no_number, standing::nhs_missing));
    const WordVector of_birth = hn::Or(one_if(default_birth, standing::birth_placeholder),
                                       one_if(hn::AndNot(default_birth, no_birth), standing::birth_missing));
    const WordVector of_postcode = hn::Or(one_if(pseudo, standing::postcode_pseudo),
                                          one_if(hn::AndNot(pseudo, no_postcode), standing::postcode_missing));
    hn::StoreU(hn::Or(hn::Or(of_number, of_birth), hn::Or(of_postcode, one_if(no_gender, standing::gender_missing))), d,
               standing + done);

    // is_linkable
    const WordMask neither = hn::And(no_birth, no_postcode), not_both = hn::Or(no_birth, no_postcode);
    const WordMask apart = hn::Or(hn::And(no_number, not_both), hn::And(invalid, neither));
    linkable |= bits_of(hn::Not(apart)) << done;
  }
  return linkable;
}

#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ligature
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ligature {

HWY_EXPORT(pack_vectors);

std::uint64_t pack_identities(const IdentifierColumns& columns, std::size_t rows, Identity* identities,
                              std::uint64_t* standing) {
  ensure_simd_targets();
  std::size_t done = 0;
  const std::uint64_t linkable = HWY_DYNAMIC_DISPATCH(pack_vectors)(columns, rows, identities, standing, done);
  if (done == rows) return linkable;
  return linkable | pack_identities_plainly(columns.from(done), rows - done, identities + done, standing + done)
                        << done;
}

std::uint64_t pack_identities_plainly(const IdentifierColumns& columns, std::size_t rows, Identity* identities,
                                      std::uint64_t* standing) {
  std::uint64_t linkable = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    const IdentityFields fields = columns.row(i);
    identities[i] = pack(fields);
    standing[i] = standing::word_of(fields);
    linkable |= std::uint64_t{is_linkable(fields)} << i;
  }
  return linkable;
}

}  // namespace ligature
#endif
