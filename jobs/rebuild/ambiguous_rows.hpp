// Rows of an identity that fits several people equally well: each stands alone.
//
// Twins' rows without an NHS number can be equal in all four identifiers.  Nothing in them says whose a row is, so
// nothing says that two of them are one person's: what stays ambiguous stays apart, row by row.  One row keeps the
// identity's own person; every other becomes a person by itself, named by the identity and a digest of the row.  Rows
// under one local patient id of one provider stay together, and so does a row that was sent twice.
// Source of the rule: several equally good candidates give no match (Master Person Service, error 97).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/evidence.hpp"
#include "io/intake.hpp"
#include "io/row_store.hpp"
#include "jobs/rebuild/clusters.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/persons.hpp"
#include "partition/communicator.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

class AmbiguousRows {
 public:
  // Collective.  Takes the rows of ambiguous identities apart: drafts of one such identity keep one row, and drafts
  // without an identity are added for the others.  evidence: by owned identity; lines_before: as for
  // RowIdReader.  Releases the store's local keys.
  AmbiguousRows(const Communicator& comm, const Inputs& inputs, RowStore& rows, const LinesBefore& lines_before,
                const Identities& identities, std::span<const Evidence> evidence, PersonDrafts& drafts);

  // Collective.  Leads the rows that were taken apart to their persons.  of_draft: where each draft's person is.
  // Adds entries to of_local and id_of_local, which local_of_row (Identities) then names.
  void lead(const Communicator& comm, std::span<const std::uint64_t> of_draft, std::vector<std::uint32_t>& local_of_row,
            Persons& persons) const;

  // Persons that were made, over all ranks.
  [[nodiscard]] std::uint64_t persons() const noexcept { return persons_; }

 private:
  struct Row {
    IdentityId id = 0;
    std::uint64_t digest = 0;
    std::uint32_t row = 0;  // of the rank that read it
    std::uint16_t dataset = 0;
    std::uint16_t has_local_id = 0;
  };
  static std::vector<Row> rows_of(const Inputs& inputs, RowStore& rows, const LinesBefore& lines_before,
                                  const Identities& identities, const ToldLocals<IdentityId>& ambiguous);

  bool any_ = false;
  std::uint64_t persons_ = 0;
  std::vector<Row> rows_;  // of this rank, in the order of input
  ReturnRoute route_;      // of rows_ to the owners of their identities
  std::vector<std::uint64_t> draft_of_received_;
};

}  // namespace ligature
