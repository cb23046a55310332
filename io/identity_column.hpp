// From the identifiers of rows, column by column, to their identities, many rows side by side.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/identity.hpp"

namespace ligature {

// What the identifiers of successive rows were read as, each from the same row on.
struct IdentifierColumns {
  const NhsNumber* numbers = nullptr;
  const Birth* births = nullptr;
  const Postcode* postcodes = nullptr;
  const Gender* genders = nullptr;

  // The identifiers of one row.
  [[nodiscard]] IdentityFields row(std::size_t i) const noexcept {
    return {numbers[i], births[i].day, births[i].placeholder, postcodes[i], genders[i]};
  }
  // The columns from a later row on.
  [[nodiscard]] IdentifierColumns from(std::size_t i) const noexcept {
    return {numbers + i, births + i, postcodes + i, genders + i};
  }
};

// Packs the first `rows` identities and writes how each stands (standing::word_of).  Returns a bit for each row that is
// linkable; of the others nothing but how they stand is to be used.  REQUIRES: rows <= kChunkRows.  Throws as
// ensure_simd_targets does.
std::uint64_t pack_identities(const IdentifierColumns& columns, std::size_t rows, Identity* identities,
                              std::uint64_t* standing);

// The same, row by row: the plain reference.
std::uint64_t pack_identities_plainly(const IdentifierColumns& columns, std::size_t rows, Identity* identities,
                                      std::uint64_t* standing);

}  // namespace ligature
