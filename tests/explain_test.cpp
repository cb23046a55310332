// explain tells of rows what the records and the model say, whatever the number of ranks, and shows no identifier
// unless it is asked to.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/error.hpp"
#include "io/audit_log.hpp"
#include "io/files.hpp"
#include "io/identity_records.hpp"
#include "io/secure_index.hpp"
#include "jobs/jobs.hpp"
#include "partition/shard_map.hpp"
#include "tests/shared_folder.hpp"
#include "tests/tiny_run.hpp"

namespace ligature {
namespace {

using Json = nlohmann::json;
using Names = std::vector<std::string>;

// Some identities, by number; each is of the person that its comment names.
enum : IdentityId {
  kRoot,          // 0: a number, and everything
  kMoved,         // 0: the same number at another postcode
  kNoNumber,      // 0: no number, at that other postcode
  kTwin,          // 1: as kRoot, but for a number of its own
  kNobody,        // 2: cannot tell people apart
  kElsewhere,     // 3: nothing in common with any other
  kIntruder,      // 4: carries kRoot's number, and does not own it
  kEither,        // 5: no number; fits kRoot and kTwin
  kKnown,         // 1: cannot tell people apart, but carries a local id of kTwin's
  kFaint,         // 6: of kRoot's date of birth, and nothing else
  kDoubtful,      // 7: as kRoot, but for a number that nothing else has
  kTwinned,       // 9: a number, and a twin who has one of the same batch
  kOfTwins,       // 10: no number; fits kTwinned, and the twin as well
  kFollowed,      // 1: no number, at a postcode that others came to from kTwin's
  kRefused,       // 6: no number; fits kTwin, whom another practice has
  kOtherPatient,  // 6: no number; fits kTwin, whom its provider has under another patient number
  kThirdPatient,  // 7: no number, and the gender is missing; else as kOtherPatient, under a third patient number
  kIdentities
};

constexpr std::uint64_t kNumber = 0, kTwinNumber = 5;
constexpr DayNumber kBirth = 30'000, kOtherBirth = 20'000;

Identity identity_of(std::optional<std::size_t> number, DayNumber birth, std::size_t postcode, Gender gender) {
  IdentityFields fields;
  if (number) fields.nhs = {tiny_nhs_number(*number), NhsStatus::valid};
  fields.date_of_birth = birth;
  fields.postcode.packed = tiny_postcode(postcode);
  fields.gender = gender;
  return pack(fields);
}

struct TestIdentity {
  IdentityRecord record;
  std::size_t person = 0;
};

std::vector<TestIdentity> identities() {
  std::vector<TestIdentity> all(kIdentities);
  const auto set = [&](IdentityId id, std::size_t person, const Identity& identity, LinkKind kind, IdentityId linked_to,
                       double bits) {
    all[id].person = person;
    all[id].record.identity = identity;
    all[id].record.rows = 1;
    all[id].record.datasets = 1;
    all[id].record.provenance = {
        linked_to, static_cast<Weight>(bits * kWeightPerBit), kNoRival, kind, MatchRank::r2, 0, 0, 0};
  };
  constexpr Gender kMale = Gender::male, kFemale = Gender::female;
  set(kRoot, 0, identity_of(kNumber, kBirth, 3, kMale), LinkKind::same_number, kRoot, 20);
  set(kMoved, 0, identity_of(kNumber, kBirth, 2000, kMale), LinkKind::same_number, kRoot, 20);
  set(kNoNumber, 0, identity_of({}, kBirth, 2000, kMale), LinkKind::other_identifiers, kMoved, 9.5);
  set(kTwin, 1, identity_of(kTwinNumber, kBirth, 3, kMale), LinkKind::alone, kTwin, 0);
  IdentityFields nothing;
  nothing.postcode.packed = tiny_postcode(3);
  set(kNobody, 2, one_time_identity(nothing, 12345), LinkKind::one_time, kNobody, 0);
  set(kElsewhere, 3, identity_of({}, kOtherBirth, 900, kFemale), LinkKind::alone, kElsewhere, 0);
  set(kIntruder, 4, identity_of(kNumber, kOtherBirth, 3, kFemale), LinkKind::alone, kIntruder, 0);
  all[kIntruder].record.evidence.flags = Evidence::number_disowned;
  set(kEither, 5, identity_of({}, kBirth, 3, kMale), LinkKind::apart, kEither, 12);
  all[kEither].record.provenance.lead = kWeightPerBit;
  all[kEither].record.rows = 2;
  set(kFaint, 6, identity_of({}, kBirth, 900, kFemale), LinkKind::alone, kFaint, 0);
  set(kDoubtful, 7, identity_of(40, kBirth, 3, kMale), LinkKind::alone, kDoubtful, 0);
  all[kDoubtful].record.evidence.flags = Evidence::number_thin;
  set(kTwinned, 9, identity_of(60, kOtherBirth, 4, kMale), LinkKind::alone, kTwinned, 0);
  all[kTwinned].record.evidence.flags = Evidence::twin_male;
  set(kOfTwins, 10, identity_of({}, kOtherBirth, 4, kMale), LinkKind::alone, kOfTwins, 0);
  set(kFollowed, 1, identity_of({}, kBirth, 900, kMale), LinkKind::moved, kTwin, 4);
  all[kFollowed].record.provenance.notes = Provenance::company_known;
  set(kRefused, 6, identity_of({}, kBirth, 3, kMale), LinkKind::alone, kRefused, 0);
  all[kRefused].record.provenance.notes = Provenance::other_provider;
  set(kOtherPatient, 6, identity_of({}, kBirth, 3, kMale), LinkKind::alone, kOtherPatient, 0);
  all[kOtherPatient].record.provenance.notes = Provenance::other_patient;
  set(kThirdPatient, 7, identity_of({}, kBirth, 3, Gender::unknown), LinkKind::alone, kThirdPatient, 0);
  all[kThirdPatient].record.provenance.notes = Provenance::other_patient;
  nothing.postcode.packed = tiny_postcode(2000);
  set(kKnown, 1, one_time_identity(nothing, 54321), LinkKind::local_id, kTwin, 6);
  return all;
}

// A finished run whose rows are of those identities: row rN of dataset gp is of identity N, and some more.
class Explain : public testing::Test {
 protected:
  Explain() {
    FileFrequencies file;
    file.identities = 200'000;
    file.distinct_nhs = 100'000;
    run_.manifest.model = documented_model(file);
    run_.write(world_);
    for (TestIdentity& identity : identities_) identity.record.person = run_.persons[identity.person].pseudonym;

    const Range own = share_of(kIdentities, world_.rank(), world_.size());
    IdentityRecordWriter records(run_.secure, world_.rank(), own.begin);
    for (IdentityId id = own.begin; id < own.end; ++id) {
      const std::uint64_t row = identities_[id].person;
      records.add(std::span(&identities_[id].record, 1), std::span(&row, 1));
    }
    records.finish(world_);

    for (IdentityId id = 0; id < kIdentities; ++id) add_row(0, "r" + std::to_string(id), id);
    add_row(0, "twice", kRoot);
    add_row(0, "twice", kTwin);
    add_row(0, "again", kElsewhere);
    add_row(0, "again", kElsewhere);
    add_row(0, "either", kEither);
    rows_.back().person = 8;
    add_row(1, "r0", kTwin);
    add_row(1, "gp:r1", kTwin);
    SecureIndexWriter index(run_.secure, world_.rank());
    const Range share = share_of(rows_.size(), world_.rank(), world_.size());
    for (std::uint64_t row = share.begin; row < share.end; ++row) index.add(rows_[row]);
    index.finish(world_);
  }

