// The pair kernel, compiled once for every instruction set that Highway knows here and chosen at run time.
//
// A byte-wise minimum with one counts differing characters, those at even and those at odd places apart: one in all is
// a one-character error, one of each a possible exchange of neighbours.  Dates are four digits to a lane, where bit
// tricks tell the same: Warren, Hacker's Delight, sections 2-1 (lowest set bit) and 6-1 (zero bytes).
#include "engine/pair_kernel.hpp"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/pair_kernel.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ligature {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// At most 32 lanes, so that the columns' padding is the same on every machine.
using Lanes = hn::CappedTag<std::uint16_t, 32>;
using Vector = hn::Vec<Lanes>;
using Mask = hn::Mask<Lanes>;

HWY_INLINE Vector set(unsigned value) {
  return hn::Set(Lanes(), static_cast<std::uint16_t>(value));
}

HWY_INLINE Mask is(Vector x, unsigned value) {
  return hn::Eq(x, set(value));
}

// 1 in each byte of x that is not zero; all are below 0x80.
HWY_INLINE Vector differing(Vector x) {
#if HWY_TARGET == HWY_SCALAR  // has one lane, and so no bytes
  return hn::And(hn::ShiftRight<7>(hn::Add(x, set(0x7F7F))), set(0x0101));
#else
  const hn::Repartition<std::uint8_t, Lanes> bytes;
  return hn::BitCast(Lanes(), hn::Min(hn::BitCast(bytes, x), hn::Set(bytes, 1)));
#endif
}

constexpr unsigned exchanged(unsigned two_characters) {
  return (two_characters << 8 | two_characters >> 8) & 0xFFFF;
}

// A level's value: what it adds to the pattern, or WantedPatterns' bits.
template <typename Values, typename Level>
HWY_INLINE Vector at(const Values& values, Level level) {
  return set(values[static_cast<std::size_t>(level)]);
}

// Where a text of the query differs from those of many others, column by column.  The comparisons hold the query's
// values as scalars, since vectors of unknown size cannot be members; the compiler moves their broadcasts out of loops.
template <std::size_t kColumns>
struct Differences {
  Vector x[kColumns];  // exclusive or
  Vector count;        // of differing characters: high byte at even places, low byte at odd places

  HWY_INLINE Differences(const std::uint16_t* query, const IdentityColumns& b, std::size_t first, std::size_t i) {
    const Lanes d;
    for (std::size_t c = 0; c < kColumns; ++c) {
      x[c] = hn::Xor(set(query[c]), hn::LoadU(d, b.column(first + c) + i));
      count = c == 0 ? differing(x[c]) : hn::Add(count, differing(x[c]));
    }
  }

  // At most two characters differ.
  HWY_INLINE Mask few() const {
    const hn::RebindToSigned<Lanes> d;
    const Vector sum = hn::Add(count, hn::ShiftLeft<8>(count));  // high byte: of all places
    return hn::RebindMask(Lanes(), hn::Lt(hn::BitCast(d, sum), hn::Set(d, 0x0300)));
  }

  // One character differs, or two neighbours are exchanged.
  HWY_INLINE Mask near(const std::uint16_t* query) const {
    const Mask one = hn::Or(is(count, 0x0100), is(count, 0x0001)), two = is(count, 0x0101);
    if (HWY_LIKELY(hn::AllFalse(Lanes(), two))) return one;
    // Exchanged characters p, q differ by p^q in both places; equal ones cannot be exchanged, and nothing is kNever.
    constexpr unsigned kNever = 0xFFFF;
    Mask swapped = is(x[0], kNever);
    for (std::size_t c = 0; c < kColumns; ++c) {
      const unsigned inside = query[c] ^ exchanged(query[c]);
      swapped = hn::Or(swapped, is(x[c], inside == 0 ? kNever : inside));
      if (c + 1 == kColumns) break;
      const unsigned across = (query[c] & 0xFF) ^ (query[c + 1] >> 8);
      swapped = hn::Or(swapped, hn::And(is(x[c], across == 0 ? kNever : across), is(x[c + 1], across << 8)));
    }
    return hn::Or(one, hn::And(two, swapped));
  }
};

class NhsComparison {
 public:
  HWY_INLINE NhsComparison(const IdentityColumns& a, std::size_t query) {
    for (std::size_t c = 0; c < 5; ++c) query_[c] = a.column(IdentityColumns::nhs + c)[query];
  }
  HWY_INLINE bool missing() const { return query_[0] == 0; }

