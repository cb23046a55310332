// Local patient ids: which texts are ids and whose, and what an id says of the identities that share it.
#include "engine/local_id.hpp"

#include <algorithm>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/clustering.hpp"
#include "engine/comparison.hpp"
#include "engine/linkage_key.hpp"

namespace ligature {
namespace {

constexpr std::uint64_t kX = 9434765919, kY = 9434765870;  // check digits are right

std::uint64_t key(std::string_view provider, std::string_view id) {
  return local_key(LocalIdScope::provider, provider, id);
}

TEST(LocalKey, is_the_same_for_an_id_in_any_case_and_between_spaces) {
  ASSERT_NE(key("RR8", "ab12"), 0U);
  EXPECT_EQ(key("RR8", "ab12"), key(" rr8\t", "  AB12 "));
  EXPECT_EQ(key("RR8", "AB 12"), key("RR8", "ab 12\xC2\xA0"));
  EXPECT_NE(key("RR8", "AB 12"), key("RR8", "AB12"));
}

TEST(LocalKey, differs_between_providers_datasets_and_ids) {
  const std::set<std::uint64_t> keys{key("RR8", "1234"),
                                     key("RCB", "1234"),
                                     key("RR8", "1235"),
                                     key("RR81", "234"),  // the same characters, parted elsewhere
                                     local_key(LocalIdScope::dataset, "RR8", "1234"),
                                     local_key(LocalIdScope::dataset, "gp", "1234")};
  EXPECT_EQ(keys.size(), 6U);
}

TEST(LocalKey, is_the_hash_of_giver_and_id_and_ends_in_that_of_the_giver) {
  using namespace std::string_view_literals;
  const auto hash = [](std::string_view text) { return linkage_key(std::as_bytes(std::span(text))); };
  EXPECT_EQ(key("rr8", "ab12"), (hash("pRR8\0AB12"sv) & ~std::uint64_t{0xFFFF}) | (hash("pRR8"sv) & 0xFFFF));
  EXPECT_EQ(local_key(LocalIdScope::dataset, "gp", "17"),
            (hash("dGP\00017"sv) & ~std::uint64_t{0xFFFF}) | (hash("dGP"sv) & 0xFFFF));
}

TEST(LocalKey, of_many_rows_is_that_of_each_whoever_gave_the_ids_before) {
  LocalKeys keys(LocalIdScope::provider);
  const std::string long_name(100, 'h');
  for (const std::string_view giver : {"", "RR8", "RR8", " rr8", "RCB", "R", "", " ", "RR8"}) {
    for (const std::string_view id : {"1234", "ab12", "", "0000", "1", "a very long id of a patient of somebody's"}) {
      EXPECT_EQ(keys.key(giver, id), key(giver, id)) << giver << ' ' << id;
      EXPECT_EQ(keys.key(long_name, id), key(long_name, id)) << id;
    }
    EXPECT_EQ(keys.key(giver, "AB12"), key(giver, "ab12")) << giver;
  }
}

TEST(LocalKey, is_none_where_there_is_no_id_or_nobody_who_gave_it) {
  for (const char* filler : {"", "  ", "UNKNOWN", "unknown", " Unknown ", "NO PATIENT ID", "no patient id", "0", "0000",
                             "9999999999", "XXXX", "-"}) {
    EXPECT_EQ(key("RR8", filler), 0U) << filler;
  }
  EXPECT_EQ(key("", "1234"), 0U);
  EXPECT_EQ(key(" ", "1234"), 0U);
  for (const char* id : {"10", "0001", "UNKNOWN1", "NO PATIENT", "XXXY"}) EXPECT_NE(key("RR8", id), 0U) << id;
}

// Identities of which the id's verdict is asked.
class LocalId : public testing::Test {
 protected:
  static Identity person(std::uint64_t nhs, int year, int month, int day, const char* postcode, Gender gender) {
    IdentityFields fields;
    if (nhs != 0) fields.nhs = {nhs, NhsStatus::valid};
    if (year != 0) fields.date_of_birth = day_number({year, month, day}).value();
    fields.postcode = standardise_postcode(postcode);
    fields.gender = gender;
    return weighed(pack(fields), Evidence());
  }

  // The pairs that are links, by their places.
  [[nodiscard]] std::set<std::pair<std::uint32_t, std::uint32_t>> links(const std::vector<Identity>& identities) const {
    std::set<std::pair<std::uint32_t, std::uint32_t>> pairs;
    for (const LocalIdLink& link : judge_local_id(identities, model_).links) {
      if (link.weight >= model_.threshold()) pairs.emplace(link.a, link.b);
    }
    return pairs;
  }
  using Pairs = std::set<std::pair<std::uint32_t, std::uint32_t>>;

