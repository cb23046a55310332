// What the dataset publishes about its persons, for the figures by group: read once, in order, a piece at a time.
//
// Rows are scored at the owner of their found person, whose persons are a range of /persons that it meets in order:
// nothing is sent, and one piece is in memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/dataset_reader.hpp"
#include "jobs/evaluate/labelled_row.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

class PublishedPersons {
 public:
  // Keeps a reference to the dataset.
  explicit PublishedPersons(const DatasetReader& dataset);

  // The postcode areas by Published::area, in byte order after kNotKnown; the same on every rank.
  [[nodiscard]] const std::vector<std::string>& areas() const noexcept { return areas_; }

  // found: a row of /persons, above that of the call before.  Throws Error if there is no such row.
  [[nodiscard]] Published at(std::uint64_t found);

 private:
  void read_areas();
  void read_piece(std::uint64_t first);

  const DatasetReader& dataset_;
  std::optional<std::size_t> area_column_;
  std::vector<std::string> areas_;
  std::vector<std::uint16_t> area_of_code_;
  Range rows_;  // of /persons, that the piece has
  std::vector<Published> published_;
};

}  // namespace ligature