  void add_row(std::uint32_t dataset, const std::string& row_id, IdentityId identity) {
    row_ids_.push_back(std::make_unique<std::string>(row_id));
    rows_.push_back({dataset, *row_ids_.back(), identities_[identity].person, identity});
  }

  // Collective.  What the job prints and writes; the text is empty but on rank 0.
  struct Told {
    std::string text;
    Json json;
  };
  Told told(const Names& rows, bool values = false) {
    ExplainArguments arguments{run_.publish, rows, values, folder_.path() / "explanation.json"};
    testing::internal::CaptureStdout();
    EXPECT_EQ(explain(world_, arguments), kExitDone);
    Told result;
    result.text = testing::internal::GetCapturedStdout();
    result.json = Json::parse(read_small_file(*arguments.json));
    EXPECT_EQ(result.text.empty(), !world_.is_root());
    world_.barrier();
    return result;
  }
  static std::string row(IdentityId id) { return "gp:r" + std::to_string(id); }
  Told told_of(IdentityId a, IdentityId b) { return told({row(a), row(b)}); }
  Names reasons(IdentityId a, IdentityId b) { return told_of(a, b).json["reasons"].get<Names>(); }

  // What is said of rows that cannot be found.
  std::string refusal(const Names& rows) {
    try {
      explain(world_, {run_.publish, rows, false, std::nullopt});
    } catch (const UsageError& error) {
      return error.what();
    }
    return "not refused";
  }

