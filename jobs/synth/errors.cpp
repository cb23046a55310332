#include "jobs/synth/errors.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace ligature::synthetic {
namespace {

namespace draw {
enum Registration : std::uint64_t {
  kSuperseded,
  kBirthWrong,
  kBirthPlaceholder,
  kPlaceholderKind,
  kBirthMissing,
  kGenderWrong,
  kGenderMissing,
  kBirthError = 64
};
enum Row : std::uint64_t {
  kNewborn,
  kMissing,
  kFiller,
  kFillerKind,
  kOther,
  kOtherWhose,
  kOtherPerson,
  kMistyped,
  kPostcodeMissing,
  kPostcodePseudo,
  kPseudoKind,
  kPostcodeMistyped,
  kSpelling,
  kSpellingKind,
  kResubmitted,
  kMalformed,
  kLocalIdMissing,
  kLocalIdWrong,
  kNumberError = 64,
  kPostcodeError = 128  // from 192 on: extracts.cpp
};
enum BirthError : std::uint64_t { kPart = kBirthError, kHow, kSign, kAny, kDay, kMonth, kYear, kStep = 8 };
enum NumberError : std::uint64_t { kNumberHow = kNumberError, kPosition, kDigit };
enum PostcodeError : std::uint64_t { kPostcodeHow = kPostcodeError, kReplacement };
}  // namespace draw

constexpr std::array<std::string_view, kErrorKinds> kErrorNames = {
    "nhs_missing",        "nhs_filler",       "nhs_mistyped",      "nhs_other_person", "nhs_superseded",
    "newborn_unnumbered", "birth_wrong",      "birth_placeholder", "birth_missing",    "gender_wrong",
    "gender_missing",     "postcode_moved",   "postcode_mistyped", "postcode_missing", "postcode_pseudo",
    "postcode_spelling",  "local_id_missing", "local_id_wrong",    "resubmitted",      "malformed"};

constexpr std::array<std::uint64_t, 3> kFillers = {0, 9'999'999'999, 1'234'567'890};
// Not known, England not otherwise specified, Northern Ireland, Wales, Ireland, India (NHS postcode directory).
constexpr std::array<std::string_view, 6> kPseudoPostcodes = {"3WZ", "3CZ", "2WZ", "3GZ", "3AZ", "6CZ"};
constexpr std::string_view kNoFixedAbode = "3VZ";
constexpr std::string_view kUnitLetters = "ABDEFGHJLNPQRSTUWXYZ";

// 423 of 126,904 people differ in gender between two systems: 367 of them male against female.
// 624 differ in date of birth: by one part 582 (day 274, month 172, year 136).
struct PartErrors {
  double off_by_one, off_by_two, digits_swapped;  // shares among errors of this part; the rest is any other value
};
constexpr double kDayOnly = 274.0 / 624, kMonthOnly = 172.0 / 624, kYearOnly = 136.0 / 624;
constexpr PartErrors kDayErrors{74.0 / 274, 41.0 / 274, 8.0 / 274};
constexpr PartErrors kMonthErrors{64.0 / 172, 33.0 / 172, 7.0 / 172};
constexpr PartErrors kYearErrors{55.0 / 136, 18.0 / 136, 2.0 / 136};
constexpr double kDayMonthSwap = 3.0 / 42;  // of the 42 with several parts wrong

int wrong_part(int value, int lowest, int highest, const PartErrors& errors, const Random& random,
               std::uint64_t attempt) noexcept {
  const std::uint64_t base = attempt * draw::kStep;
  const double how = random.unit(base + draw::kHow);
  const int sign = (random.bits(base + draw::kSign) >> 63U) != 0 ? 1 : -1;
  if (how < errors.off_by_one) return value + sign;
  if (how < errors.off_by_one + errors.off_by_two) return value + 2 * sign;
  if (how < errors.off_by_one + errors.off_by_two + errors.digits_swapped) {
    return value / 100 * 100 + value % 10 * 10 + value / 10 % 10;
  }
  return lowest + static_cast<int>(random.below(base + draw::kAny, static_cast<std::uint32_t>(highest - lowest + 1)));
}

bool is_possible_birth(const CivilDate& date) noexcept {
  return date.year >= 1900 && is_calendar_date(date) &&
         std::tuple(date.year, date.month, date.day) < std::tuple(kAsAt.year, kAsAt.month, kAsAt.day);
}

CivilDate placeholder_birth(const CivilDate& birth, const Random& random) noexcept {
  const std::uint32_t kind = random.below(draw::kPlaceholderKind, 10);
  if (kind < 6) return {1900, 1, 1};
  if (kind < 8) return {1800, 1, 1};
  return {birth.year, 1, 1};
}

}  // namespace

