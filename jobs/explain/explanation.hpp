// Why a row is where it is, or two rows are one person or two: worked out from the identity records and the model
// alone.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/comparison.hpp"
#include "engine/model.hpp"
#include "engine/weight_parts.hpp"
#include "io/dataset_reader.hpp"
#include "io/identity_records.hpp"
#include "io/manifest.hpp"
#include "jobs/explain/find_rows.hpp"

namespace ligature {

// A row of the question, with its identity's record.
struct ExplainedRow {
  FoundRow row;
  std::string person;  // its pseudonym, 32 hexadecimal digits
  IdentityRecord record;
  IdType id_type = IdType::other;
};

// How two identities compare.
struct Comparison {
  // as_weighed: what is not evidence counts as missing.  within_number: as they were compared inside the NHS number
  // that both carry, before it was decided whose it is.  by_local_id: as they were for having one local patient id.
  // by_moves: by the people who moved between their postcodes, in place of the postcodes.
  enum class Stage { as_weighed, within_number, by_local_id, by_moves };
  Stage stage = Stage::as_weighed;
  Levels levels;
  std::vector<PartOfWeight> parts;
  Weight total = 0;
  bool vetoed =
      false;  // two valid numbers, which the model is not asked about: it knows pairs of which one is in doubt
};

// One link of the tree that holds a person together.
struct PathLink {
  IdentityId from = 0, to = 0;
  std::string from_row, to_row;  // the first row of each; filled in by the job
  LinkKind kind = LinkKind::alone;
  Weight weight = 0;
  std::string_view pass;  // what brought them together: the identifier that agrees
};

enum class Reason {
  same_identity,     // all four identifiers are equal
  linked,            // a path of links
  path_too_long,     // a path of links that was not followed to its end
  one_time,          // one of them cannot tell people apart
  two_numbers,       // two valid NHS numbers
  number_disowned,   // the number that both carry is not evidence for one of them
  never_compared,    // nothing agrees
  below_threshold,   // too little evidence
  next_number,       // one carries a number next to the other's, as twins have, and does not own it
  known_twin,        // what fits the one with a number fits a twin of that person's as well
  other_provider,    // another provider has the person of the one with a number
  other_patient,     // a provider of the one without a number has the other under another patient number
  ambiguous,         // one is linked to several persons of whom none leads, or its rows are of several
  persons_differ,    // their persons have two valid NHS numbers
  no_joining_link,   // their evidence would do, but what they are linked to kept them apart
  nothing_linked,    // of one row: no link reached it
  linked_to_parent,  // of one row: by the link that is shown
  root,              // of one row: the record that the links of its person lead to
};
std::string_view reason_name(Reason reason) noexcept;

struct Explanation {
  Manifest manifest;
  std::vector<ExplainedRow> rows;  // one or two
  // Of one row: what it is linked to, if anything.
  std::optional<IdentityRecord> linked_to;
  std::vector<Comparison> comparisons;  // of the two rows, or of the row and what it is linked to
  bool same_person = false;
  std::vector<Reason> reasons;
  std::vector<PathLink> path;
  Weight threshold = 0, margin = 0;
  double elsewhere = 1;  // of the model: what a link by moves is believed against (engine/moves.hpp)
};

// The pseudonym of a row of /persons, 32 hexadecimal digits.  Throws Error if there is no such row.
std::string pseudonym_text(const DatasetReader& dataset, std::uint64_t person);

// rows: one or two.
Explanation explain_rows(const Manifest& manifest, const std::filesystem::path& secure, const DatasetReader& dataset,
                         std::vector<FoundRow> rows);

// Both are made of masked values unless values is set: of an NHS number whether it is valid, of a date of birth the
// year, of a postcode the district.
std::string explanation_text(const Explanation& explanation, bool values);
std::string explanation_json(const Explanation& explanation, bool values);

// The values of an identity as they are shown.
struct ShownValues {
  std::string nhs_number, date_of_birth, postcode, gender;
};
ShownValues shown_values(const Identity& identity, std::uint8_t evidence_flags, bool values);

}  // namespace ligature
