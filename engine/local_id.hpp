// Local patient ids: the number that a provider gives its own patient, as evidence that two rows are of one person.
//
// The second pass of HESID is driven by it (HSCIC, HES Patient ID methodology: sex, date of birth and home address
// with provider code and local patient id); what counts as no id is that of UKHSA's epidm.  Here it is weighed as a
// shared NHS number is: like a number, it is wrong on a row now and then, and re-used by a provider now and then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/identity.hpp"
#include "engine/model.hpp"

namespace ligature {

// Whose numbering a local id belongs to: a provider's, or a dataset's where rows do not say who the provider is.
enum class LocalIdScope : std::uint8_t { provider, dataset };

// The key of a local id: XXH3 of who gave it and the id, without surrounding white space and in upper case.  0 for no
// id: where either is empty, or the id is one that systems write for want of one (UNKNOWN, NO PATIENT ID, one character
// again and again).  The low 16 bits are the giver's alone (one_patient.hpp).
std::uint64_t local_key(LocalIdScope scope, std::string_view giver, std::string_view local_id);

// The same of many rows: what neighbours have in common, the giver or the whole key, is reckoned once.
class LocalKeys {
 public:
  explicit LocalKeys(LocalIdScope scope) noexcept : scope_(scope) {}
  std::uint64_t key(std::string_view giver, std::string_view local_id);

 private:
  void set_giver(std::string_view giver);
  [[nodiscard]] std::uint64_t reckon(std::string_view local_id);
  LocalIdScope scope_;
  std::string giver_;          // as it was written
  std::string text_;           // what is hashed: scope, giver and NUL, then the last id
  std::size_t giver_end_ = 0;  // of the giver in it; 0 if there is none
  std::uint64_t of_giver_ = 0;
  std::string id_;         // the last one, as it was written
  std::uint64_t key_ = 0;  // of it and the giver
};

// The weight of a pair that shares a local id: that of a pair that shares an NHS number and agrees likewise on the
// rest.
Weight shared_id_weight(const LinkageModel& model, Pattern pattern) noexcept;

// A local id of more different identities than this is written for want of one: it is nobody's.
inline constexpr std::size_t kMostOfLocalId = 32;

struct LocalIdLink {
  std::uint32_t a = 0, b = 0;  // a < b
  Weight weight = 0;
};

struct LocalIdVerdict {
  // Pairs that the id makes one person, and, below the threshold, pairs of an identity with a valid NHS number and one
  // without that are still rivals (LinkageModel::rival_threshold).
  std::vector<LocalIdLink> links;
  std::uint64_t compared = 0;  // pairs
  std::uint64_t vetoed = 0;    // ... with two different valid NHS numbers, which cannot link
  bool reused = false;         // some of the identities are strangers to most of the others
};

// What one local id says.  identities: weighed, different, at most kMostOfLocalId, in an order of content.
//   - An identity that conflicts with more than half of the others (a pair more likely two persons than one) is there
//   by
//     mistake, or the id was given to several people: it gets no links.
//   - An identity that fits two others which cannot be one person is linked to the better one only if that leads by the
//     margin.  (Two with valid NHS numbers are left to the clustering, which knows all that is near them.)
//   - Two that share a valid NHS number have met with the number, and are no pair here.
LocalIdVerdict judge_local_id(std::span<const Identity> identities, const LinkageModel& model);

}  // namespace ligature
