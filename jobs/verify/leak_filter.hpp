// The identifiers in use, as the search for leaks asks after them: a small filter on every rank, the whole set over
// all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "io/manifest.hpp"
#include "jobs/verify/identifier_forms.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// The rank that holds a key.
int owner_of(SearchKey key, int ranks) noexcept;

class LeakFilter {
 public:
  // Collective.  The identifiers of the run's identity records and, besides, of more (each rank's own finds in other
  // lists).  Throws Error on every rank if the records cannot be read or are not those that the manifest counts.
  LeakFilter(const Communicator& comm, const std::filesystem::path& secure, const Manifest& run,
             std::vector<SearchKey> more);

  // On any rank: false if the key is not in use; true nearly only if it is.
  [[nodiscard]] bool may_contain(SearchKey key) const noexcept;
  // On the key's owner.
  [[nodiscard]] bool contains(SearchKey key) const noexcept;

  // How many numbers like this one (same first three digits, check digit right or wrong; a postcode's same district)
  // are in use, of how many there could be.  {0, 1} for other keys.
  struct Density {
    std::uint64_t in_use = 0;
    double possible = 1;
  };
  [[nodiscard]] Density density(SearchKey key) const noexcept;

  [[nodiscard]] std::uint64_t identifiers() const noexcept { return total_; }

 private:
  std::vector<SearchKey> keys_;        // of this rank, ascending
  std::vector<std::uint64_t> filter_;  // of all ranks: blocks of 512 bits
  std::vector<std::uint64_t> numbers_, postcodes_;
  std::uint64_t total_ = 0;
};

}  // namespace ligature
