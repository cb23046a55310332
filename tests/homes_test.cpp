// Who lives where, and who is not at home, against a plain look at everybody.
#include "jobs/rebuild/homes.hpp"

#include <algorithm>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/linkage_key.hpp"
#include "engine/nhs_number.hpp"
#include "engine/postcode.hpp"
#include "jobs/rebuild/rounds.hpp"
#include "tests/tiny_run.hpp"

namespace ligature {
namespace {

LinkageModel model_of(std::uint64_t people) {
  FileFrequencies file;
  file.identities = people;
  file.distinct_nhs = people;
  return LinkageModel(documented_model(file));
}

// As the pass by postcode brings them together.  Some postcodes have very many people, most a few; many share a date of
// birth; some have none, and some no number.
std::vector<PassItem> neighbours(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t bound) { return random() % bound; };
  std::vector<PassItem> items;
  for (std::size_t i = 0; i < count; ++i) {
    IdentityFields fields;
    if (below(4) != 0) fields.nhs = {tiny_nhs_number(below(count)), NhsStatus::valid};
    fields.postcode.packed = tiny_postcode(below(3) == 0 ? below(2) : below(count / 8 + 1));
    fields.date_of_birth = below(10) == 0 ? kMissingDay : static_cast<DayNumber>(20'000 + below(60));
    fields.gender = below(2) == 0 ? Gender::male : Gender::female;
    const Identity identity = weighed(pack(fields), {});
    items.push_back({identity, 3 * i, linkage_key(identity.postcode())});
  }
  std::sort(items.begin(), items.end(),
            [](const PassItem& a, const PassItem& b) { return std::pair(a.key, a.id) < std::pair(b.key, b.id); });
  return items;
}

bool is_at(const PassItem& item, std::uint64_t key, DayNumber birth) {
  return item.key == key && item.identity.date_of_birth() == birth && birth != kMissingDay;
}

TEST(Homes, people_and_homeless_are_those_of_a_plain_look_at_everybody) {
  const LinkageModel model = model_of(100);
  for (const std::size_t count : {0U, 1U, 30U, 3'000U}) {
    for (const std::uint64_t rounds : {1U, 3U}) {
      const std::vector<PassItem> items = neighbours(count, count + rounds);
      Homes homes(model);
      for (std::uint64_t round = 0; round < rounds; ++round) {
        std::vector<PassItem> of_round;
        std::copy_if(items.begin(), items.end(), std::back_inserter(of_round),
                     [&](const PassItem& item) { return is_of_round(item.key, round, rounds); });
        homes.add(of_round);
      }
      ASSERT_EQ(homes.rounds(), rounds);

      std::uint64_t looking = 0;
      std::set<IdentityId> homeless, found;
      for (const PassItem& seeker : items) {
        if (seeker.identity.has_valid_nhs() || seeker.identity.date_of_birth() == kMissingDay) continue;
        ++looking;
        const bool is_home = std::any_of(items.begin(), items.end(), [&](const PassItem& person) {
          return person.identity.has_valid_nhs() && is_at(person, seeker.key, seeker.identity.date_of_birth()) &&
                 model.weight(compare(seeker.identity, person.identity), seeker.identity, person.identity) >=
                     model.threshold();
        });
        if (!is_home) homeless.insert(seeker.id);
      }
      EXPECT_EQ(homes.looking(), looking);
      for (const PassItem& item : homes.take_homeless()) {
        EXPECT_TRUE(found.insert(item.id).second);
        EXPECT_EQ(item.key, item.identity.postcode());
      }
      EXPECT_EQ(found, homeless);
      if (count == 3'000) {
        EXPECT_GT(homeless.size(), 50U);
        EXPECT_GT(looking - homeless.size(), 50U);
      }

      // Every home of the items, and for each one where nobody was born.
      for (std::uint64_t round = 0; round < rounds; ++round) {
        Homes::Visit visit(homes, round);
        for (const PassItem& item : items) {
          if (!is_of_round(item.key, round, rounds)) continue;
          const DayNumber birth = item.identity.date_of_birth();
          std::vector<IdentityId> wanted, lived;
          for (const PassItem& person : items) {
            if (person.identity.has_valid_nhs() && is_at(person, item.key, birth)) wanted.push_back(person.id);
          }
          for (const PersonAtHome& person : visit.people(item.key, birth)) lived.push_back(person.id());
          ASSERT_EQ(lived, wanted);
          EXPECT_TRUE(visit.people(item.key, 10'000).empty());
        }
      }
    }
  }
}

}  // namespace
}  // namespace ligature