std::string_view error_name(ErrorKind kind) noexcept {
  return kErrorNames[static_cast<std::size_t>(kind)];
}

CivilDate wrong_birth(const CivilDate& birth, const Random& random) noexcept {
  const double part = random.unit(draw::kPart);
  for (std::uint64_t attempt = 0; attempt < 16; ++attempt) {
    const std::uint64_t base = attempt * draw::kStep;
    CivilDate date = birth;
    if (part < kDayOnly) {
      date.day = wrong_part(birth.day, 1, 31, kDayErrors, random, attempt);
    } else if (part < kDayOnly + kMonthOnly) {
      date.month = wrong_part(birth.month, 1, 12, kMonthErrors, random, attempt);
    } else if (part < kDayOnly + kMonthOnly + kYearOnly) {
      date.year = wrong_part(birth.year, birth.year - 20, birth.year + 20, kYearErrors, random, attempt);
    } else if (random.unit(base + draw::kHow) < kDayMonthSwap) {
      std::swap(date.day, date.month);
    } else {
      date.day = 1 + static_cast<int>(random.below(base + draw::kDay, 28));
      date.month = 1 + static_cast<int>(random.below(base + draw::kMonth, 12));
      date.year += static_cast<int>(random.below(base + draw::kYear, 9)) - 4;
    }
    if (date != birth && is_possible_birth(date)) return date;
  }
  return {birth.year - 1, birth.month, std::min(birth.day, 28)};
}

std::uint64_t mistyped_number(std::uint64_t nhs, const Random& random) noexcept {
  constexpr double kSubstitutions = 0.6;
  std::uint64_t power = 1;
  for (std::uint32_t i = random.below(draw::kPosition, 9); i > 0; --i) power *= 10;
  const std::uint64_t low = nhs / power % 10, high = nhs / power / 10 % 10;
  if (random.unit(draw::kNumberHow) >= kSubstitutions && low != high) {
    return nhs - (high * 10 + low) * power + (low * 10 + high) * power;
  }
  const std::uint64_t digit = (low + 1 + random.below(draw::kDigit, 9)) % 10;
  return nhs - low * power + digit * power;
}

PostcodeText mistyped_postcode(const PostcodeText& postcode, const Random& random) noexcept {
  PostcodeText text = postcode;
  const std::uint32_t how = random.below(draw::kPostcodeHow, 10);
  if (how < 3 && text.inward[1] != text.inward[2]) {
    std::swap(text.inward[1], text.inward[2]);
    return text;
  }
  char& character = how < 5   ? text.inward[0]
                    : how < 7 ? text.inward[1]
                    : how < 9 ? text.inward[2]
                              : text.outward[text.outward_length - 1];
  const std::uint32_t shift = random.below(draw::kReplacement, 9);
  if (character >= '0' && character <= '9') {
    // A district has no leading zero: its last digit may become any but the same.
    const auto digit = static_cast<std::uint32_t>(character - '0');
    character = static_cast<char>('0' + (digit + 1 + shift) % 10);
    if (how == 9 && text.outward[text.outward_length - 2] > '9' && character == '0') character = digit == 9 ? '8' : '9';
  } else {
    const std::size_t at = kUnitLetters.find(character);
    character = kUnitLetters[(at + 1 + shift) % kUnitLetters.size()];
  }
  return text;
}

PostcodeText no_fixed_abode() noexcept {
  return make_postcode("ZZ99", kNoFixedAbode);
}

Place known_address(const Person& person, std::uint64_t neighbourhood, const Addresses& addresses, System system,
                    DayNumber day) noexcept {
  const Place home{static_cast<std::uint32_t>(neighbourhood), person.unit};
  if (!addresses.moved) return home;
  if (system == System::practice) return addresses.practice_is_behind ? addresses.earlier : home;
  if (addresses.practice_is_behind) return home;
  if (system == System::second_trust) return addresses.earliest;
  return addresses.trust_learns && day >= addresses.trust_learns_on ? home : addresses.earlier;
}

