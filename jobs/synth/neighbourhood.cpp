// A neighbourhood, household by household.
//
// Household types and sizes: 2011 census of England (KS105EW, KS406EW).  Twins: ONS births by characteristics; their
// course before 2012 is assumed.  Establishments: sizes assumed, shares by docs/synthetic-data.md.
#include <algorithm>
#include <array>
#include <utility>

#include "jobs/synth/population.hpp"

namespace ligature::synthetic {
namespace {

// Purposes of draws, one list a subject.
namespace draw {
enum Neighbourhood : std::uint64_t {
  kHalls,
  kHallsSize,
  kPrison,
  kPrisonSize,
  kCareHomes,
  kHomeSizes = 100,
  kUnitSizes = 1000
};
enum Establishment : std::uint64_t { kResidents = 16 };
enum Household : std::uint64_t {
  kType,
  kShape,
  kLead,
  kLead2,
  kPartner,
  kChildren,
  kYoungest,
  kTwins = 32,
  kSex = 64,
  kSpacing = 96,
  kOther = 128
};
enum PersonDraw : std::uint64_t { kJanuary, kHomeless };
}  // namespace draw

constexpr double kDaysPerYear = 365.25;
constexpr double kSameSexTwins = 0.64;
constexpr double kBoys = 0.512;
constexpr std::size_t kStreetsApart = 600;   // people between grown twins who live apart: some fifteen postcodes
constexpr std::size_t kMaxCommunal = 9'000;  // a neighbourhood keeps some ordinary households

// Shares of household types among 1,000 households, 2011 census of England (table KS105EW, rounded).
enum class HouseholdType {
  one_over_65,
  one_under_65,
  couple_over_65,
  couple,
  family,
  family_grown,
  lone_parent,
  lone_parent_grown,
  other
};
constexpr std::array<std::pair<HouseholdType, std::uint32_t>, 9> kHouseholdTypes = {{
    {HouseholdType::one_over_65, 124},
    {HouseholdType::one_under_65, 179},
    {HouseholdType::couple_over_65, 81},
    {HouseholdType::couple, 176},
    {HouseholdType::family, 193},
    {HouseholdType::family_grown, 61},
    {HouseholdType::lone_parent, 71},
    {HouseholdType::lone_parent_grown, 35},
    {HouseholdType::other, 80},
}};

// Twin maternities by year of birth as a share of the 2013 level: 12.5 per 1,000 in 1940, 9.8 in 1980, 15.8 in 2013.
double twins_in(int year) noexcept {
  if (year <= 1940) return 0.79;
  if (year <= 1980) return 0.79 - 0.17 * (year - 1940) / 40.0;
  return 0.62 + 0.38 * (year - 1980) / 33.0;
}

struct PendingTwin {
  std::uint16_t index = 0;  // of the twin who is already there
  DayNumber birth = kMissingDay;
  bool female = false;
};

// Makes one neighbourhood, household by household.
class Builder {
 public:
  Builder(std::uint64_t seed, std::uint64_t n, const SynthRates& rates)
      : seed_(seed),
        n_(n),
        rates_(rates),
        random_(seed, Subject::neighbourhood, n),
        as_at_(static_cast<double>(day_number(kAsAt).value_or(1))) {
    people_.reserve(kNeighbourhoodPeople);
  }

  std::vector<Person> build() {
    establishments();
    while (people_.size() < kNeighbourhoodPeople) household();
    people_.resize(kNeighbourhoodPeople);
    for (std::size_t i = 0; i < people_.size(); ++i) finish(i);
    neighbouring_numbers();
    return std::move(people_);
  }

 private:
  DayNumber birth_at_age(double years) const noexcept {
    const double day = as_at_ - 1 - years * kDaysPerYear;
    return day < 1 ? DayNumber{1} : static_cast<DayNumber>(day);
  }