  template <typename Values>
  HWY_INLINE Vector operator()(const IdentityColumns& b, std::size_t i, const Values& values) const {
    if (missing()) return at(values, NhsLevel::missing);
    const Differences<5> differences(query_, b, IdentityColumns::nhs, i);
    Vector level = at(values, NhsLevel::other);
    if (HWY_UNLIKELY(!hn::AllFalse(Lanes(), differences.few()))) {
      level = hn::IfThenElse(differences.near(query_), at(values, NhsLevel::near), level);
      level = hn::IfThenElse(is(differences.count, 0), at(values, NhsLevel::exact), level);
    }
    return hn::IfThenElse(is(differences.x[0], query_[0]), at(values, NhsLevel::missing), level);
  }

 private:
  std::uint16_t query_[5];
};

class PostcodeComparison {
 public:
  HWY_INLINE PostcodeComparison(const IdentityColumns& a, std::size_t query) {
    for (std::size_t c = 0; c < 4; ++c) query_[c] = a.column(IdentityColumns::postcode + c)[query];
  }

  template <typename Values>
  HWY_INLINE Vector operator()(const IdentityColumns& b, std::size_t i, const Values& values) const {
    if (query_[0] == 0) return at(values, PostcodeLevel::missing);
    const Differences<4> differences(query_, b, IdentityColumns::postcode, i);
    const Vector* const x = differences.x;
    const Vector district = hn::Or(x[0], x[1]);
    Vector level = hn::IfThenElse(is(x[0], 0), at(values, PostcodeLevel::area), at(values, PostcodeLevel::other));
    const Mask same_district = is(district, 0);
    if (!hn::AllFalse(Lanes(), hn::Or(same_district, differences.few()))) {
      const Vector sector = hn::Or(district, hn::And(x[2], set(0xFF00)));
      level = hn::IfThenElse(same_district, at(values, PostcodeLevel::district), level);
      level = hn::IfThenElse(is(sector, 0), at(values, PostcodeLevel::sector), level);
      level = hn::IfThenElse(differences.near(query_), at(values, PostcodeLevel::near), level);
      level = hn::IfThenElse(is(differences.count, 0), at(values, PostcodeLevel::exact), level);
    }
    return hn::IfThenElse(is(x[0], query_[0]), at(values, PostcodeLevel::missing), level);
  }

 private:
  std::uint16_t query_[4];
};

class BirthComparison {
 public:
  HWY_INLINE BirthComparison(const IdentityColumns& a, std::size_t query)
      : year_(a.column(IdentityColumns::year)[query]), month_day_(a.column(IdentityColumns::month_day)[query]) {}

  template <typename Values>
  HWY_INLINE Vector operator()(const IdentityColumns& b, std::size_t i, const Values& values) const {
    if (year_ == 0) return at(values, BirthLevel::missing);
    const Lanes d;
    const Vector year = hn::LoadU(d, b.column(IdentityColumns::year) + i);
    const Vector month_day = hn::LoadU(d, b.column(IdentityColumns::month_day) + i);
    const Mask same_year = is(year, year_), same_day = is(month_day, month_day_), close = hn::Xor(same_year, same_day);
    Vector level =
        hn::IfThenElse(hn::And(same_year, same_day), at(values, BirthLevel::exact), at(values, BirthLevel::other));
    if (!hn::AllFalse(d, close)) {
      level = hn::IfThenElse(close, partly(year, month_day, same_year, values), level);
    }
    return hn::IfThenElse(is(year, 0), at(values, BirthLevel::missing), level);
  }

 private:
  // Either the year differs or the day of the year.
  template <typename Values>
  HWY_INLINE Vector partly(Vector year, Vector month_day, Mask same_year, const Values& values) const {
    const Vector of_day = hn::Xor(month_day, set(month_day_));
    const Vector x = hn::Or(hn::Xor(year, set(year_)), of_day);
    const Vector neighbours = hn::IfThenElse(same_year, set(month_day_ ^ month_day_ >> 4), set(year_ ^ year_ >> 4));
    // One bit (the lowest) for each digit that differs.
    Vector flags = hn::Or(x, hn::ShiftRight<1>(x));
    flags = hn::And(hn::Or(flags, hn::ShiftRight<2>(flags)), set(0x1111));
    const Vector rest = hn::And(flags, hn::Sub(flags, set(1))), lowest = hn::Xor(flags, rest);
    // Two neighbours exchanged: no third differs, and both differ by the same bits, those in which the query's differ.
    const Vector next = hn::ShiftLeft<4>(lowest), low_digit = hn::Sub(next, lowest);
    const Vector unequal = hn::Or(hn::Xor(x, hn::ShiftRight<4>(x)), hn::Xor(x, neighbours));
    // A month's last and a day's first digit are not exchanged by a slip of the pen.
    const Vector crossing = hn::IfThenElseZero(same_year, hn::And(lowest, set(0x0010)));
    const Vector unswapped = hn::Or(hn::Or(hn::Xor(rest, next), hn::And(unequal, low_digit)), crossing);
    const Mask switched = hn::And(same_year, is(month_day, exchanged(month_day_)));
    const Mask two_parts = hn::Or(is(hn::And(of_day, set(0xFF)), 0), is(hn::And(of_day, set(0xFF00)), 0));
    Vector level = hn::IfThenElse(two_parts, at(values, BirthLevel::two_parts), at(values, BirthLevel::same_year));
    level = hn::IfThenElse(is(rest, 0), at(values, BirthLevel::one_digit), level);
    return hn::IfThenElse(hn::Or(is(unswapped, 0), switched), at(values, BirthLevel::swapped), level);
  }

