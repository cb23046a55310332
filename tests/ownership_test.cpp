// Number ownership, each rule by an example.  What a pair weighs is asked of the model, so that an example says what it
// needs of the weights and fails where they no longer are so.
#include "engine/ownership.hpp"

#include <algorithm>
#include <numeric>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "tests/identity_maker.hpp"

namespace ligature {
namespace {

const std::uint64_t kNumber = number_of_stem(1);
constexpr auto kHome = "LS1 4AP", kAway = "YO10 5DD";
constexpr Gender kMale = Gender::male, kFemale = Gender::female;
using enum NumberStanding;

NumberMember member(const char* birth, const char* postcode, Gender gender, std::uint32_t rows = 1,
                    std::uint32_t datasets = 1) {
  return {weighed_identity(kNumber, birth, postcode, gender), rows, datasets};
}

LinkageModel documented() {
  return LinkageModel(documented_model({}));
}

Weight weight_of(const NumberMember& a, const NumberMember& b, const LinkageModel& model) {
  return model.weight(compare(a.identity, b.identity));
}

struct Settled {
  NumberSettlement settlement;
  std::uint64_t compared = 0;
};

Settled settle(const std::vector<NumberMember>& members, const LinkageModel& model = documented(),
               const ModelSettings& settings = {}) {
  PatternCounts counts{};
  Settled settled;
  settled.settlement = settle_number(members, model, settings, counts);
  settled.compared = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  return settled;
}

using Standings = std::vector<NumberStanding>;

TEST(Ownership, a_number_of_one_identity_is_its_own_without_a_comparison) {
  const Settled settled = settle({member("1970-12-31", kHome, kMale)});
  EXPECT_EQ(settled.settlement.standing, Standings{owned});
  EXPECT_EQ(settled.settlement.parts, 1U);
  EXPECT_EQ(settled.compared, 0U);
}

TEST(Ownership, records_of_one_person_with_ordinary_errors_all_own_the_number) {
  const Settled settled = settle({member("1970-12-31", kHome, kMale), member("1970-12-31", kAway, kMale),
                                  member("1970-12-13", kHome, kMale), member("", kAway, Gender::unknown)});
  EXPECT_EQ(settled.settlement.standing, Standings(4, owned));
  EXPECT_EQ(settled.settlement.parts, 1U);
  EXPECT_EQ(settled.settlement.links.size(), 3U) << "a tree";
  EXPECT_EQ(settled.compared, 6U) << "each pair once";
  EXPECT_TRUE(settled.settlement.returns.empty());
  EXPECT_TRUE(settled.settlement.ties.empty());
}

TEST(Ownership, a_mothers_number_on_her_babys_record_stays_hers) {
  for (const Gender baby : {kMale, kFemale}) {
    const Settled settled =
        settle({member("1985-03-02", kHome, kFemale, 3, 0b11), member("1985-03-02", kAway, kFemale, 1, 0b01),
                member("2014-01-20", kHome, baby, 1, 0b10)});
    EXPECT_EQ(settled.settlement.standing, (Standings{owned, owned, disowned}));
    EXPECT_EQ(settled.settlement.parts, 2U);
    ASSERT_EQ(settled.settlement.links.size(), 1U);
    EXPECT_EQ(settled.settlement.links[0].b, 1U) << "hers alone are linked";
    for (const NumberLink& link : settled.settlement.returns) {
      EXPECT_LT(link.weight, documented().threshold()) << "another date of birth altogether is not hers with errors";
    }
  }
}

TEST(Ownership, more_sources_are_the_better_claim_then_more_rows) {
  const auto standing = [](std::uint32_t rows, std::uint32_t datasets) {
    return settle({member("1985-03-02", kHome, kFemale, 5, 0b01), member("1960-07-20", kAway, kMale, rows, datasets)})
        .settlement.standing;
  };
  EXPECT_EQ(standing(2, 0b11), (Standings{disowned, owned})) << "more sources, fewer rows";
  EXPECT_EQ(standing(6, 0b10), (Standings{disowned, owned})) << "as many sources, more rows";
  EXPECT_EQ(standing(4, 0b10), (Standings{owned, disowned}));
}

TEST(Ownership, claims_are_of_the_part_and_not_of_its_largest_member) {
  const Settled settled =
      settle({member("1985-03-02", kHome, kFemale, 3, 0b01), member("1960-07-20", kHome, kMale, 2, 0b01),
              member("1960-07-20", kAway, kMale, 2, 0b01)});
  EXPECT_EQ(settled.settlement.standing, (Standings{disowned, owned, owned}));
}

TEST(Ownership, records_that_do_not_own_a_number_are_not_linked_by_it) {
  const Settled settled = settle({member("1985-03-02", kHome, kFemale, 9), member("2014-01-20", kHome, kMale),
                                  member("2014-01-20", kAway, kMale)});
  EXPECT_EQ(settled.settlement.standing, (Standings{owned, disowned, disowned}));
  EXPECT_EQ(settled.settlement.parts, 2U) << "the two are of one part";
  EXPECT_TRUE(settled.settlement.links.empty()) << "but their number is no evidence for it";
}

TEST(Ownership, a_record_that_fits_two_persons_does_not_bring_them_together) {
  const std::vector<NumberMember> members{member("1985-03-02", kHome, kFemale, 5), member("", kHome, Gender::unknown),
                                          member("1960-07-20", kHome, kFemale, 2)};
  const LinkageModel model = documented();
  ASSERT_GE(weight_of(members[0], members[1], model), model.threshold());
  ASSERT_GE(weight_of(members[1], members[2], model), model.threshold());
  ASSERT_LT(weight_of(members[0], members[2], model), 0);
  const Settled settled = settle(members, model);
  EXPECT_EQ(settled.settlement.parts, 2U);
  EXPECT_EQ(settled.settlement.standing, (Standings{owned, owned, disowned}));
}

TEST(Ownership, equal_claims_leave_the_number_to_nobody_and_are_ties) {
  const Settled settled = settle({member("1985-03-02", kHome, kFemale), member("1960-07-20", kAway, kMale)});
  EXPECT_EQ(settled.settlement.standing, (Standings{disowned, disowned}));
  ASSERT_EQ(settled.settlement.ties.size(), 1U);
  EXPECT_EQ(settled.settlement.ties[0].a, 0U);
  EXPECT_EQ(settled.settlement.ties[0].b, 1U);
}

TEST(Ownership, a_tie_is_between_the_parts_with_the_best_claim_and_never_inside_one) {
  const Settled settled = settle({member("1985-03-02", kHome, kFemale, 2), member("1960-07-20", kHome, kMale),
                                  member("1960-07-20", kAway, kMale), member("1931-11-09", kAway, kMale)});
  EXPECT_EQ(settled.settlement.standing, Standings(4, disowned));
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ties;
  for (const NumberLink& tie : settled.settlement.ties) ties.emplace_back(tie.a, tie.b);
  EXPECT_EQ(ties, (std::vector<std::pair<std::uint32_t, std::uint32_t>>{{0, 1}, {0, 2}}));
}

TEST(Ownership, a_number_of_many_persons_none_of_whom_has_most_rows_is_nobodys) {
  std::vector<NumberMember> members{member("1985-03-02", kHome, kFemale), member("1960-07-20", kAway, kMale),
                                    member("1931-11-09", "M1 1AE", kMale), member("2001-05-16", "B33 8TH", kFemale)};
  const Settled settled = settle(members);
  EXPECT_EQ(settled.settlement.standing, Standings(4, default_number));
  EXPECT_TRUE(settled.settlement.links.empty());
  EXPECT_TRUE(settled.settlement.returns.empty());
  EXPECT_TRUE(settled.settlement.ties.empty());
  members[2].rows = 3;  // half of six
  EXPECT_EQ(settle(members).settlement.standing, Standings(4, default_number));
  members[2].rows = 4;
  EXPECT_EQ(settle(members).settlement.standing, (Standings{disowned, disowned, owned, disowned}))
      << "a person whose number three others have been given";
  members.pop_back();
  members[2].rows = 1;
  EXPECT_EQ(settle(members).settlement.standing, Standings(3, disowned)) << "three are no crowd";
}

TEST(Ownership, where_the_job_turns_the_rule_off_every_part_keeps_the_number) {
  ModelSettings settings;
  settings.number_ownership = false;
  const std::vector<NumberMember> members{member("1985-03-02", kHome, kFemale, 5), member("2014-01-20", kHome, kMale),
                                          member("1960-07-20", kAway, kMale), member("1931-11-09", kAway, kMale)};
  EXPECT_EQ(settle(members, documented(), settings).settlement.standing, Standings(4, owned));
  settings = {};
  settings.default_values = false;
  const std::vector<NumberMember> crowd{member("1985-03-02", kHome, kFemale), member("2014-01-20", kHome, kMale),
                                        member("1960-07-20", kAway, kMale), member("1931-11-09", kAway, kMale)};
  EXPECT_EQ(settle(crowd, documented(), settings).settlement.standing, Standings(4, disowned));
}

TEST(Ownership, a_parted_record_counts_for_its_owner_while_it_may_return_or_is_a_rival_to_others) {
  const std::vector<NumberMember> members{member("1985-03-02", kHome, kFemale, 5),
                                          member("1985-11-20", kHome, kFemale)};
  ModelParameters parameters = documented_model({});
  const LinkageModel documented(parameters);
  const Weight weight = weight_of(members[0], members[1], documented);
  ASSERT_LT(weight, documented.threshold() + 2 * kWeightPerBit) << "the year alone agrees";
  ASSERT_GT(documented.return_weight(), 0);
  const Weight lonely = weight + documented.return_weight();
  // A rival falls short of the threshold by less than the margin.
  ASSERT_GT(documented.margin(), documented.return_weight());
  const Weight last = weight + documented.margin();
  for (const Weight threshold : {lonely, lonely + 1, last, last + 1}) {
    parameters.threshold_bits = static_cast<double>(threshold) / kWeightPerBit;
    const LinkageModel model(parameters);
    ASSERT_EQ(model.threshold(), threshold);
    const Settled settled = settle(members, model);
    EXPECT_EQ(settled.settlement.standing, (Standings{owned, disowned}));
    ASSERT_EQ(settled.settlement.returns.size(), threshold <= last ? 1U : 0U) << threshold - lonely;
    if (threshold > last) continue;
    EXPECT_EQ(settled.settlement.returns[0].a, 0U);
    EXPECT_EQ(settled.settlement.returns[0].b, 1U);
    EXPECT_EQ(settled.settlement.returns[0].weight, lonely);
  }
}

TEST(Ownership, a_record_that_barely_links_is_parted_and_may_return_or_links_where_no_record_may) {
  const std::vector<NumberMember> members{member("1985-03-02", kHome, kFemale, 5),
                                          member("1985-11-20", kHome, kFemale)};
  ModelParameters parameters = documented_model({});
  const Weight weight = weight_of(members[0], members[1], LinkageModel(parameters));
  for (const int short_of : {0, 1}) {
    parameters.threshold_bits = static_cast<double>(weight + short_of) / kWeightPerBit - 2;
    const LinkageModel model(parameters);
    const Settled settled = settle(members, model);
    EXPECT_EQ(settled.settlement.parts, short_of == 0 ? 1U : 2U) << "two bits above the threshold are enough";
    EXPECT_EQ(settled.settlement.returns.size(), 1U) << "either way it may leave for one whom it fits better";
    ModelSettings settings;
    settings.returns = false;
    const Settled kept = settle(members, model, settings);
    EXPECT_EQ(kept.settlement.parts, 1U);
    EXPECT_EQ(kept.settlement.standing, (Standings{owned, owned}));
  }
}

TEST(Ownership, what_hangs_on_the_owner_by_less_than_a_sure_link_may_leave) {
  const std::vector<NumberMember> members{member("1985-03-02", kHome, kFemale, 5),
                                          member("1985-03-02", kHome, Gender::unknown),
                                          member("1985-11-20", kHome, kFemale)};
  ModelParameters parameters = documented_model({});
  const Weight weight = weight_of(members[0], members[2], LinkageModel(parameters));
  constexpr double kIsSure = 6.5;  // bits above the threshold
  for (const int short_of : {0, 1}) {
    parameters.threshold_bits = static_cast<double>(weight + short_of) / kWeightPerBit - kIsSure;
    const NumberSettlement settlement = settle(members, LinkageModel(parameters)).settlement;
    EXPECT_EQ(settlement.parts, 1U) << "one person until another fits better";
    EXPECT_EQ(settlement.standing, (Standings{owned, owned, short_of == 0 ? owned : disowned}));
    EXPECT_EQ(settlement.links.size(), short_of == 0 ? 2U : 1U);
    EXPECT_EQ(settlement.returns.size(), short_of == 0 ? 0U : 1U);
  }
}

TEST(Ownership, what_hangs_together_by_sure_links_leaves_together) {
  const std::vector<NumberMember> members{member("1985-03-02", kHome, kFemale, 5), member("1985-11-20", kHome, kFemale),
                                          member("1985-11-20", kHome, Gender::unknown)};
  ModelParameters parameters = documented_model({});
  parameters.threshold_bits =
      static_cast<double>(weight_of(members[0], members[1], LinkageModel(parameters))) / kWeightPerBit - 3;
  const NumberSettlement settlement = settle(members, LinkageModel(parameters)).settlement;
  ASSERT_EQ(settlement.standing, (Standings{owned, disowned, disowned}));
  ASSERT_EQ(settlement.links.size(), 1U);
  EXPECT_EQ(settlement.links[0].a, 1U);
  EXPECT_EQ(settlement.links[0].b, 2U);
}

TEST(Ownership, a_record_returns_to_the_owners_record_that_it_fits_best) {
  const LinkageModel model = documented();
  const std::vector<NumberMember> members{member("1985-03-02", kAway, kFemale, 5), member("1985-03-02", kHome, kFemale),
                                          member("1985-11-20", kHome, kFemale)};
  ASSERT_GT(weight_of(members[1], members[2], model), weight_of(members[0], members[2], model));
  const Settled settled = settle(members, model);
  ASSERT_EQ(settled.settlement.standing, (Standings{owned, owned, disowned}));
  ASSERT_EQ(settled.settlement.returns.size(), 1U);
  EXPECT_EQ(settled.settlement.returns[0].a, 1U);
  EXPECT_EQ(settled.settlement.returns[0].b, 2U);
}

TEST(Ownership, does_not_depend_on_the_order_of_members_where_claims_differ) {
  std::mt19937_64 random(12);
  const char* const births[] = {"", "1985-03-02", "1985-03-20", "1985-11-20", "1960-07-20", "2014-01-20"};
  const char* const postcodes[] = {"", kHome, kAway, "LS1 4AQ"};
  const LinkageModel model = documented();
  for (int round = 0; round < 2'000; ++round) {
    std::vector<NumberMember> members;
    const std::size_t size = 2 + random() % 5;
    // Different identities, with rows that no two sums of which are the same.
    for (std::size_t b = random() % 2; b < std::size(births) && members.size() < size; b += 1 + random() % 2) {
      members.push_back(member(births[b], postcodes[random() % 4], random() % 2 == 0 ? kMale : kFemale,
                               1U << members.size(), 1U << random() % 3));
    }
    std::vector<std::uint32_t> order(members.size());
    std::iota(order.begin(), order.end(), 0U);
    std::vector<Weight> weights;
    for (std::size_t a = 0; a < members.size(); ++a) {
      for (std::size_t b = a + 1; b < members.size(); ++b) weights.push_back(weight_of(members[a], members[b], model));
    }
    std::sort(weights.begin(), weights.end());
    if (std::adjacent_find(weights.begin(), weights.end()) != weights.end()) continue;  // content decides these
    const Settled once = settle(members, model);
    std::shuffle(order.begin(), order.end(), random);
    std::vector<NumberMember> shuffled;
    for (const std::uint32_t m : order) shuffled.push_back(members[m]);
    const Settled again = settle(shuffled, model);
    for (std::size_t m = 0; m < members.size(); ++m) {
      ASSERT_EQ(again.settlement.standing[m], once.settlement.standing[order[m]]) << round;
    }
    ASSERT_EQ(again.settlement.links.size(), once.settlement.links.size());
    ASSERT_EQ(again.settlement.returns.size(), once.settlement.returns.size());
    ASSERT_EQ(again.settlement.parts, once.settlement.parts);
  }
}

std::string postcode_of(std::size_t index) {
  const std::string letters = "ABDEFGHJLNPQRSTUWXYZ";
  return "LS" + std::to_string(1 + index / 400 % 9) + " " + std::to_string(index % 10) + letters[index / 10 % 20] +
         letters[index / 200 % 20];
}

TEST(Ownership, of_a_crowd_of_records_one_of_each_date_of_birth_stands_for_a_person) {
  std::vector<NumberMember> members;
  for (std::size_t i = 0; i < 3'000; ++i) {
    members.push_back(
        member("1985-03-02", postcode_of(i).c_str(), kFemale, static_cast<std::uint32_t>(1 + i % 3), 1U << i % 2));
  }
  members.push_back(member("", kHome, kFemale));
  members.push_back(member("2014-01-20", kHome, kMale));
  const Settled settled = settle(members);
  EXPECT_EQ(settled.settlement.parts, 2U);
  Standings expected(members.size(), owned);
  expected.back() = disowned;
  EXPECT_EQ(settled.settlement.standing, expected);
  EXPECT_EQ(settled.settlement.links.size(), members.size() - 2);
  EXPECT_LT(settled.compared, 2 * members.size()) << "not each with each";
}

TEST(Ownership, of_a_crowd_of_persons_the_number_is_nobodys) {
  std::vector<NumberMember> members;
  for (std::size_t i = 0; i < 2'000; ++i) {
    const std::string birth =
        std::to_string(1920 + i % 80) + "-0" + std::to_string(1 + i / 80 % 9) + "-" + std::to_string(10 + i / 720 * 7);
    members.push_back(member(birth.c_str(), postcode_of(i).c_str(), i % 2 == 0 ? kMale : kFemale));
  }
  const Settled settled = settle(members);
  EXPECT_EQ(settled.settlement.standing, Standings(members.size(), default_number));
  EXPECT_TRUE(settled.settlement.links.empty());
  EXPECT_LT(settled.compared, members.size() + kMembersComparedInFull * kMembersComparedInFull);
}

}  // namespace
}  // namespace ligature
