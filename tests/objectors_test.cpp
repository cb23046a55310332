// Which persons of a finished run object when something is to go out.  Sources: type 2 objections bind what leaves the
// centre (Read v2 9Nu4, 9Nu5), national ones likewise; the latest-dated code wins, and a withdrawal lifts it.
#include "jobs/objectors.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/error.hpp"
#include "io/dataset.hpp"
#include "io/files.hpp"
#include "io/number_claims.hpp"
#include "tests/shared_folder.hpp"
#include "tests/tiny_run.hpp"

namespace ligature {
namespace {

constexpr ObjectionKinds kType2 = kinds_of(ObjectionKind::type2);

class ObjectorsOfARun : public testing::Test {
 protected:
  // The numbers of persons that own one.
  std::uint64_t number_of(std::size_t person) const { return run_.persons[person].identity.valid_nhs(); }
  std::vector<std::size_t> numbered() const {
    std::vector<std::size_t> found;
    for (std::size_t p = 0; p < run_.persons.size(); ++p) {
      if (number_of(p) != 0) found.push_back(p);
    }
    return found;
  }
  Objectors find(const ObjectionLedger& ledger, ObjectionKinds kinds = kType2, DayNumber on = kMissingDay,
                 const SupersessionTable& superseded = {}) {
    run_.write(world_);
    const DatasetReader dataset(run_.publish / kDatasetFile);
    return find_objectors(world_, run_.secure, run_.manifest.identity_records_digest, dataset, ledger, superseded,
                          kinds, on);
  }
  // Over all ranks, and each in its rank's share.
  std::vector<std::uint64_t> rows(const Objectors& found) {
    const Range share = share_of(run_.persons.size(), world_.rank(), world_.size());
    for (const std::uint64_t row : found.rows) EXPECT_TRUE(row >= share.begin && row < share.end);
    return world_.all_gather(std::span<const std::uint64_t>(found.rows));
  }

