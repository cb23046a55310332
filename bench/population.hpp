// Identities for benchmarks: people with the levels of agreement that a pass over a nation meets.
#pragma once

#include <random>
#include <vector>

#include "engine/identity.hpp"

namespace ligature {

// count identities born on one day, as the pass on date of birth groups them: valid-looking numbers, postcodes spread
// over the country, both genders; one in ten without a number, one in ten a second identity of an earlier one, half of
// these at its postcode.
inline std::vector<Identity> born_on_one_day(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<IdentityFields> people;
  std::vector<Identity> identities;
  for (std::size_t i = 0; i < count; ++i) {
    IdentityFields person;
    if (i > 0 && random() % 10 == 0) {
      person = people[random() % i];
    } else {
      person.nhs = {4'000'000'000 + random() % 3'500'000'000, NhsStatus::valid};
      person.gender = random() % 2 == 0 ? Gender::male : Gender::female;
    }
    // Area letters, district, sector and unit as packed by engine/postcode.hpp.
    const std::uint64_t postcode = (1 + random() % 26) << 29 | (random() % 27) << 24 | (1 + random() % 9) << 20 |
                                   (random() % 11) << 14 | (1 + random() % 9) << 10 | (1 + random() % 26) << 5 |
                                   (1 + random() % 26);
    if (person.postcode.packed == 0 || random() % 2 == 0) person.postcode.packed = postcode;
    person.date_of_birth = static_cast<DayNumber>(25'000);
    if (random() % 10 == 0) person.nhs = {};
    people.push_back(person);
    identities.push_back(pack(person));
  }
  return identities;
}

}  // namespace ligature
