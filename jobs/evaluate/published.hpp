// What the dataset publishes about its persons, for the figures by group: read once, in order, a piece at a time.
//
// Rows are scored at the owner of their found person, and persons lie in the dataset by pseudonym, so each rank reads
// one range of /persons and meets its persons in order: nothing is sent, and one piece is in memory.
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
  // shards: those whose persons will be asked for.  Keeps a reference to the dataset.
  PublishedPersons(const DatasetReader& dataset, Range shards);

  // The postcode areas by Published::area, in byte order after kNotKnown; the same on every rank.
  [[nodiscard]] const std::vector<std::string>& areas() const noexcept { return areas_; }

  // found: the first 64 bits of a pseudonym, above that of the call before.  Throws Error if there is no such person.
  [[nodiscard]] Published at(std::uint64_t found);

 private:
  void read_areas();
  void read_piece();

  const DatasetReader& dataset_;
  std::optional<std::size_t> area_column_;
  std::vector<std::string> areas_;
  std::vector<std::uint16_t> area_of_code_;
  std::uint64_t next_row_ = 0;  // of /persons, after the piece
  std::vector<std::uint64_t> found_;
  std::vector<Published> published_;
  std::size_t at_ = 0;  // in the piece
};

}  // namespace ligature
