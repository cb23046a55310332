// A small finished run, made through the writers alone: two datasets, a few hundred persons, everything consistent.
//
// Tests change one thing before it is written, or in the files afterwards, and say what should be noticed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/identity.hpp"
#include "engine/provenance.hpp"
#include "io/dataset.hpp"
#include "io/identity_records.hpp"
#include "io/manifest.hpp"
#include "partition/communicator.hpp"

namespace ligature {

struct TinyPerson {
  Pseudonym pseudonym;
  std::uint16_t year_of_birth = 0;
  std::uint8_t sex = 0;
  std::uint8_t area = 0;  // code; 255 missing
  std::uint8_t link_quality = 100;
  std::uint8_t id_type = 1;
  Identity identity;
  std::uint8_t flags = 0;  // Evidence::Flag
  Provenance provenance;   // each person is one identity, numbered as the persons are, and linked to itself
};

struct TinyEvent {
  std::uint64_t person = 0;
  std::uint16_t date = 0;
  std::uint8_t code = 0;    // of the dataset's dictionary; 255 missing
  std::int64_t amount = 0;  // a kept whole number
  double measure = 0;       // a kept real number
  std::string row_id;
};

struct TinyDataset {
  std::string name;
  std::vector<std::string> codes;  // the dictionary, sorted
  std::vector<TinyEvent> events;   // sorted by person, then date
};

struct TinyRun {
  // persons: how many.
  explicit TinyRun(const std::filesystem::path& folder, std::size_t persons = 300);

  std::filesystem::path secure, publish;
  std::vector<TinyPerson> persons;  // sorted by pseudonym
  std::vector<std::string> areas;
  std::vector<TinyDataset> datasets;
  Manifest manifest;  // name, digests and counts are filled in by write()
  std::uint64_t quarantined = 3, opted_out = 2;
  std::uint64_t indexed_less = 0;                 // rows left out of the secure index, at its end
  std::optional<std::uint64_t> first_row_person;  // whom the first row of the index names, if not whom it should

  // Collective.  The columns as they are laid out.
  [[nodiscard]] std::vector<ColumnSpec> columns() const;
  [[nodiscard]] std::vector<Dictionary> dictionaries() const;

  // Collective.  Writes and digests the columns of this rank's persons, but gives the dataset no name yet.
  [[nodiscard]] std::unique_ptr<DatasetWriter> write_columns(const Communicator& comm, Digest& content) const;
  // What the secure folder says of a person's identity.
  [[nodiscard]] IdentityRecord record_of(std::size_t person) const;
  // Collective.  The whole run: dataset, manifest, index, identities, quarantine.
  void write(const Communicator& comm);
};

// A valid NHS number, by index.
std::uint64_t tiny_nhs_number(std::size_t index);
// A postcode's packed form, by index.
PackedPostcode tiny_postcode(std::size_t index);

}  // namespace ligature