  Communicator world_ = Communicator::world();
  SharedFolder folder_{world_};
  TinyRun run_{folder_.path()};
  std::vector<TestIdentity> identities_ = identities();
  std::vector<std::unique_ptr<std::string>> row_ids_;
  std::vector<IndexRow> rows_;
};

TEST_F(Explain, links_between_two_rows_of_one_person_are_followed_and_named_by_rows) {
  const Told told = told_of(kRoot, kNoNumber);
  EXPECT_EQ(told.json["same_person"], true);
  EXPECT_EQ(told.json["reasons"].get<Names>(), Names{"linked"});
  const Json& path = told.json["path"];
  ASSERT_EQ(path.size(), 2U);
  EXPECT_EQ(path[0]["from_row"], "gp:r0");
  EXPECT_EQ(path[0]["to_row"], "gp:r1");
  EXPECT_EQ(path[0]["pass"], "nhs_number");
  EXPECT_EQ(path[0]["weight_bits"], 20.0);
  EXPECT_EQ(path[1]["from_row"], "gp:r1");
  EXPECT_EQ(path[1]["to_row"], "gp:r2");
  EXPECT_EQ(path[1]["pass"], "date_of_birth");
  EXPECT_EQ(path[1]["weight_bits"], 9.5);
  EXPECT_EQ(told.text.find("One person.") != std::string::npos, world_.is_root()) << told.text;
}

TEST_F(Explain, who_was_looked_at_is_in_the_log_by_pseudonym) {
  told_of(kRoot, kNoNumber);
  std::vector<AuditEntry> entries;
  read_audit_log(run_.secure, [&](const AuditEntry& entry) { entries.push_back(entry); });
  ASSERT_EQ(entries.size(), 2U);  // the making of the run is the first
  EXPECT_EQ(entries[1].action, "explain");
  const std::string person = hex(run_.persons[0].pseudonym);
  EXPECT_EQ(entries[1].text("persons"), person + " " + person);
}

TEST_F(Explain, path_is_the_same_from_both_ends) {
  const Told there = told_of(kRoot, kNoNumber), back = told_of(kNoNumber, kRoot);
  ASSERT_EQ(back.json["path"].size(), 2U);
  EXPECT_EQ(there.json["path"][0]["from"], back.json["path"][1]["to"]);
  EXPECT_EQ(there.json["path"][0]["weight_bits"], back.json["path"][1]["weight_bits"]);
}

TEST_F(Explain, every_way_of_being_two_persons_has_its_reason) {
  EXPECT_EQ(reasons(kRoot, kTwin), Names{"two_numbers"});
  EXPECT_EQ(reasons(kRoot, kDoubtful), (Names{"two_numbers", "below_threshold"}));
  EXPECT_EQ(reasons(kRoot, kNobody), Names{"one_time"});
  EXPECT_EQ(reasons(kRoot, kElsewhere), Names{"never_compared"});
  EXPECT_EQ(reasons(kRoot, kFaint), Names{"below_threshold"});
  EXPECT_EQ(reasons(kRoot, kEither), Names{"ambiguous"});
  EXPECT_EQ(reasons(kRoot, kIntruder), (Names{"number_disowned", "below_threshold"}));
}

TEST_F(Explain, two_valid_numbers_get_no_posterior_unless_one_is_in_doubt) {
  for (const auto& [other, vetoed] : {std::pair{kTwin, true}, {kDoubtful, false}, {kEither, false}}) {
    const Json comparison = told_of(kRoot, other).json["comparisons"].at(0);
    EXPECT_EQ(comparison["vetoed"], vetoed);
    EXPECT_EQ(comparison["posterior_percent"].is_null(), vetoed);
  }
}

TEST_F(Explain, equal_identifiers_are_one_identity) {
  const Told told = this->told({"gp:again", row(kElsewhere)});
  EXPECT_EQ(told.json["reasons"].get<Names>(), Names{"same_identity"});
  EXPECT_EQ(told.json["same_person"], true);
}

TEST_F(Explain, equal_identifiers_that_fit_several_people_are_not_one_person) {
  const Told told = this->told({"gp:either", row(kEither)});
  EXPECT_EQ(told.json["reasons"].get<Names>(), (Names{"same_identity", "ambiguous"}));
  EXPECT_EQ(told.json["same_person"], false);
}

TEST_F(Explain, parts_add_up_to_the_weight_of_the_model) {
  const LinkageModel model(run_.manifest.model);
  for (const auto& [a, b] : {std::pair{kRoot, kMoved}, {kRoot, kEither}, {kMoved, kNoNumber}, {kRoot, kFaint}}) {
    const Identity first = weighed(identities_[a].record.identity, identities_[a].record.evidence);
    const Identity second = weighed(identities_[b].record.identity, identities_[b].record.evidence);
    const Json comparison = told_of(a, b).json["comparisons"].at(0);
    double sum = 0;
    for (const Json& part : comparison["parts"]) sum += part["bits"].get<double>();
    EXPECT_EQ(sum, comparison["total_bits"].get<double>());
    EXPECT_EQ(sum * kWeightPerBit, model.weight(compare(first, second), first, second));
  }
}

TEST_F(Explain, lost_number_is_compared_with_it_and_without_it) {
  const Json comparisons = told_of(kRoot, kIntruder).json["comparisons"];
  ASSERT_EQ(comparisons.size(), 2U);
  EXPECT_EQ(comparisons[0]["stage"], "within_number");
  EXPECT_EQ(comparisons[0]["levels"]["nhs_number"], "exact");
  EXPECT_EQ(comparisons[1]["stage"], "as_weighed");
  EXPECT_EQ(comparisons[1]["levels"]["nhs_number"], "missing");
}

TEST_F(Explain, link_by_local_id_is_weighed_as_a_shared_number) {
  const Json told = told_of(kKnown, kTwin).json;
  EXPECT_EQ(told["reasons"].get<Names>(), Names{"linked"});
  EXPECT_EQ(told["path"][0]["pass"], "local_id");
  ASSERT_EQ(told["comparisons"].size(), 1U);
  EXPECT_EQ(told["comparisons"][0]["stage"], "by_local_id");
  const Levels levels{NhsLevel::exact, BirthLevel::missing, PostcodeLevel::area, GenderLevel::missing};
  EXPECT_EQ(told["comparisons"][0]["levels"]["postcode"], "area");
  EXPECT_EQ(told["comparisons"][0]["total_bits"].get<double>() * kWeightPerBit,
            LinkageModel(run_.manifest.model).weight(pattern_of(levels)));
}

TEST_F(Explain, row_that_another_provider_sent_says_so) {
  EXPECT_EQ(reasons(kRefused, kTwin), Names{"other_provider"});
  EXPECT_EQ(told_of(kRefused, kTwin).json["rows"][0]["flags"], Names{"other_provider"});
}

TEST_F(Explain, row_of_another_patient_of_its_provider_says_so) {
  EXPECT_EQ(reasons(kOtherPatient, kTwin), Names{"other_patient"});
  EXPECT_EQ(told_of(kOtherPatient, kTwin).json["rows"][0]["flags"], Names{"other_patient"});
  // Two without a number, whom one provider has under two.
  EXPECT_EQ(reasons(kOtherPatient, kThirdPatient), Names{"other_patient"});
  EXPECT_EQ(reasons(kThirdPatient, kRefused), Names{"no_joining_link"});
}

TEST_F(Explain, link_by_those_who_moved_shows_what_they_add) {
  const Told all = told_of(kFollowed, kTwin);
  const Json& told = all.json;
  EXPECT_EQ(told["rows"][0]["flags"], Names{"company_known"});
  EXPECT_EQ(all.text.find("who moved between the two, known to its provider") != std::string::npos, world_.is_root());
  EXPECT_EQ(told["reasons"].get<Names>(), Names{"linked"});
  EXPECT_EQ(told["path"][0]["pass"], "moved");
  ASSERT_EQ(told["comparisons"].size(), 2U);
  const Json& comparison = told["comparisons"][1];
  EXPECT_EQ(comparison["stage"], "by_moves");
  EXPECT_EQ(comparison["total_bits"], 4.0);
  double sum = 0;
  Names names;
  for (const Json& part : comparison["parts"]) {
    sum += part["bits"].get<double>();
    names.push_back(part["part"]);
  }
  EXPECT_EQ(sum, 4.0);
  EXPECT_EQ(names.back(), "company");
  EXPECT_EQ(std::count(names.begin(), names.end(), "postcode"), 0);
}

TEST_F(Explain, what_fits_a_twin_fits_the_other) {
  const Told told = told_of(kOfTwins, kTwinned);
  EXPECT_GE(told.json["comparisons"][0]["total_bits"].get<double>(), 1.5);
  EXPECT_EQ(told.json["reasons"].get<Names>(), Names{"known_twin"});
  EXPECT_EQ(told.text.find("has a twin in the file") != std::string::npos, world_.is_root());
}

TEST_F(Explain, one_row_is_explained_by_the_link_that_put_it_there) {
  const Told told = this->told({row(kNoNumber)});
  EXPECT_EQ(told.json["reasons"].get<Names>(), Names{"linked_to_parent"});
  EXPECT_EQ(told.json["path"][0]["to_row"], "gp:r1");
  EXPECT_EQ(told.json["comparisons"][0]["levels"]["postcode"], "exact");
  EXPECT_EQ(this->told({row(kRoot)}).json["reasons"].get<Names>(), Names{"root"});
  EXPECT_EQ(this->told({row(kTwin)}).json["reasons"].get<Names>(), Names{"nothing_linked"});
  EXPECT_EQ(this->told({row(kNobody)}).json["reasons"].get<Names>(), Names{"one_time"});
  EXPECT_EQ(this->told({row(kEither)}).json["reasons"].get<Names>(), Names{"ambiguous"});
}

TEST_F(Explain, identifiers_are_shown_only_if_asked_for) {
  const std::string number = std::to_string(tiny_nhs_number(kNumber));
  const std::string spaced = number.substr(0, 3) + " " + number.substr(3, 3) + " " + number.substr(6);
  const Names secrets{spaced, iso_date(kBirth), postcode_text(tiny_postcode(3)), postcode_text(tiny_postcode(2000))};
  for (const bool values : {false, true}) {
    const Told told = this->told({row(kRoot), row(kMoved)}, values);
    for (const std::string& secret : secrets) {
      EXPECT_EQ(told.json.dump().find(secret) != std::string::npos, values) << secret;
      EXPECT_EQ(told.text.find(secret) != std::string::npos, values && world_.is_root()) << secret;
    }
    EXPECT_EQ(told.json.dump().find(number), std::string::npos);
  }
  EXPECT_EQ(told_of(kRoot, kMoved).json["rows"][0]["date_of_birth"], iso_date(kBirth).substr(0, 4));
}

TEST_F(Explain, row_id_of_several_datasets_needs_its_dataset) {
  EXPECT_NE(refusal({"r0", "r1"}).find("the first ROW is the id of rows in several datasets (gp, ae)"),
            std::string::npos)
      << refusal({"r0", "r1"});
  EXPECT_EQ(told({"ae:r0"}).json["rows"][0]["identity"], kTwin);
  EXPECT_EQ(told({"gp:r0"}).json["rows"][0]["identity"], kRoot);
}

TEST_F(Explain, dataset_before_a_row_id_is_read_as_such_first) {
  EXPECT_EQ(told({"gp:r1"}).json["rows"][0]["identity"], kMoved);
  EXPECT_EQ(told({"ae:gp:r1"}).json["rows"][0]["identity"], kTwin);
  EXPECT_EQ(told({"ae:gp:r1"}).json["rows"][0]["row_id"], "gp:r1");
}

TEST_F(Explain, rows_that_cannot_be_told_apart_by_their_id_are_refused_unless_their_identifiers_are_equal) {
  EXPECT_NE(refusal({"twice"}).find("several rows of dataset 'gp'"), std::string::npos) << refusal({"twice"});
  EXPECT_EQ(told({"again"}).json["rows"][0]["identity"], kElsewhere);
}

TEST_F(Explain, row_that_is_not_there_is_refused_without_repeating_it) {
  for (const Names& rows : {Names{"943 476 5919"}, Names{"r1", "gp:943 476 5919"}, Names{"gp:"}}) {
    const std::string message = refusal(rows);
    EXPECT_NE(message.find("is the id of no row"), std::string::npos) << message;
    EXPECT_EQ(message.find("943"), std::string::npos) << message;
  }
}

TEST_F(Explain, nothing_is_written_to_the_publish_folder) {
  EXPECT_THROW(explain(world_, {run_.publish, {"gp:r1"}, false, run_.publish / "why.json"}), UsageError);
  EXPECT_FALSE(std::filesystem::exists(run_.publish / "why.json"));
}

TEST_F(Explain, damaged_record_ends_it_on_every_rank) {
  world_.barrier();
  if (world_.is_root()) {
    const std::string_view damage = "?????";
    File::open_update(run_.secure / "identities/part-00000").write_at(90, std::as_bytes(std::span(damage)));
  }
  world_.barrier();
  EXPECT_THROW(explain(world_, {run_.publish, {"gp:r0"}, false, std::nullopt}), Error);
}

}  // namespace
}  // namespace ligature
