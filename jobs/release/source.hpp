// What is released from: a finished run, opened on every rank, and what an agreement may name of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/pseudonym.hpp"
#include "io/agreement.hpp"
#include "io/dataset_reader.hpp"
#include "io/manifest.hpp"
#include "partition/communicator.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

struct ReleaseSource {
  // Throws Error if the published manifest is not that of the secure folder, or the dataset not that of the manifest.
  explicit ReleaseSource(const std::filesystem::path& run_publish);
  std::filesystem::path publish, secure;
  Manifest manifest;
  DatasetReader dataset;
  std::uint64_t persons = 0;
};

// The columns that an agreement may name.
Releasable releasable_columns(const ReleaseSource& source, DayNumber today);

// Areas as they are released: outward codes, or what a lookup has in their place.
struct ReleasedAreas {
  std::vector<std::string> values;     // ascending, each once
  std::vector<std::uint32_t> of_code;  // for each code of /dictionaries/area, and one entry more, for "missing"
  [[nodiscard]] std::uint32_t missing() const noexcept { return static_cast<std::uint32_t>(values.size()); }
  [[nodiscard]] std::uint32_t of(std::uint64_t code) const noexcept {
    return of_code.empty() ? missing() : of_code[code < of_code.size() ? code : of_code.size() - 1];
  }
};
ReleasedAreas released_areas(const ReleaseSource& source, const Agreement& agreement);

// The row of /persons of a pseudonym.  Every rank knows its own range of rows, 16 bytes a person.
class PersonDirectory {
 public:
  // Collective.
  PersonDirectory(const Communicator& comm, const ReleaseSource& source, Range own);
  // The rank that knows a person, if there is such a person.
  [[nodiscard]] int owner(const Pseudonym& person) const noexcept;
  // The row, if this rank knows it.
  [[nodiscard]] std::optional<std::uint64_t> row(const Pseudonym& person) const noexcept;

 private:
  Range own_;
  std::vector<Pseudonym> pseudonyms_;  // ascending
  std::vector<Pseudonym> first_;       // of each rank that has any, ascending
  std::vector<int> ranks_;             // their ranks
};

}  // namespace ligature