  const LinkageModel model_{documented_model({})};
  const Identity at_home_ = person(kX, 1970, 3, 4, "LS1 4AP", Gender::male);
  const Identity moved_ = person(0, 1970, 3, 4, "M1 1AE", Gender::male);
  const Identity undated_ = person(0, 0, 0, 0, "", Gender::male);
  const Identity other_ = person(0, 1988, 9, 10, "YO10 5DD", Gender::female);
};

TEST_F(LocalId, links_a_person_who_moved_and_gave_no_number_by_the_weight_of_a_shared_number) {
  const Pattern pattern = compare(at_home_, moved_);
  ASSERT_LT(model_.weight(pattern, at_home_, moved_), model_.threshold()) << "they would link without it";
  const LocalIdVerdict verdict = judge_local_id(std::vector{at_home_, moved_}, model_);
  ASSERT_EQ(verdict.links.size(), 1U);
  Levels levels = levels_of(pattern);
  levels.nhs = NhsLevel::exact;
  EXPECT_EQ(verdict.links[0].weight, model_.weight(pattern_of(levels)));
  EXPECT_EQ(verdict.compared, 1U);
  EXPECT_FALSE(verdict.reused);
}

TEST_F(LocalId, links_a_row_without_birth_and_postcode) {
  EXPECT_EQ(links({at_home_, undated_}), (Pairs{{0, 1}}));
}

TEST_F(LocalId, does_not_link_two_whose_births_and_postcodes_differ) {
  EXPECT_EQ(links({at_home_, other_}), Pairs{});
  EXPECT_TRUE(judge_local_id(std::vector{at_home_, other_}, model_).reused);
}

TEST_F(LocalId, a_stranger_does_not_cost_the_others_their_link) {
  const LocalIdVerdict verdict = judge_local_id(std::vector{at_home_, moved_, other_}, model_);
  EXPECT_TRUE(verdict.reused);
  EXPECT_EQ(links({at_home_, moved_, other_}), (Pairs{{0, 1}}));
}

TEST_F(LocalId, an_id_given_to_two_people_alike_links_neither) {
  const Identity other_moved = person(0, 1988, 9, 10, "CF10 1EP", Gender::female);
  EXPECT_EQ(links({moved_, person(0, 1970, 3, 4, "B33 8TH", Gender::male), other_, other_moved}), Pairs{});
}

TEST_F(LocalId, what_fits_two_who_cannot_be_one_person_is_linked_to_neither) {
  // The third and fourth keep the first two from being strangers to most of the others.
  const Identity anyone = person(0, 0, 0, 0, "", Gender::unknown);
  const Identity at_work = person(0, 0, 0, 0, "CF10 1EP", Gender::unknown);
  ASSERT_EQ(links({moved_, anyone}), (Pairs{{0, 1}}));
  EXPECT_EQ(links({moved_, other_, anyone, at_work}), (Pairs{{2, 3}}));
}

TEST_F(LocalId, two_valid_numbers_are_never_linked_and_are_counted) {
  const Identity second_number = person(kY, 1970, 3, 4, "LS1 4AP", Gender::male);
  const LocalIdVerdict verdict = judge_local_id(std::vector{at_home_, second_number}, model_);
  EXPECT_TRUE(verdict.links.empty());
  EXPECT_EQ(verdict.vetoed, 1U);
  EXPECT_FALSE(verdict.reused) << "all but the numbers agrees";
}

TEST_F(LocalId, two_that_share_a_number_are_no_pair_of_the_id) {
  const LocalIdVerdict verdict =
      judge_local_id(std::vector{at_home_, person(kX, 1988, 9, 10, "YO10 5DD", Gender::female)}, model_);
  EXPECT_EQ(verdict.compared, 0U);
  EXPECT_TRUE(verdict.links.empty());
  EXPECT_FALSE(verdict.reused);
}

TEST_F(LocalId, the_verdict_does_not_depend_on_the_order_of_the_identities) {
  std::mt19937 random(20140401);
  const auto pick = [&](auto... values) {
    const std::common_type_t<decltype(values)...> all[] = {values...};
    return all[random() % sizeof...(values)];
  };
  std::size_t linked = 0, strangers = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<Identity> group;
    for (std::size_t n = 2 + random() % (kMostOfLocalId - 1); group.size() < n;) {
      group.push_back(person(pick(std::uint64_t{0}, std::uint64_t{0}, kX, kY), pick(0, 1970, 1988), pick(3, 9),
                             pick(4, 10), pick("", "LS1 4AP", "M1 1AE", "YO10 5DD"),
                             pick(Gender::unknown, Gender::male, Gender::female)));
    }
    std::vector<std::uint32_t> order(group.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    std::vector<Identity> shuffled;
    for (const std::uint32_t i : order) shuffled.push_back(group[i]);
    const LocalIdVerdict verdict = judge_local_id(group, model_), other = judge_local_id(shuffled, model_);
    std::set<std::tuple<std::uint32_t, std::uint32_t, Weight>> expected, found;
    for (const LocalIdLink& link : verdict.links) expected.emplace(link.a, link.b, link.weight);
    for (const LocalIdLink& link : other.links) {
      found.emplace(std::min(order[link.a], order[link.b]), std::max(order[link.a], order[link.b]), link.weight);
    }
    ASSERT_EQ(found, expected);
    ASSERT_EQ(other.compared, verdict.compared);
    ASSERT_EQ(other.vetoed, verdict.vetoed);
    ASSERT_EQ(other.reused, verdict.reused);
    linked += !expected.empty();
    strangers += verdict.reused;
  }
  EXPECT_GT(linked, 30U);
  EXPECT_GT(strangers, 30U);
}

TEST_F(LocalId, clustering_links_by_it_and_says_so) {
  const std::vector<ClusterNode> nodes{{1, kX}, {2, 0}, {3, 0}};
  ClusterCounts counts;
  const auto results = resolve_component(nodes, {{1, 2, 10, EdgeKind::local_id}, {2, 3, 8, EdgeKind::link}},
                                         cluster_rules(model_), counts);
  ASSERT_EQ(results.size(), 3U);
  EXPECT_EQ(results[1].cluster, 1U);
  EXPECT_EQ(results[2].cluster, 1U);
  EXPECT_EQ(results[1].kind, EdgeKind::local_id);
  EXPECT_EQ(results[2].kind, EdgeKind::link);
}

}  // namespace
}  // namespace ligature