ErrorModel::ErrorModel(const Population& population, const SynthArguments& arguments) : population_(population) {
  const SynthRates& rates = arguments.rates;
  const auto scaled = [&](double rate) { return Chance(std::min(1.0, rate * arguments.error_scale)); };
  chances_.nhs_missing = {scaled(rates.nhs_missing_gp), scaled(rates.nhs_missing_inpatient),
                          scaled(rates.nhs_missing_outpatient), scaled(rates.nhs_missing_ae)};
  chances_.newborn_unnumbered = scaled(rates.newborn_unnumbered);
  chances_.nhs_superseded = scaled(rates.nhs_superseded);
  chances_.nhs_mistyped = scaled(rates.nhs_mistyped);
  chances_.nhs_other_person = scaled(rates.nhs_other_person);
  chances_.nhs_filler = scaled(rates.nhs_filler);
  chances_.birth_wrong = scaled(rates.birth_wrong);
  chances_.birth_placeholder = scaled(rates.birth_placeholder);
  chances_.birth_missing = scaled(rates.birth_missing);
  chances_.gender_wrong = scaled(rates.gender_wrong);
  chances_.gender_missing = scaled(rates.gender_missing);
  chances_.postcode_mistyped = scaled(rates.postcode_mistyped);
  chances_.postcode_missing = scaled(rates.postcode_missing);
  chances_.postcode_pseudo = scaled(rates.postcode_pseudo);
  chances_.postcode_spelling = scaled(rates.postcode_spelling);
  chances_.local_id_missing = scaled(rates.local_id_missing);
  chances_.local_id_wrong = scaled(rates.local_id_wrong);
  chances_.resubmitted = scaled(rates.resubmitted);
  chances_.malformed = scaled(rates.malformed);
}

Registration ErrorModel::registration(const Resident& resident, System system) const noexcept {
  const Person& person = resident.person();
  const Random random =
      population_.random(Subject::registration, resident.id() * kSystems + static_cast<std::uint64_t>(system));
  Registration registration;
  registration.nhs = population_.nhs_number(person);
  registration.birth = civil_date(person.birth);
  registration.gender = person.female ? Gender::female : Gender::male;
  if (system != System::practice && random.happens(draw::kSuperseded, chances_.nhs_superseded)) {
    if (const auto replaced = population_.replaced_number(person)) {
      registration.nhs = *replaced;
      registration.errors |= bit(ErrorKind::nhs_superseded);
    }
  }
  if (random.happens(draw::kBirthWrong, chances_.birth_wrong)) {
    registration.birth = wrong_birth(registration.birth, random);
    registration.errors |= bit(ErrorKind::birth_wrong);
  } else if (random.happens(draw::kBirthPlaceholder, chances_.birth_placeholder)) {
    registration.birth = placeholder_birth(registration.birth, random);
    registration.errors |= bit(ErrorKind::birth_placeholder);
  } else if (random.happens(draw::kBirthMissing, chances_.birth_missing)) {
    registration.birth = {};
    registration.errors |= bit(ErrorKind::birth_missing);
  }
  if (random.happens(draw::kGenderWrong, chances_.gender_wrong)) {
    registration.gender = person.female ? Gender::male : Gender::female;
    registration.errors |= bit(ErrorKind::gender_wrong);
  } else if (random.happens(draw::kGenderMissing, chances_.gender_missing)) {
    registration.gender = Gender::unknown;
    registration.errors |= bit(ErrorKind::gender_missing);
  }
  return registration;
}

// Half the time a member of the household's, else anybody's.
std::uint64_t ErrorModel::other_number(const Resident& resident, const Random& random) const noexcept {
  const Person& person = resident.person();
  if (person.members > 1 && (random.bits(draw::kOtherWhose) >> 63U) != 0) {
    const std::uint32_t place = resident.index - person.first_member;
    const std::uint32_t other = (place + 1 + random.below(draw::kOtherPerson, person.members - 1U)) % person.members;
    return population_.nhs_number(resident.people[person.first_member + other]);
  }
  const std::uint64_t slots = population_.neighbourhoods() * kNeighbourhoodPeople;
  const std::uint64_t step = 1 + random.below(draw::kOtherPerson, static_cast<std::uint32_t>(slots - 1));
  return population_.nhs_number_of_slot((person.slot + step) % slots);
}

