// Persons: who owns a contested NHS number, each person's pseudonym, the order of persons, and the way back to rows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/provenance.hpp"
#include "engine/pseudonym.hpp"
#include "engine/raw_vector.hpp"
#include "io/manifest.hpp"
#include "io/manifest_screens.hpp"
#include "io/parked.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/person_draft.hpp"
#include "partition/communicator.hpp"

namespace ligature {

struct Person {
  Pseudonym pseudonym;
  std::uint64_t rows = 0;
  std::uint32_t datasets = 0;
  std::uint32_t outward = 0;
  std::uint16_t birth_year = 0;
  std::uint8_t sex = 0;
  std::uint8_t link_percent = 100;
  IdType id_type = IdType::other;
};

struct Persons {
  // Persons this rank owns, by pseudonym: whole shards (top kShardBits of the pseudonym), the first at row first_row.
  RawVector<Person> owned;
  std::uint64_t first_row = 0;
  std::vector<std::uint64_t> first_row_of_rank;  // ranks + 1 entries; the last is the number of persons
  // Where persons are in /persons, and the numbers of identities.
  RawVector<std::uint64_t> of_local;                 // by different identity of this rank (Identities::local_of_row)
  RawVector<IdentityId> id_of_local;                 // likewise: the identity's number
  std::vector<std::uint64_t> of_owned;               // by owned identity
  RawVector<Provenance> provenance;                  // by owned identity
  std::vector<LargePerson> largest;                  // those with the most rows, over all ranks
  std::array<std::uint64_t, kIdTypes> by_id_type{};  // over all ranks
  std::uint64_t rows_linked = 0;                     // rows of persons with two rows or more, over all ranks

  [[nodiscard]] std::uint64_t total() const noexcept { return first_row_of_rank.back(); }
  [[nodiscard]] int owner(std::uint64_t row) const noexcept;
  // Collective.  The pseudonyms of persons anywhere, by their rows.
  [[nodiscard]] RawVector<Pseudonym> pseudonyms(const Communicator& comm, std::vector<std::uint64_t>&& rows) const;
  // Where owned waits, if name_persons left it there, until this is called.
  using Waiting = Parked<Person, WithoutInitialValue<Person>>;
  std::unique_ptr<Waiting> waiting;
  void come_back();
  // Collective.  Completes id_of_local, before which it has only what AmbiguousRows::lead added.
  void number_locals(const Communicator& comm, const Identities& identities);
  // Leaves of the way back what leads rows to persons, and frees the rest: of_owned, provenance.
  void release_identities();
};

class AmbiguousRows;

// Collective.  Consumes the drafts.  apart: rows that were taken apart from their identity, whose local_of_row is set.
// Throws Error if two persons got one pseudonym: nothing may then be published.
// evidence: by owned identity.  scratch: where persons wait while identities are led to them, and then until
// come_back(), if memory is short.
Persons name_persons(const Communicator& comm, Identities& identities, std::span<const Evidence> evidence,
                     PersonDrafts&& drafts, const AmbiguousRows& apart, std::span<const std::byte> key,
                     const std::optional<std::filesystem::path>& scratch);

}  // namespace ligature