  Communicator world_ = Communicator::world();
  SharedFolder folder_{world_};
  TinyRun run_{folder_.path()};
};

TEST_F(ObjectorsOfARun, are_those_whose_number_has_a_standing_objection_of_the_kind) {
  const std::vector<std::size_t> people = numbered();
  std::vector<Preference> preferences;
  std::vector<std::uint64_t> expected;
  for (std::size_t i = 0; i < people.size(); i += 3) {
    preferences.push_back({number_of(people[i]), 100, ObjectionKind::type2, false});
    if (i % 2 == 0) {
      preferences.push_back({number_of(people[i]), 200, ObjectionKind::type2, true});
    } else {
      expected.push_back(people[i]);
    }
  }
  preferences.push_back({number_of(people[1]), 100, ObjectionKind::type1, false});
  preferences.push_back({number_of(people[2]), 100, ObjectionKind::national, false});
  preferences.push_back({tiny_nhs_number(900), 100, ObjectionKind::type2, false});  // of nobody in the run
  const ObjectionLedger ledger(preferences);
  const Objectors found = find(ledger);
  EXPECT_EQ(rows(found), expected);
  EXPECT_EQ(found.persons, expected.size());
  EXPECT_EQ(found.numbers, expected.size());

  // As the list stood on an earlier day, before the withdrawals; and with the national ones.
  const Objectors then = find(ledger, kType2 | kinds_of(ObjectionKind::national), 150);
  EXPECT_EQ(then.persons, (people.size() + 2) / 3 + 1);
}

// Claims have the numbers of the day of the run; the ledger is read with the table of today.
TEST_F(ObjectorsOfARun, are_found_by_a_number_that_was_replaced_since) {
  const std::vector<std::size_t> people = numbered();
  const std::uint64_t old_number = number_of(people[0]), current = tiny_nhs_number(900);
  const SupersessionTable superseded({{old_number, current}, {number_of(people[2]), number_of(people[3])}});
  const auto found = [&](std::vector<Preference> preferences) {
    for (Preference& preference : preferences) preference.nhs = superseded.current(preference.nhs);
    return rows(find(ObjectionLedger(preferences), kType2, kMissingDay, superseded));
  };
  // Under either number; and what was said last stands for both.
  EXPECT_EQ(found({{old_number, 100, ObjectionKind::type2, false}}), (std::vector<std::uint64_t>{people[0]}));
  EXPECT_EQ(found({{current, 100, ObjectionKind::type2, false}}), (std::vector<std::uint64_t>{people[0]}));
  EXPECT_TRUE(
      found({{old_number, 100, ObjectionKind::type2, false}, {current, 200, ObjectionKind::type2, true}}).empty());
  EXPECT_TRUE(
      found({{current, 100, ObjectionKind::type2, false}, {old_number, 200, ObjectionKind::type2, true}}).empty());
  EXPECT_EQ(found({{current, 100, ObjectionKind::type2, true}, {old_number, 200, ObjectionKind::type2, false}}),
            (std::vector<std::uint64_t>{people[0]}));
  // Two persons of the run whose numbers have turned out to be one.
  EXPECT_EQ(found({{number_of(people[2]), 100, ObjectionKind::type2, false}}),
            (std::vector<std::uint64_t>{people[2], people[3]}));

  // Whoever carries the old number, which nobody owned, is bound though another owns what replaced it.
  const std::uint64_t nobodys = number_of(people[2]);
  run_.persons[people[4]].identity = run_.persons[people[2]].identity;
  for (const std::size_t p : {people[2], people[4]}) run_.persons[p].flags = Evidence::number_disowned;
  EXPECT_EQ(found({{nobodys, 100, ObjectionKind::type2, false}}),
            (std::vector<std::uint64_t>{people[2], people[3], people[4]}));
}

TEST_F(ObjectorsOfARun, are_nobody_without_a_ledger) {
  const Objectors found = find(ObjectionLedger());
  EXPECT_TRUE(rows(found).empty());
  EXPECT_EQ(found.persons, 0U);
}

TEST_F(ObjectorsOfARun, are_the_owner_of_a_number_and_not_a_stranger_who_carries_it) {
  const std::vector<std::size_t> people = numbered();
  const ObjectionLedger ledger({{number_of(people[0]), 100, ObjectionKind::type2, false}});
  run_.persons[people[1]].identity = run_.persons[people[0]].identity;
  run_.persons[people[1]].flags = Evidence::number_disowned;
  EXPECT_EQ(rows(find(ledger)), (std::vector<std::uint64_t>{people[0]}));
}

TEST_F(ObjectorsOfARun, are_also_those_who_carry_the_number_of_another_and_have_no_other) {
  const std::vector<std::size_t> people = numbered();
  const ObjectionLedger ledger({{number_of(people[0]), 100, ObjectionKind::type2, false}});
  run_.persons[people[1]].identity = run_.persons[people[0]].identity;
  run_.persons[people[1]].flags = Evidence::number_disowned;
  run_.persons[people[1]].id_type = static_cast<std::uint8_t>(IdType::contested);
  std::vector<std::uint64_t> expected{people[0], people[1]};
  std::sort(expected.begin(), expected.end());
  const Objectors found = find(ledger);
  EXPECT_EQ(rows(found), expected);
  EXPECT_EQ(found.persons, 2U);
  EXPECT_EQ(found.numbers, 1U);
}

TEST_F(ObjectorsOfARun, are_all_who_carry_a_number_that_nobody_owns) {
  const std::vector<std::size_t> people = numbered();
  const ObjectionLedger ledger({{number_of(people[0]), 100, ObjectionKind::type2, false}});
  for (const std::size_t p : {people[0], people[1]}) {
    run_.persons[p].identity = run_.persons[people[0]].identity;
    run_.persons[p].flags = Evidence::number_disowned;
  }
  std::vector<std::uint64_t> expected{people[0], people[1]};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(rows(find(ledger)), expected);
}

TEST_F(ObjectorsOfARun, are_not_those_who_carry_a_number_that_a_system_writes_for_want_of_a_better) {
  const std::vector<std::size_t> people = numbered();
  const ObjectionLedger ledger({{number_of(people[0]), 100, ObjectionKind::type2, false}});
  run_.persons[people[0]].flags = Evidence::number_default;
  const Objectors found = find(ledger);
  EXPECT_TRUE(rows(found).empty());
  EXPECT_EQ(found.default_numbers, 1U);
}

// Rows of another run are other persons.
TEST_F(ObjectorsOfARun, cannot_be_told_without_claims_or_with_those_of_another_run) {
  const ObjectionLedger ledger({{number_of(numbered()[0]), 100, ObjectionKind::type2, false}});
  run_.write(world_);
  const DatasetReader dataset(run_.publish / kDatasetFile);
  const SharedFolder other_folder(world_);
  TinyRun other(other_folder.path(), 20);
  other.write(world_);
  const auto refused_after = [&](const auto& change) {
    world_.barrier();
    if (world_.is_root()) change();
    world_.barrier();
    EXPECT_THROW(find_objectors(world_, run_.secure, run_.manifest.identity_records_digest, dataset, ledger, {}, kType2,
                                kMissingDay),
                 Error);
  };
  refused_after([&] { std::filesystem::remove_all(run_.secure / "claims"); });
  refused_after([&] { std::filesystem::copy(other.secure / "claims", run_.secure / "claims"); });
}

TEST(NumberClaims, have_room_for_every_number_and_row) {
  for (const ClaimKind claim : {ClaimKind::owned, ClaimKind::carried, ClaimKind::default_number}) {
    for (const std::uint64_t nhs : {std::uint64_t{1}, std::uint64_t{4'294'967'296}, std::uint64_t{9'999'999'999}}) {
      for (const std::uint64_t row : {std::uint64_t{0}, std::uint64_t{1} << 28, (std::uint64_t{1} << 60) - 1}) {
        const NumberClaim of(nhs, claim, row);
        EXPECT_EQ(of.nhs(), nhs);
        EXPECT_EQ(of.claim(), claim);
        EXPECT_EQ(of.row(), row);
      }
    }
  }
}

// A claim lost would be an objection lost.
TEST_F(ObjectorsOfARun, cannot_be_told_from_damaged_claims) {
  const ObjectionLedger ledger({{number_of(numbered()[0]), 100, ObjectionKind::type2, false}});
  run_.write(world_);
  const DatasetReader dataset(run_.publish / kDatasetFile);
  const std::filesystem::path part = run_.secure / "claims/part-00000";
  const auto refused_after = [&](const auto& change) {
    world_.barrier();
    if (world_.is_root()) change();
    world_.barrier();
    EXPECT_THROW(find_objectors(world_, run_.secure, run_.manifest.identity_records_digest, dataset, ledger, {}, kType2,
                                kMissingDay),
                 Error);
  };
  refused_after([&] { File::open_update(part).write_at(80, std::as_bytes(std::span("?"))); });
  refused_after([&] { std::filesystem::resize_file(part, std::filesystem::file_size(part) - 24); });
  refused_after([&] { std::filesystem::resize_file(part, 10); });
}

TEST_F(ObjectorsOfARun, cannot_be_told_with_the_secure_folder_of_another_run) {
  const ObjectionLedger ledger({{number_of(numbered()[0]), 100, ObjectionKind::type2, false}});
  run_.write(world_);
  const SharedFolder other_folder(world_);
  TinyRun other(other_folder.path(), 20);
  for (TinyPerson& person : other.persons) person.pseudonym.low ^= 1;
  other.write(world_);
  const DatasetReader dataset(other.publish / kDatasetFile);
  EXPECT_THROW(find_objectors(world_, run_.secure, other.manifest.identity_records_digest, dataset, ledger, {}, kType2,
                              kMissingDay),
               Error);
}

}  // namespace
}  // namespace ligature
