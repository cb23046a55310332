// The pair kernel, compiled once for every instruction set that Highway knows here and chosen at run time.
//
// A 64-bit lane holds one identity's digits.  Of the exclusive or of two lanes, a flag a digit says where they differ:
// no flag is equality, one flag a one-digit error, two neighbouring flags over equal differences a possible exchange.
// Bit tricks: Warren, Hacker's Delight, sections 2-1 (lowest set bit) and 6-1 (zero bytes).
#include "engine/pair_kernel.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/pair_kernel.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "engine/error.hpp"

HWY_BEFORE_NAMESPACE();
namespace ligature {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// At most eight lanes, so that the columns' padding is the same on every machine.
using Lanes64 = hn::CappedTag<std::uint64_t, 8>;
using Vector = hn::Vec<Lanes64>;

// What a level adds to the pattern.
constexpr std::uint64_t kGenderStep = 1;
constexpr std::uint64_t kPostcodeStep = kGenderLevels;
constexpr std::uint64_t kBirthStep = kPostcodeStep * kPostcodeLevels;
constexpr std::uint64_t kNhsStep = kBirthStep * kBirthLevels;

HWY_INLINE Vector set(std::uint64_t value) {
  return hn::Set(Lanes64(), value);
}

// One bit (the lowest) for each nibble of x that is not zero.
HWY_INLINE Vector nibble_flags(Vector x) {
  x = hn::Or(x, hn::ShiftRight<1>(x));
  x = hn::Or(x, hn::ShiftRight<2>(x));
  return hn::And(x, set(0x1111111111111111ULL));
}

HWY_INLINE Vector without_lowest_bit(Vector x) {
  return hn::And(x, hn::Sub(x, set(1)));
}

// Zero where the digit strings differ in exactly two neighbouring digits that are exchanged (or not at all).
// x: exclusive or of both; neighbours: the query's digits, each exclusive-ored with the next higher one.
HWY_INLINE Vector not_swapped(Vector x, Vector neighbours, Vector lowest, Vector rest) {
  const Vector next = hn::ShiftLeft<4>(lowest);
  const Vector low_digit = hn::Sub(next, lowest);
  // Exchanged digits p, q differ by p^q in both places.
  const Vector unequal = hn::Or(hn::Xor(x, hn::ShiftRight<4>(x)), hn::Xor(x, neighbours));
  return hn::Or(hn::Xor(rest, next), hn::And(unequal, low_digit));
}

// The comparisons below hold one identity's value as a scalar, since vectors of unknown size cannot be members; the
// compiler moves their broadcasts out of the loop.  A level counts nothing where the query misses the identifier.
class Comparison {
 public:
  HWY_INLINE Comparison(std::uint64_t query, std::uint64_t level_step)
      : query_(query), step_(query == 0 ? 0 : level_step) {}

 protected:
  HWY_INLINE Vector query() const { return set(query_); }
  HWY_INLINE Vector neighbours() const { return set(query_ ^ (query_ >> 4)); }
  template <typename Level>
  HWY_INLINE Vector at(Level level) const {
    return set(static_cast<std::uint64_t>(level) * step_);
  }
  std::uint64_t query_, step_;
};

struct NhsComparison : Comparison {
  explicit HWY_INLINE NhsComparison(std::uint64_t query) : Comparison(query, kNhsStep) {}

  HWY_INLINE Vector operator()(Vector b) const {
    const Vector zero = hn::Zero(Lanes64());
    const Vector x = hn::Xor(query(), b);
    const Vector flags = nibble_flags(x);
    const Vector rest = without_lowest_bit(flags);
    const Vector unswapped = not_swapped(x, neighbours(), hn::Xor(flags, rest), rest);
    Vector level = hn::IfThenElse(hn::Eq(unswapped, zero), at(NhsLevel::near), at(NhsLevel::other));
    level = hn::IfThenElse(hn::Eq(rest, zero), at(NhsLevel::near), level);
    level = hn::IfThenElse(hn::Eq(x, zero), at(NhsLevel::exact), level);
    return hn::IfThenZeroElse(hn::Eq(b, zero), level);
  }
};

struct BirthComparison : Comparison {
  explicit HWY_INLINE BirthComparison(std::uint64_t query) : Comparison(query, kBirthStep) {}

