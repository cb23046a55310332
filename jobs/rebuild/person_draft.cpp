#include "jobs/rebuild/person_draft.hpp"

#include <algorithm>

#include "engine/date.hpp"
#include "engine/gender.hpp"
#include "engine/match_rank.hpp"
#include "engine/parallel.hpp"
#include "engine/postcode.hpp"

namespace ligature {

namespace {

// The packed outward code, 0 if none.
std::uint32_t outward_of(const Identity& identity) noexcept {
  return static_cast<std::uint32_t>((identity.postcode() & kPostcodeDistrictMask) >> 14);
}

}  // namespace

void append_drafts(PersonDrafts& drafts, std::span<PersonDrafts> parts) {
  struct Begin {
    std::size_t draft = 0, member = 0;
  };
  std::vector<Begin> begins{{drafts.drafts.size(), drafts.members.size()}};
  for (const PersonDrafts& part : parts) {
    begins.push_back({begins.back().draft + part.drafts.size(), begins.back().member + part.members.size()});
  }
  if (drafts.first_member.empty()) drafts.first_member.push_back(0);
  drafts.drafts.resize(begins.back().draft);
  drafts.first_member.resize(begins.back().draft + 1);
  drafts.members.resize(begins.back().member);
  drafts.provenance.resize(begins.back().member);
  for_each_item(parts.size(), [&](std::size_t p) {
    PersonDrafts& part = parts[p];
    const auto [draft, member] = begins[p];
    std::copy(part.drafts.begin(), part.drafts.end(), drafts.drafts.data() + draft);
    std::copy(part.members.begin(), part.members.end(), drafts.members.data() + member);
    std::copy(part.provenance.begin(), part.provenance.end(), drafts.provenance.data() + member);
    for (std::size_t i = 0; i < part.drafts.size(); ++i) {
      drafts.first_member[draft + i + 1] = member + part.first_member[i + 1];
    }
    part = {};
  });
}

PersonDraft draft_alone(IdentityId id, const CountedIdentity& counted, const Evidence& evidence) {
  // What DraftBuilder makes of one identity.
  const Identity identity = counted_as(counted.identity, evidence);
  PersonDraft draft;
  draft.smallest = counted.identity;
  draft.cluster = id;
  draft.valid_nhs = identity.valid_nhs();
  if (evidence.has(Evidence::number_disowned)) draft.disowned_nhs = counted.identity.valid_nhs();
  draft.rows = counted.rows;
  draft.datasets = counted.datasets;
  draft.outward = outward_of(identity);
  if (const DayNumber birth = identity.date_of_birth(); birth != kMissingDay) {
    draft.birth_year = static_cast<std::uint16_t>(year_of(birth));
  }
  draft.sex = static_cast<std::uint8_t>(gender_code(identity.gender()));
  return draft;
}

Provenance provenance_alone(IdentityId id, const CountedIdentity& counted, const Evidence& evidence) {
  Provenance provenance;
  provenance.linked_to = id;
  provenance.lead = kNoRival;
  provenance.kind = is_one_time(counted) ? LinkKind::one_time : LinkKind::alone;
  if (counted.rows > 1) {
    const Identity identity = counted_as(counted.identity, evidence);
    provenance.rank = match_rank(identity, identity);
  }
  provenance.evidence_flags = evidence.flags;
  return provenance;
}

void DraftBuilder::start(IdentityId cluster) {
  draft_ = {};
  draft_.cluster = cluster;
  first_ = true;
  indeterminate_ = false;
  several_numbers_ = false;
  thin_ = false;
  year_.clear();
  sex_.clear();
  outward_.clear();
}

void DraftBuilder::add(const CountedIdentity& counted, const Evidence& evidence) {
  // A row's one-time identity names the person only where there is no other.
  const bool better =
      draft_.smallest.nhs_status() == NhsStatus::one_time && counted.identity.nhs_status() != NhsStatus::one_time;
  if (first_ || better) draft_.smallest = counted.identity;
  first_ = false;
  const Identity identity = counted_as(counted.identity, evidence);
  if (identity.has_valid_nhs()) {
    several_numbers_ = several_numbers_ || (draft_.valid_nhs != 0 && draft_.valid_nhs != identity.valid_nhs());
    // A number in use names the person before one that is seldom seen; among these the smallest does.
    const bool thin = evidence.has(Evidence::number_thin);
    if (draft_.valid_nhs == 0 || (thin_ && (!thin || identity.valid_nhs() < draft_.valid_nhs))) {
      draft_.valid_nhs = identity.valid_nhs();
      thin_ = thin;
    }
  }
  if (evidence.has(Evidence::number_disowned) && draft_.disowned_nhs == 0) {
    draft_.disowned_nhs = counted.identity.valid_nhs();
  }
  draft_.rows += counted.rows;
  draft_.datasets |= counted.datasets;
  if (const DayNumber birth = identity.date_of_birth(); birth != kMissingDay) {
    year_.add(static_cast<std::uint32_t>(year_of(birth)), counted.rows);
  }
  if (identity.gender() == Gender::indeterminate) {
    indeterminate_ = true;
  } else {
    sex_.add(gender_code(identity.gender()), counted.rows);
  }
  outward_.add(outward_of(identity), counted.rows);
}

PersonDraft DraftBuilder::finish() {
  draft_.birth_year = static_cast<std::uint16_t>(year_.winner());
  // "Not specified" speaks only where no row says more.
  draft_.sex = static_cast<std::uint8_t>(sex_.winner());
  if (draft_.sex == 0 && indeterminate_) draft_.sex = gender_code(Gender::indeterminate);
  draft_.outward = outward_.winner();
  return draft_;
}

}  // namespace ligature
