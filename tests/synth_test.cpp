// The artificial population: what is promised about its people, their numbers, and the errors in what is held of them.
#include "jobs/synth/synth.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include <gtest/gtest.h>

#include "engine/nhs_number.hpp"
#include "engine/postcode.hpp"
#include "jobs/synth/errors.hpp"
#include "jobs/synth/numbers.hpp"
#include "jobs/synth/places.hpp"
#include "jobs/synth/population.hpp"
#include "tests/synth_fixture.hpp"

namespace ligature {
namespace {

using namespace synthetic;

// --- NHS numbers

TEST(SynthNumbers, each_slot_has_a_valid_english_number_of_its_own) {
  const NumberRegister numbers(7);
  std::unordered_set<std::uint64_t> seen;
  for (std::uint64_t slot = 0; slot < 100'000; ++slot) {
    const std::uint64_t number = numbers.number(slot);
    std::string text(10, '0');
    for (std::uint64_t i = 10, rest = number; i-- > 0; rest /= 10) text[i] = static_cast<char>('0' + rest % 10);
    EXPECT_EQ(standardise_nhs_number(text).status, NhsStatus::valid);
    EXPECT_EQ(nhs_range(number), NhsRange::england_wales);
    EXPECT_TRUE(seen.insert(number).second);
  }
  EXPECT_NE(numbers.number(kNumberSlots - 1), 0U);
}

TEST(SynthNumbers, spare_numbers_are_valid_and_no_slot_has_them) {
  const NumberRegister numbers(7);
  std::unordered_set<std::uint64_t> of_slots;
  std::set<std::uint64_t> groups;
  for (std::uint64_t slot = 0; slot < 20'000; ++slot) {
    of_slots.insert(numbers.number(slot));
    groups.insert(numbers.place(slot).group);
  }
  std::unordered_set<std::uint64_t> spares;
  for (const std::uint64_t group : groups) {
    const auto spare = numbers.spare_number(group);
    if (!spare) continue;
    EXPECT_TRUE(nhs_check_digit_ok(*spare));
    EXPECT_FALSE(of_slots.contains(*spare));
    EXPECT_TRUE(spares.insert(*spare).second);
  }
}

TEST(SynthNumbers, slots_of_a_pair_follow_each_other_and_other_slots_are_far_apart) {
  const NumberRegister numbers(1);
  std::uint64_t near = 0;
  for (std::uint64_t slot = 0; slot < 20'000; slot += 2) {
    EXPECT_EQ(numbers.number(slot) / 100, numbers.number(slot + 1) / 100);
    EXPECT_LT(numbers.number(slot), numbers.number(slot + 1));
    if (numbers.number(slot) / 100 == numbers.number(slot + 2) / 100) ++near;
  }
  EXPECT_LT(near, 5U);
}

TEST(SynthNumbers, a_prefix_of_equal_digits_never_gives_the_number_of_equal_digits) {
  // Eight places of the prefix 44444444 are wherever the seed puts them: the rule is checked on the register's result.
  const NumberRegister numbers(3);
  for (std::uint64_t slot = 0; slot < 200'000; ++slot) {
    ASSERT_NE(numbers.number(slot) % 1'111'111'111, 0U);
  }
}

// --- People

TEST(SynthPopulation, a_neighbourhood_is_full_and_everybody_has_a_number) {
  const Population population(arguments_for(50'000));
  std::unordered_set<std::uint64_t> numbers;
  for (std::uint64_t n = 0; n < population.neighbourhoods(); ++n) {
    const std::vector<Person> people = population.neighbourhood(n);
    ASSERT_EQ(people.size(), kNeighbourhoodPeople);
    for (const Person& person : people) EXPECT_TRUE(numbers.insert(population.nhs_number(person)).second);
  }
}

TEST(SynthPopulation, people_do_not_depend_on_how_many_there_are) {
  const std::vector<Person> few = Population(arguments_for(10'000)).neighbourhood(0);
  const std::vector<Person> many = Population(arguments_for(1'000'000)).neighbourhood(0);
  for (std::size_t i = 0; i < few.size(); ++i) {
    ASSERT_EQ(few[i].slot, many[i].slot);
    ASSERT_EQ(few[i].birth, many[i].birth);
    ASSERT_EQ(few[i].unit, many[i].unit);
  }
}

TEST(SynthPopulation, another_seed_makes_other_people) {
  SynthArguments arguments = arguments_for(10'000);
  const std::vector<Person> one = Population(arguments).neighbourhood(0);
  arguments.seed = 2;
  const std::vector<Person> other = Population(arguments).neighbourhood(0);
  std::size_t same = 0;
  for (std::size_t i = 0; i < one.size(); ++i) same += one[i].birth == other[i].birth ? 1U : 0U;
  EXPECT_LT(same, 100U);
}

TEST(SynthPopulation, members_of_a_household_share_a_postcode_and_sizes_are_those_of_england) {
  const Population population(arguments_for(200'000));
  std::uint64_t households = 0, alone = 0, people_in = 0;
  for (std::uint64_t n = 0; n < population.neighbourhoods(); ++n) {
    const std::vector<Person> people = population.neighbourhood(n);
    for (std::size_t i = 0; i < people.size(); ++i) {
      const Person& person = people[i];
      ASSERT_GE(i, person.first_member);
      ASSERT_LT(i, static_cast<std::size_t>(person.first_member) + person.members);
      ASSERT_LE(static_cast<std::size_t>(person.first_member) + person.members, people.size());
      EXPECT_EQ(person.unit, people[person.first_member].unit);
      if (!person.communal && i == person.first_member) {
        ++households;
        people_in += person.members;
        alone += person.members == 1 ? 1U : 0U;
      }
    }
  }
  // 2011 census: 2.36 people a household, 30 % of them alone.
  EXPECT_NEAR(static_cast<double>(people_in) / static_cast<double>(households), 2.36, 0.15);
  EXPECT_NEAR(static_cast<double>(alone) / static_cast<double>(households), 0.303, 0.02);
}

TEST(SynthPopulation, communal_establishments_hold_the_share_asked_for) {
  for (const double rate : {0.0, SynthRates{}.communal, 0.1}) {
    SynthArguments arguments = arguments_for(2'000'000);
    arguments.rates.communal = rate;
    const Population population(arguments);
    std::uint64_t communal = 0;
    for (std::uint64_t n = 0; n < population.neighbourhoods(); ++n) {
      for (const Person& person : population.neighbourhood(n)) communal += person.communal ? 1U : 0U;
    }
    // Two hundred neighbourhoods have some ten halls and four prisons: a standard deviation of 0.3 % at the default.
    EXPECT_NEAR(static_cast<double>(communal) / 2'000'000, rate, 0.05 * rate + 0.009 * (rate > 0 ? 1 : 0)) << rate;
  }
}

TEST(SynthPopulation, ages_follow_the_pyramid_of_england) {
  const Population population(arguments_for(100'000));
  std::uint64_t people_in_all = 0, children = 0, old = 0, women = 0;
  for (std::uint64_t n = 0; n < population.neighbourhoods(); ++n) {
    for (const Person& person : population.neighbourhood(n)) {
      const CivilDate birth = civil_date(person.birth);
      ASSERT_GE(birth.year, 1914);
      ASSERT_LE(person.birth, *day_number(kAsAt));
      ++people_in_all;
      children += birth.year >= 1998 ? 1U : 0U;
      old += birth.year < 1949 ? 1U : 0U;
      women += person.female ? 1U : 0U;
    }
  }
  // Mid-2014: 19 % under 16, 17.6 % of 65 and over, 50.7 % women.
  const double all = static_cast<double>(people_in_all);
  EXPECT_NEAR(static_cast<double>(children) / all, 0.19, 0.02);
  EXPECT_NEAR(static_cast<double>(old) / all, 0.176, 0.025);
  EXPECT_NEAR(static_cast<double>(women) / all, 0.507, 0.02);
}

TEST(SynthPopulation, postcodes_hold_forty_people_on_average_with_a_long_tail) {
  const Population population(arguments_for(200'000));
  std::uint64_t people_in_all = 0, postcodes = 0, largest = 0, single_household = 0;
  for (std::uint64_t n = 0; n < population.neighbourhoods(); ++n) {
    std::map<std::uint16_t, std::uint64_t> size;
    std::map<std::uint16_t, std::set<std::uint16_t>> households;
    for (const Person& person : population.neighbourhood(n)) {
      ++size[person.unit];
      households[person.unit].insert(person.first_member);
      ASSERT_LT(person.unit, kUnitsPerSector);
      ASSERT_EQ(person.communal, person.unit >= kStreetUnits);
    }
    for (const auto& [unit, count] : size) {
      ++postcodes;
      people_in_all += count;
      largest = std::max(largest, count);
      single_household += households[unit].size() == 1 ? 1U : 0U;
    }
  }
  EXPECT_NEAR(static_cast<double>(people_in_all) / static_cast<double>(postcodes), 40, 5);
  EXPECT_GT(largest, 300U);
  EXPECT_NEAR(static_cast<double>(single_household) / static_cast<double>(postcodes), 0.04, 0.02);
}

TEST(SynthPopulation, twins_share_a_birthday_and_mostly_a_sex_and_have_neighbouring_numbers) {
  const Population population(arguments_for(200'000));
  std::uint64_t sets = 0, same_sex = 0, together = 0, neighbouring = 0;
  for (std::uint64_t n = 0; n < population.neighbourhoods(); ++n) {
    const std::vector<Person> people = population.neighbourhood(n);
    for (std::size_t i = 0; i < people.size(); ++i) {
      if (people[i].twin == kNoTwin || people[i].twin < i) continue;
      const Person& one = people[i];
      const Person& other = people[one.twin];
      EXPECT_EQ(other.twin, i);
      EXPECT_EQ(one.birth, other.birth);
      ++sets;
      same_sex += one.female == other.female ? 1U : 0U;
      together += one.first_member == other.first_member ? 1U : 0U;
      neighbouring += population.nhs_number(one) / 100 == population.nhs_number(other) / 100 ? 1U : 0U;
    }
  }
  // Between the level of 1980 (9.8 per 1,000) and that of 2013 (15.8), less those whose twin found no home in time.
  const double per_maternity = static_cast<double>(sets) / static_cast<double>(200'000 - sets);
  EXPECT_GT(per_maternity, 0.009);
  EXPECT_LT(per_maternity, 0.0158);
  expect_rate(same_sex, sets, 0.64, "twins of one sex");
  EXPECT_GT(static_cast<double>(together) / static_cast<double>(sets), 0.15);
  EXPECT_GT(static_cast<double>(neighbouring) / static_cast<double>(sets), 0.95);
}

TEST(SynthPopulation, practice_and_trust_hold_different_addresses_at_the_rate_asked_for) {
  const Population population(arguments_for(100'000));
  const DayNumber first = *day_number(kFirstEvent);
  std::uint64_t people_in_all = 0, different = 0, elsewhere = 0;
  for (std::uint64_t n = 0; n < population.neighbourhoods(); ++n) {
    const std::vector<Person> people = population.neighbourhood(n);
    for (std::uint32_t i = 0; i < people.size(); ++i) {
      if (people[i].no_fixed_abode) continue;
      const Addresses addresses = population.addresses(n, people[i]);
      const auto day = static_cast<DayNumber>(first + population.random(Subject::row, i).below(0, 365));
      ++people_in_all;
      const Place practice = known_address(people[i], n, addresses, System::practice, day);
      const Place trust = known_address(people[i], n, addresses, System::trust, day);
      different += practice == trust ? 0U : 1U;
      elsewhere += practice.neighbourhood != trust.neighbourhood ? 1U : 0U;
      ASSERT_LT(trust.neighbourhood, population.neighbourhoods());
    }
  }
  expect_rate(different, people_in_all, SynthRates{}.postcode_moved, "addresses differ", 3);
  EXPECT_GT(elsewhere, different / 4);
}

// --- Errors

TEST(SynthErrors, a_wrong_date_of_birth_is_a_real_other_date_and_mostly_wrong_in_one_part) {
  std::uint64_t one_part = 0, day_only = 0;
  constexpr std::uint64_t kTrials = 20'000;
  for (std::uint64_t i = 0; i < kTrials; ++i) {
    const Random random(5, Subject::registration, i);
    const CivilDate birth = civil_date(static_cast<DayNumber>(8'000 + i));
    const CivilDate wrong = wrong_birth(birth, random);
    ASSERT_TRUE(is_calendar_date(wrong));
    ASSERT_NE(wrong, birth);
    ASSERT_LT(wrong.year, 2015);
    const int parts = (wrong.day != birth.day) + (wrong.month != birth.month) + (wrong.year != birth.year);
    one_part += parts == 1 ? 1U : 0U;
    day_only += parts == 1 && wrong.day != birth.day ? 1U : 0U;
  }
  // 582 and 274 of 624 date errors; errors that fall off the calendar are drawn again and shift the shares a little.
  EXPECT_NEAR(static_cast<double>(one_part) / kTrials, 582.0 / 624, 0.02);
  EXPECT_NEAR(static_cast<double>(day_only) / kTrials, 274.0 / 624, 0.02);
}

TEST(SynthErrors, a_mistyped_number_fails_modulus_11) {
  const NumberRegister numbers(1);
  for (std::uint64_t slot = 0; slot < 20'000; ++slot) {
    const std::uint64_t number = numbers.number(slot);
    const std::uint64_t wrong = mistyped_number(number, Random(1, Subject::row, slot));
    EXPECT_NE(wrong, number);
    EXPECT_FALSE(nhs_check_digit_ok(wrong));  // modulus 11 catches each single error and each swap of neighbours
  }
}

TEST(SynthErrors, a_mistyped_postcode_is_another_postcode) {
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    const PostcodeText right = postcode_of({i * 4, i % kUnitsPerSector});
    const PostcodeText wrong = mistyped_postcode(right, Random(1, Subject::row, i));
    EXPECT_NE(wrong, right);
    const std::string text = std::string(wrong.outward_view()) + " " + std::string(wrong.inward_view());
    EXPECT_NE(standardise_postcode(text).packed, 0U) << text;
  }
}

TEST(SynthErrors, registrations_go_wrong_at_the_documented_rates) {
  const SynthArguments arguments = arguments_for(60'000);
  const Population population(arguments);
  const ErrorModel errors(population, arguments);
  std::array<std::uint64_t, kErrorKinds> count{};
  std::uint64_t trials = 0, replaced = 0;
  for (std::uint64_t n = 0; n < population.neighbourhoods(); ++n) {
    const std::vector<Person> people = population.neighbourhood(n);
    for (std::uint32_t i = 0; i < people.size(); ++i) {
      replaced += population.replaced_number(people[i]) ? 1U : 0U;
      for (std::size_t system = 0; system < kSystems; ++system, ++trials) {
        const Registration registration = errors.registration({n, i, people}, static_cast<System>(system));
        for (std::size_t kind = 0; kind < kErrorKinds; ++kind) count[kind] += (registration.errors >> kind) & 1U;
      }
    }
  }
  const SynthRates rates;
  const auto of = [&](ErrorKind kind) { return count[static_cast<std::size_t>(kind)]; };
  expect_rate(of(ErrorKind::birth_wrong), trials, rates.birth_wrong, "birth_wrong");
  expect_rate(of(ErrorKind::birth_placeholder), trials, rates.birth_placeholder * (1 - rates.birth_wrong),
              "placeholder");
  expect_rate(of(ErrorKind::gender_wrong), trials, rates.gender_wrong, "gender_wrong");
  expect_rate(of(ErrorKind::gender_missing), trials, rates.gender_missing * (1 - rates.gender_wrong), "gender_missing");
  expect_rate(replaced, trials / kSystems, rates.superseded, "superseded");
  expect_rate(of(ErrorKind::nhs_superseded), replaced * 2, rates.nhs_superseded, "old number in use");
}

}  // namespace
}  // namespace ligature