  HWY_INLINE Vector operator()(Vector b) const {
    const Vector zero = hn::Zero(Lanes64());
    const Vector x = hn::Xor(query(), b);
    const Vector flags = nibble_flags(x);
    const Vector rest = without_lowest_bit(flags);
    const Vector lowest = hn::Xor(flags, rest);
    // Neighbours of two parts (month and day, year and month) are not exchanged by a slip of the pen.
    const Vector crossing = hn::And(lowest, set(0x1010));
    const Vector unswapped = hn::Or(not_swapped(x, neighbours(), lowest, rest), crossing);
    const Vector year = hn::And(x, set(0xFFFF0000)), month = hn::And(x, set(0xFF00)), day = hn::And(x, set(0xFF));
    Vector level = hn::IfThenElse(hn::Eq(year, zero), at(BirthLevel::same_year), at(BirthLevel::other));
    level = hn::IfThenElse(hn::Eq(hn::Or(month, day), zero), at(BirthLevel::two_parts), level);
    level = hn::IfThenElse(hn::Eq(hn::Or(year, day), zero), at(BirthLevel::two_parts), level);
    level = hn::IfThenElse(hn::Eq(hn::Or(year, month), zero), at(BirthLevel::two_parts), level);
    level = hn::IfThenElse(hn::Eq(rest, zero), at(BirthLevel::one_digit), level);
    level = hn::IfThenElse(hn::Eq(unswapped, zero), at(BirthLevel::swapped), level);
    level = hn::IfThenElse(hn::Eq(b, set(day_and_month_exchanged())), at(BirthLevel::swapped), level);
    level = hn::IfThenElse(hn::Eq(x, zero), at(BirthLevel::exact), level);
    return hn::IfThenZeroElse(hn::Eq(b, zero), level);
  }

 private:
  // What the other side holds if day and month were switched on entry.
  HWY_INLINE std::uint64_t day_and_month_exchanged() const {
    return (query_ & ~std::uint64_t{0xFFFF}) | ((query_ & 0xFF) << 8) | ((query_ >> 8) & 0xFF);
  }
};

struct PostcodeComparison : Comparison {
  explicit HWY_INLINE PostcodeComparison(std::uint64_t query) : Comparison(query, kPostcodeStep) {}

  HWY_INLINE Vector operator()(Vector b) const {
    const Vector zero = hn::Zero(Lanes64());
    const Vector x = hn::Xor(query(), b);
    // Every byte is below 0x80, so adding 0x7F carries into the top bit of just those bytes that are not zero.
    const Vector flags = hn::And(hn::Add(x, set(0x7F7F7F7F7F7F7F7FULL)), set(0x8080808080808080ULL));
    const Vector rest = without_lowest_bit(flags);
    const Vector lowest = hn::Xor(flags, rest);
    // Two neighbouring characters exchanged: they differ by the same bits, those in which the query's two differ.
    const Vector low_character = hn::Sub(lowest, hn::ShiftRight<7>(lowest));
    const Vector unequal = hn::Or(hn::Xor(x, hn::ShiftRight<8>(x)), hn::Xor(x, set(query_ ^ (query_ >> 8))));
    const Vector unswapped = hn::Or(hn::Xor(rest, hn::ShiftLeft<8>(lowest)), hn::And(unequal, low_character));
    Vector level =
        hn::IfThenElse(hn::Eq(hn::ShiftRight<40>(x), zero), at(PostcodeLevel::area), at(PostcodeLevel::other));
    level = hn::IfThenElse(hn::Eq(hn::ShiftRight<24>(x), zero), at(PostcodeLevel::district), level);
    level = hn::IfThenElse(hn::Eq(hn::ShiftRight<16>(x), zero), at(PostcodeLevel::sector), level);
    level = hn::IfThenElse(hn::Eq(unswapped, zero), at(PostcodeLevel::near), level);
    level = hn::IfThenElse(hn::Eq(rest, zero), at(PostcodeLevel::near), level);
    level = hn::IfThenElse(hn::Eq(x, zero), at(PostcodeLevel::exact), level);
    return hn::IfThenZeroElse(hn::Eq(b, zero), level);
  }
};

struct GenderComparison : Comparison {
  explicit HWY_INLINE GenderComparison(std::uint64_t query) : Comparison(query, kGenderStep) {}