  std::uint16_t year_, month_day_;
};

class GenderComparison {
 public:
  HWY_INLINE GenderComparison(const IdentityColumns& a, std::size_t query)
      : query_(a.column(IdentityColumns::gender)[query]) {}

  template <typename Values>
  HWY_INLINE Vector operator()(const IdentityColumns& b, std::size_t i, const Values& values) const {
    if (query_ == 0) return at(values, GenderLevel::missing);
    const Vector gender = hn::LoadU(Lanes(), b.column(IdentityColumns::gender) + i);
    const Vector level =
        hn::IfThenElse(is(gender, query_), at(values, GenderLevel::same), at(values, GenderLevel::different));
    return hn::IfThenElse(is(gender, 0), at(values, GenderLevel::missing), level);
  }

 private:
  std::uint16_t query_;
};

// What a level adds to the pattern.
template <std::size_t kLevels>
constexpr std::array<std::uint16_t, kLevels> steps(std::size_t step) {
  std::array<std::uint16_t, kLevels> values{};
  for (std::size_t level = 0; level < kLevels; ++level) values[level] = static_cast<std::uint16_t>(level * step);
  return values;
}
constexpr auto kGenderSteps = steps<kGenderLevels>(1);
constexpr auto kPostcodeSteps = steps<kPostcodeLevels>(kGenderLevels);
constexpr auto kBirthSteps = steps<kBirthLevels>(kGenderLevels * kPostcodeLevels);
constexpr auto kNhsSteps = steps<kNhsLevels>(kGenderLevels * kPostcodeLevels * kBirthLevels);

struct PairComparison {
  HWY_INLINE PairComparison(const IdentityColumns& a, std::size_t query)
      : nhs(a, query), birth(a, query), postcode(a, query), gender(a, query) {}

  HWY_INLINE Vector patterns(const IdentityColumns& b, std::size_t i) const {
    const Vector identifiers = hn::Add(nhs(b, i, kNhsSteps), birth(b, i, kBirthSteps));
    return hn::Add(identifiers, hn::Add(postcode(b, i, kPostcodeSteps), gender(b, i, kGenderSteps)));
  }

  NhsComparison nhs;
  BirthComparison birth;
  PostcodeComparison postcode;
  GenderComparison gender;
};

void one_to_many(const IdentityColumns& a, std::size_t query, const IdentityColumns& b, std::size_t begin,
                 std::size_t end, Pattern* HWY_RESTRICT patterns) {
  const Lanes d;
  const PairComparison compare(a, query);
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = begin;
  for (; i + lanes <= end; i += lanes) hn::StoreU(compare.patterns(b, i), d, patterns + (i - begin));
  if (i == end) return;
  Pattern last[32];
  hn::StoreU(compare.patterns(b, i), d, last);
  std::copy(last, last + (end - i), patterns + (i - begin));
}

FoundPairs wanted_of_many(const IdentityColumns& a, std::size_t query, const IdentityColumns& b, std::size_t begin,
                          std::size_t end, const WantedPatterns& wanted, FoundPair* HWY_RESTRICT found) {
  const Lanes d;
  const PairComparison compare(a, query);
  const bool by_birth = wanted.shared() != Shared::birth, by_postcode = wanted.shared() != Shared::postcode;
  const bool may_be_settled = !compare.nhs.missing() || wanted.births_settled();
  const bool by_nhs_alone =
      wanted.nhs[static_cast<std::size_t>(NhsLevel::other)] == 0 && !wanted.births_settled();  // most numbers decide it
  FoundPairs result;
  for (std::size_t i = begin; i < end; i += hn::Lanes(d)) {
    const Vector nhs = compare.nhs(b, i, wanted.nhs);
    if (by_nhs_alone && HWY_LIKELY(hn::AllTrue(d, is(nhs, 0)))) continue;
    const Vector birth = by_birth ? compare.birth(b, i, wanted.birth) : at(wanted.birth, BirthLevel::exact);
    const Mask here = hn::FirstN(d, end - i);
    Vector both = hn::And(nhs, birth);
    if (by_postcode) both = hn::And(both, compare.postcode(b, i, wanted.postcode));
    Mask candidates = hn::And(here, hn::Ne(both, set(0)));
    if (may_be_settled) {
      const Mask settled = hn::And(here, hn::Ne(hn::And(hn::Or(nhs, birth), set(WantedPatterns::kSettled)), set(0)));
      result.settled += hn::CountTrue(d, settled);
      candidates = hn::AndNot(settled, candidates);
    }
    if (HWY_LIKELY(hn::AllFalse(d, candidates))) continue;
    Pattern patterns[32];
    std::uint8_t bits[8] = {};
    hn::StoreU(compare.patterns(b, i), d, patterns);
    hn::StoreMaskBits(d, candidates, bits);
    std::uint64_t left;
    std::memcpy(&left, bits, sizeof left);
    for (; left != 0; left &= left - 1) {
      const auto lane = static_cast<std::size_t>(__builtin_ctzll(left));
      found[result.wanted] = {static_cast<std::uint32_t>(i + lane), patterns[lane]};
      result.wanted += wanted.has(patterns[lane]);
    }
  }
  return result;
}

