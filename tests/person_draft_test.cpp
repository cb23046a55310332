#include "jobs/rebuild/person_draft.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace ligature {
namespace {

// A part of so many persons, person p of p identities; numbered from first.
PersonDrafts part_of(std::size_t persons, IdentityId first) {
  PersonDrafts part;
  part.first_member.push_back(0);
  for (std::size_t p = 0; p < persons; ++p) {
    PersonDraft& draft = part.drafts.emplace_back(PersonDraft{});
    draft.cluster = first + part.members.size();
    for (std::size_t m = 0; m < p; ++m) {
      part.members.push_back(first + part.members.size());
      part.provenance.push_back(Provenance{});
      part.provenance.back().linked_to = draft.cluster;
    }
    part.first_member.push_back(part.members.size());
  }
  return part;
}

TEST(PersonDrafts, parts_are_appended_one_after_the_other) {
  PersonDrafts all;
  append_drafts(all, {});
  EXPECT_EQ(std::vector<std::uint64_t>(all.first_member.begin(), all.first_member.end()),
            (std::vector<std::uint64_t>{0}))
      << "of nobody, one offset";

  IdentityId next = 0;
  std::vector<std::size_t> sizes;  // members of each person, in order
  for (const bool again : {false, true}) {
    std::vector<PersonDrafts> parts;
    for (const std::size_t persons : again ? std::vector<std::size_t>{3} : std::vector<std::size_t>{4, 0, 1, 70}) {
      parts.push_back(part_of(persons, next));
      next += parts.back().members.size();
      for (std::size_t p = 0; p < persons; ++p) sizes.push_back(p);
    }
    append_drafts(all, parts);
    for (const PersonDrafts& part : parts) EXPECT_TRUE(part.drafts.empty() && part.members.empty());
  }

  ASSERT_EQ(all.drafts.size(), sizes.size());
  ASSERT_EQ(all.first_member.size(), sizes.size() + 1);
  ASSERT_EQ(all.members.size(), next);
  ASSERT_EQ(all.provenance.size(), next);
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    EXPECT_EQ(all.first_member[d + 1] - all.first_member[d], sizes[d]);
    if (sizes[d] == 0) continue;
    EXPECT_EQ(all.drafts[d].cluster, all.members[all.first_member[d]]);
    EXPECT_EQ(all.provenance[all.first_member[d + 1] - 1].linked_to, all.drafts[d].cluster);
  }
  for (std::size_t m = 0; m < all.members.size(); ++m) EXPECT_EQ(all.members[m], m);
}

}  // namespace
}  // namespace ligature