  void add(DayNumber birth, bool female, std::uint16_t first) {
    Person person;
    person.birth = birth;
    person.female = female;
    person.unit = static_cast<std::uint16_t>(unit_);
    person.first_member = first;
    people_.push_back(person);
  }

  // At the default share a neighbourhood has two care homes of 35 beds; one in twenty has a hall of residence of 400 to
  // 4,900 students, most of them small, and one in fifty a prison of 750: 150 of 10,000 people.
  void establishments() {
    constexpr double kShare = 0.015;
    const double scale = rates_.communal / kShare;
    if (random_.happens(draw::kHalls, Chance(0.05 * scale))) {
      const double u = random_.unit(draw::kHallsSize);
      establishment(400 + static_cast<std::size_t>(4'500 * u * u * u * u), 18, 5, 0.54);
    }
    if (random_.happens(draw::kPrison, Chance(0.02 * scale))) {
      establishment(300 + random_.below(draw::kPrisonSize, 900), 18, 50, 0.05);
    }
    const auto homes = static_cast<std::size_t>(4 * scale * random_.unit(draw::kCareHomes) + (scale > 0 ? 0.5 : 0));
    for (std::size_t home = 0; home < homes && next_establishment_ > kStreetUnits + 2; ++home) {
      establishment(15 + random_.below(draw::kHomeSizes + home, 41), 70, 29, 0.72);
    }
  }

  void establishment(std::size_t beds, double youngest, double years, double women) {
    beds = std::min(beds, kMaxCommunal - std::min(kMaxCommunal, people_.size()));
    unit_ = --next_establishment_;
    const Random random(seed_, Subject::establishment, n_ * kUnitsPerSector + unit_);
    for (std::uint64_t bed = 0; bed < beds; ++bed) {
      add(birth_at_age(youngest + years * random.unit(draw::kResidents + 2 * bed)),
          random.happens(draw::kResidents + 2 * bed + 1, Chance(women)), static_cast<std::uint16_t>(people_.size()));
      people_.back().communal = true;
    }
  }

  // Homes stand in streets: 4 % of unit postcodes are one household, most hold 2 to 60, a few up to 100.
  void next_home() {
    if (homes_left_ == 0) {
      if (started_ && street_ + 1 < kStreetUnits) ++street_;
      started_ = true;
      const std::uint64_t purpose = draw::kUnitSizes + 4 * static_cast<std::uint64_t>(street_);
      const double kind = random_.unit(purpose);
      const double a = random_.unit(purpose + 1), b = random_.unit(purpose + 2);
      homes_left_ = kind < 0.04   ? 1
                    : kind < 0.06 ? 60 + static_cast<std::uint32_t>(41 * a)
                                  : 2 + static_cast<std::uint32_t>(60 * a * b);
    }
    --homes_left_;
    unit_ = street_;
  }

  void household() {
    next_home();
    const Random random(seed_, Subject::household, n_ * kNeighbourhoodPeople + households_++);
    first_ = static_cast<std::uint16_t>(people_.size());
    std::uint32_t at = random.below(draw::kType, 1'000);
    HouseholdType type = HouseholdType::other;
    for (const auto& [each, share] : kHouseholdTypes) {
      if (at < share) {
        type = each;
        break;
      }
      at -= share;
    }
    members_of(random, type);
    const auto members = static_cast<std::uint16_t>(people_.size() - first_);
    for (std::size_t i = first_; i < people_.size(); ++i) people_[i].members = members;
  }

  void members_of(const Random& random, HouseholdType type) {
    const double a = random.unit(draw::kLead), b = random.unit(draw::kLead2);
    const double shape = random.unit(draw::kShape);
    switch (type) {
      case HouseholdType::one_over_65:
        lead(random, 65, 99, 65 + 34 * std::min(a, b), 0.67);
        break;
      case HouseholdType::one_under_65:
        lead(random, 20, 65, 22 + 43 * a, 0.42);
        break;
      case HouseholdType::couple_over_65:
        lead(random, 65, 92, 65 + 25 * std::min(a, b), 0.5);
        partner(random);
        break;
      case HouseholdType::couple:
        lead(random, 20, 65, shape < 0.3 ? 22 + 16 * a : 45 + 24 * a, 0.5);
        partner(random);
        break;
      case HouseholdType::family:
        family(random, 0, 18, true);
        break;
      case HouseholdType::family_grown:
        family(random, 18, 13, true);
        break;
      case HouseholdType::lone_parent:
        family(random, 0, 18, false);
        break;
      case HouseholdType::lone_parent_grown:
        family(random, 18, 27, false);
        break;
      case HouseholdType::other:
        if (shape < 0.4) {
          const std::uint32_t sharers = 3 + random.below(draw::kOther, 4);
          for (std::uint32_t i = 0; i < sharers; ++i) {
            adult(random, i, 19 + 16 * random.unit(draw::kOther + 1 + i), random.happens(draw::kSex + i, Chance(0.48)));
          }
        } else {
          family(random, 0, 25, true);
          adult(random, 20, 65 + 25 * random.unit(draw::kOther), random.happens(draw::kOther + 1, Chance(0.65)));
        }
        break;
    }
  }

  // The first adult: a twin of somebody already here whose age fits, or a person of the given age.
  void lead(const Random& random, double youngest, double oldest, double age, double women) {
    const DayNumber latest = birth_at_age(youngest), earliest = birth_at_age(oldest);
    const auto fits = [&](const PendingTwin& twin) {
      return twin.birth >= earliest && twin.birth <= latest && people_.size() >= twin.index + kStreetsApart;
    };
    const auto found = std::find_if(pending_.begin(), pending_.end(), fits);
    if (found == pending_.end()) {
      adult(random, 0, age, random.happens(draw::kSex, Chance(women)));
      return;
    }
    join_twins(found->index, static_cast<std::uint16_t>(people_.size()));
    add(found->birth, random.happens(draw::kSex, Chance(kSameSexTwins)) == found->female, first_);
    people_.back().twin = found->index;
    pending_.erase(found);
  }

  // One more adult, who may have a twin in a household still to come.
  void adult(const Random& random, std::uint64_t member, double age, bool female) {
    add(birth_at_age(age), female, first_);
    const DayNumber birth = people_.back().birth;
    if (random.happens(draw::kTwins + member, Chance(rates_.twins * twins_in(civil_date(birth).year)))) {
      pending_.push_back({static_cast<std::uint16_t>(people_.size() - 1), birth, female});
    }
  }

  // A partner of the other sex, within a few years; men are two years older on average.
  void partner(const Random& random) {
    const Person& first = people_.back();
    const double age = (as_at_ - first.birth) / kDaysPerYear;
    const double older = (first.female ? 2.0 : -2.0) + 8 * (random.unit(draw::kPartner) - 0.5);
    adult(random, 1, std::clamp(age + older, 18.0, 99.0), !first.female);
  }

  // Children of whom the youngest is from..from+span years old, and their parent or parents.
  void family(const Random& random, double from, double span, bool couple) {
    const std::uint32_t kind = random.below(draw::kChildren, 1'000);
    const std::uint32_t maternities = from > 0     ? (kind < 800 ? 1 : 2)
                                      : kind < 450 ? 1
                                      : kind < 850 ? 2
                                      : kind < 965 ? 3
                                                   : 4;
    // Denser towards the youngest: the elder children fill the ages above.
    const double u = random.unit(draw::kYoungest);
    double age = from + span * u * (0.4 + 0.6 * u);
    const double eldest = [&] {
      double years = age;
      for (std::uint32_t i = 1; i < maternities; ++i) years += spacing(random, i);
      return years;
    }();
    const double at_birth = 17 + 12 * (random.unit(draw::kLead) + random.unit(draw::kLead2));
    const double mother = std::min(eldest + at_birth, 98.0);
    const bool alone_is_mother = couple || random.happens(draw::kOther + 2, Chance(0.9));
    adult(random, 0, mother, alone_is_mother);
    if (couple) partner(random);
    for (std::uint32_t i = 0; i < maternities; ++i) {
      if (i > 0) age += spacing(random, i);
      child(random, i, age);
    }
  }

  static double spacing(const Random& random, std::uint32_t child) noexcept {
    return 1.1 + 3.4 * random.unit(draw::kSpacing + child);
  }

  void child(const Random& random, std::uint64_t child, double age) {
    const DayNumber birth = birth_at_age(age);
    const bool female = !random.happens(draw::kSex + 16 + child, Chance(kBoys));
    add(birth, female, first_);
    if (!random.happens(draw::kTwins + 8 + child, Chance(rates_.twins * twins_in(civil_date(birth).year)))) return;
    const auto second = static_cast<std::uint16_t>(people_.size());
    join_twins(static_cast<std::uint16_t>(second - 1), second);
    add(birth, random.happens(draw::kSex + 24 + child, Chance(kSameSexTwins)) == female, first_);
    people_.back().twin = static_cast<std::uint16_t>(second - 1);
  }

  void join_twins(std::uint16_t one, std::uint16_t other) {
    people_[one].twin = other;
    twins_.emplace_back(one, other);
  }

  // What the place in the neighbourhood settles: the slot, the household's last members, oddities of registration.
  void finish(std::size_t index) {
    Person& person = people_[index];
    const std::uint64_t id = n_ * kNeighbourhoodPeople + index;
    const Random random(seed_, Subject::person, id);
    person.slot = id;
    person.members =
        static_cast<std::uint16_t>(std::min<std::size_t>(person.members, kNeighbourhoodPeople - person.first_member));
    if (person.twin != kNoTwin && person.twin >= kNeighbourhoodPeople) person.twin = kNoTwin;
    const CivilDate birth = civil_date(person.birth);
    if (birth.year >= kAsAt.year - 18) return;
    if (person.twin == kNoTwin && random.happens(draw::kJanuary, Chance(rates_.january))) {
      person.birth = day_number({birth.year, 1, 1}).value_or(person.birth);
    }
    person.no_fixed_abode = random.happens(draw::kHomeless, Chance(rates_.no_fixed_abode));
  }

  // Twins get numbers that were issued one after the other: the second one changes places with the owner of that
  // number.
  void neighbouring_numbers() {
    std::vector<std::uint16_t> owner(people_.size());
    for (std::size_t i = 0; i < owner.size(); ++i) owner[i] = static_cast<std::uint16_t>(i);
    std::vector<bool> settled(people_.size(), false);
    const std::uint64_t base = n_ * kNeighbourhoodPeople;
    for (const auto& [one, other] : twins_) {
      if (one >= people_.size() || other >= people_.size()) continue;
      const std::size_t wanted = (people_[one].slot ^ 1U) - base;
      const std::uint16_t holder = owner[wanted];
      if (holder != other && (settled[holder] || settled[other] || settled[one])) continue;
      std::swap(owner[wanted], owner[people_[other].slot - base]);
      std::swap(people_[holder].slot, people_[other].slot);
      settled[one] = settled[other] = true;
    }
  }

  std::uint64_t seed_, n_;
  const SynthRates& rates_;
  Random random_;
  double as_at_;
  std::vector<Person> people_;
  std::vector<PendingTwin> pending_;
  std::vector<std::pair<std::uint16_t, std::uint16_t>> twins_;
  std::uint64_t households_ = 0;
  std::uint32_t street_ = 0, homes_left_ = 0, unit_ = 0, next_establishment_ = kUnitsPerSector;
  std::uint16_t first_ = 0;
  bool started_ = false;
};

}  // namespace

std::vector<Person> Population::neighbourhood(std::uint64_t n) const {
  return Builder(seed_, n, rates_).build();
}

}  // namespace ligature::synthetic