const char* target_name() {
  return hwy::TargetName(HWY_TARGET);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ligature
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "engine/postcode.hpp"
#include "engine/simd_targets.hpp"
#include "engine/two_digits.hpp"

namespace ligature {

HWY_EXPORT(one_to_many);
HWY_EXPORT(wanted_of_many);
HWY_EXPORT(target_name);

namespace {

// A full vector may be read from any index below the size.
constexpr std::size_t kPadding = 32;

}  // namespace

void IdentityColumns::resize(std::size_t size) {
  size_ = size;
  stride_ = size_ + kPadding;
  if (data_.size() < stride_ * Column::count) data_.resize(stride_ * Column::count);
}

void IdentityColumns::set(std::size_t index, const Identity& identity) {
  const auto put = [&](std::size_t column, std::uint64_t value) {
    data_[column * stride_ + index] = static_cast<std::uint16_t>(value);
  };
  const std::uint64_t number = identity.nhs();
  const auto high = static_cast<std::uint32_t>(number / 10'000), low = static_cast<std::uint32_t>(number % 10'000);
  const std::uint32_t pairs[5] = {high / 10'000, high / 100 % 100, high % 100, low / 100, low % 100};
  for (std::size_t c = 0; c < 5; ++c) put(nhs + c, number == 0 ? 0 : kTwoDigits[pairs[c]]);
  const std::uint32_t birth = birth_digits_bcd(identity.date_of_birth());
  put(year, birth >> 16);
  put(month_day, birth);
  const std::uint64_t characters = postcode_bytes(identity.postcode()) << 8;
  for (std::size_t c = 0; c < 4; ++c) put(postcode + c, characters >> (48 - 16 * c));
  const Gender given = identity.gender();
  put(gender, given == Gender::male || given == Gender::female ? static_cast<std::uint64_t>(given) : 0);
}

void IdentityColumns::assign(std::span<const Identity> identities) {
  resize(identities.size());
  for (std::size_t i = 0; i < identities.size(); ++i) set(i, identities[i]);
}

WantedPatterns::WantedPatterns(const std::array<bool, kPatterns>& wanted, bool births_settled, Shared shared)
    : wanted_(wanted), births_settled_(births_settled), shared_(shared) {
  for (std::size_t p = 0; p < kPatterns; ++p) {
    const Levels levels = levels_of(static_cast<Pattern>(p));
    if (levels.nhs == NhsLevel::exact || (births_settled && levels.birth == BirthLevel::exact)) continue;
    if (shared == Shared::birth && levels.birth != BirthLevel::exact) continue;
    if (shared == Shared::postcode && levels.postcode != PostcodeLevel::exact) continue;
    if (!wanted[p]) continue;
    const auto bit = static_cast<std::uint16_t>(1U << static_cast<unsigned>(levels.nhs));
    nhs[static_cast<std::size_t>(levels.nhs)] |= bit;
    birth[static_cast<std::size_t>(levels.birth)] |= bit;
    postcode[static_cast<std::size_t>(levels.postcode)] |= bit;
  }
  nhs.back() = kSettled;
  if (births_settled) birth.back() = kSettled;
}

void compare_one_to_many(const IdentityColumns& a, std::size_t query, const IdentityColumns& b, std::size_t begin,
                         std::size_t end, Pattern* patterns) {
  ensure_simd_targets();
  HWY_DYNAMIC_DISPATCH(one_to_many)(a, query, b, begin, end, patterns);
}

FoundPairs find_wanted(const IdentityColumns& a, std::size_t query, const IdentityColumns& b, std::size_t begin,
                       std::size_t end, const WantedPatterns& wanted, FoundPair* found) {
  ensure_simd_targets();
  return HWY_DYNAMIC_DISPATCH(wanted_of_many)(a, query, b, begin, end, wanted, found);
}

const char* pair_kernel_target() {
  ensure_simd_targets();
  return HWY_DYNAMIC_DISPATCH(target_name)();
}

}  // namespace ligature
#endif