Random ErrorModel::row_random(const Resident& resident, Source source, std::uint32_t row) const noexcept {
  return population_.random(Subject::row,
                            (resident.id() << 12U) | (static_cast<std::uint64_t>(source) << 10U) | std::uint64_t{row});
}

RecordedRow ErrorModel::record(const Resident& resident, const Addresses& addresses, const Registration& registration,
                               Source source, System system, DayNumber event, std::uint32_t row) const noexcept {
  const Person& person = resident.person();
  const Random random = row_random(resident, source, row);
  RecordedRow recorded;
  recorded.errors = registration.errors;
  const auto note = [&](ErrorKind kind) { recorded.errors |= bit(kind); };

  constexpr int kNewbornDays = 28;
  recorded.nhs = registration.nhs;
  const auto lose_number = [&](ErrorKind kind) {
    recorded.errors &= ~bit(ErrorKind::nhs_superseded);
    note(kind);
  };
  if (source != Source::gp && event - person.birth < kNewbornDays &&
      random.happens(draw::kNewborn, chances_.newborn_unnumbered)) {
    recorded.nhs = kNoNumber;
    lose_number(ErrorKind::newborn_unnumbered);
  } else if (random.happens(draw::kMissing, chances_.nhs_missing[static_cast<std::size_t>(source)])) {
    recorded.nhs = kNoNumber;
    lose_number(ErrorKind::nhs_missing);
  } else if (random.happens(draw::kFiller, chances_.nhs_filler)) {
    recorded.nhs = kFillers[random.below(draw::kFillerKind, kFillers.size())];
    lose_number(ErrorKind::nhs_filler);
  } else if (random.happens(draw::kOther, chances_.nhs_other_person)) {
    recorded.nhs = other_number(resident, random);
    lose_number(ErrorKind::nhs_other_person);
  } else if (random.happens(draw::kMistyped, chances_.nhs_mistyped)) {
    recorded.nhs = mistyped_number(recorded.nhs, random);
    note(ErrorKind::nhs_mistyped);
  }

  const Place home{static_cast<std::uint32_t>(resident.neighbourhood), person.unit};
  const Place known = known_address(person, resident.neighbourhood, addresses, system, event);
  if (random.happens(draw::kPostcodeMissing, chances_.postcode_missing)) {
    note(ErrorKind::postcode_missing);
  } else if (random.happens(draw::kPostcodePseudo, chances_.postcode_pseudo)) {
    recorded.postcode =
        make_postcode("ZZ99", kPseudoPostcodes[random.below(draw::kPseudoKind, kPseudoPostcodes.size())]);
    note(ErrorKind::postcode_pseudo);
  } else if (person.no_fixed_abode) {
    recorded.postcode = no_fixed_abode();
  } else {
    recorded.postcode = postcode_of(known);
    if (known != home) note(ErrorKind::postcode_moved);
    if (random.happens(draw::kPostcodeMistyped, chances_.postcode_mistyped)) {
      recorded.postcode = mistyped_postcode(recorded.postcode, random);
      note(ErrorKind::postcode_mistyped);
    }
  }
  if (recorded.postcode.outward_length > 0 && random.happens(draw::kSpelling, chances_.postcode_spelling)) {
    recorded.spelling = static_cast<Spelling>(1 + random.below(draw::kSpellingKind, 3));
    note(ErrorKind::postcode_spelling);
  }
  if (random.happens(draw::kLocalIdMissing, chances_.local_id_missing)) {
    recorded.local_id = LocalId::missing;
    note(ErrorKind::local_id_missing);
  } else if (random.happens(draw::kLocalIdWrong, chances_.local_id_wrong)) {
    recorded.local_id = LocalId::of_another;
  }
  recorded.resubmitted = random.happens(draw::kResubmitted, chances_.resubmitted);
  if (random.happens(draw::kMalformed, chances_.malformed)) note(ErrorKind::malformed);
  return recorded;
}

}  // namespace ligature::synthetic