  HWY_INLINE Vector operator()(Vector b) const {
    const Vector level = hn::IfThenElse(hn::Eq(query(), b), at(GenderLevel::same), at(GenderLevel::different));
    return hn::IfThenZeroElse(hn::Eq(b, hn::Zero(Lanes64())), level);
  }
};

void one_to_many(const IdentityColumns& a, std::size_t query, const IdentityColumns& b, std::size_t begin,
                 std::size_t end, Pattern* HWY_RESTRICT patterns) {
  const Lanes64 d;
  const hn::Rebind<std::uint16_t, Lanes64> d16;
  const NhsComparison nhs(a.nhs()[query]);
  const BirthComparison birth(a.birth()[query]);
  const PostcodeComparison postcode(a.postcode()[query]);
  const GenderComparison gender(a.gender()[query]);
  for (std::size_t i = begin; i < end; i += hn::Lanes(d)) {
    const Vector identifiers = hn::Add(nhs(hn::LoadU(d, b.nhs() + i)), birth(hn::LoadU(d, b.birth() + i)));
    const Vector rest = hn::Add(postcode(hn::LoadU(d, b.postcode() + i)), gender(hn::LoadU(d, b.gender() + i)));
    hn::StoreU(hn::TruncateTo(d16, hn::Add(identifiers, rest)), d16, patterns + (i - begin));
  }
}

const char* target_name() {
  return hwy::TargetName(HWY_TARGET);
}

}  // namespace HWY_NAMESPACE
}  // namespace ligature
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "engine/nhs_number.hpp"
#include "engine/postcode.hpp"

namespace ligature {

HWY_EXPORT(one_to_many);
HWY_EXPORT(target_name);

namespace {

// A full vector may be read from any index below the size.
constexpr std::size_t kPadding = 8;

// Applies LIGATURE_SIMD.  Better targets have lower bits in Highway.
bool restrict_targets() {
  const char* const variable = std::getenv("LIGATURE_SIMD");
  const std::string wanted = variable == nullptr ? "" : variable;
  if (wanted == "baseline") {
    hwy::DisableTargets(HWY_STATIC_TARGET - 1);
  } else if (wanted == "avx2") {
#if HWY_ARCH_X86
    hwy::DisableTargets(HWY_AVX2 - 1);
#endif
  } else if (!wanted.empty() && wanted != "avx512") {
    throw UsageError("LIGATURE_SIMD must be baseline, avx2 or avx512");
  }
  return true;
}

// Reads the environment at the first comparison, once for all threads.
void ensure_targets() {
  static const bool restricted = restrict_targets();
  static_cast<void>(restricted);
}

}  // namespace

void IdentityColumns::assign(std::span<const Identity> identities) {
  size_ = identities.size();
  for (std::vector<std::uint64_t>* column : {&nhs_, &birth_, &postcode_, &gender_}) {
    column->resize(size_ + kPadding);
    std::fill(column->end() - kPadding, column->end(), 0);
  }
  for (std::size_t i = 0; i < size_; ++i) {
    const Identity& identity = identities[i];
    nhs_[i] = nhs_digits_bcd(identity.nhs());
    birth_[i] = birth_digits_bcd(identity.date_of_birth());
    postcode_[i] = postcode_bytes(identity.postcode());
    const Gender gender = identity.gender();
    gender_[i] = gender == Gender::male || gender == Gender::female ? static_cast<std::uint64_t>(gender) : 0;
  }
}

void compare_one_to_many(const IdentityColumns& a, std::size_t query, const IdentityColumns& b, std::size_t begin,
                         std::size_t end, Pattern* patterns) {
  ensure_targets();
  HWY_DYNAMIC_DISPATCH(one_to_many)(a, query, b, begin, end, patterns);
}

const char* pair_kernel_target() {
  ensure_targets();
  return HWY_DYNAMIC_DISPATCH(target_name)();
}

}  // namespace ligature
#endif
