// Which persons show which NHS number: secure/claims.  What the identity records say of valid numbers and no more, a
// quarter of their bytes, since every release looks for the numbers that object.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "engine/pseudonym.hpp"
#include "io/identity_records.hpp"
#include "io/record_parts.hpp"

namespace ligature {

// How a person has a number: as its owner, on a record that was parted from its owner, or as one that a system writes
// for many people.  The lower binds the more.
enum class Claim : std::uint8_t { owned, carried, default_number };

class NumberClaim {
 public:
  NumberClaim() = default;
  NumberClaim(std::uint64_t nhs, Claim claim, const Pseudonym& person) noexcept
      : packed_(static_cast<std::uint64_t>(claim) << kNumberBits | nhs), person_(person) {}
  [[nodiscard]] std::uint64_t nhs() const noexcept { return packed_ & ((std::uint64_t{1} << kNumberBits) - 1); }
  [[nodiscard]] Claim claim() const noexcept { return static_cast<Claim>(packed_ >> kNumberBits); }
  [[nodiscard]] const Pseudonym& person() const noexcept { return person_; }
  friend bool operator==(const NumberClaim&, const NumberClaim&) = default;

 private:
  static constexpr int kNumberBits = 34;
  std::uint64_t packed_ = 0;
  Pseudonym person_;
};

// Appends what a piece of identity records claims; of neighbours that claim the same, the first.
void append_claims(std::span<const IdentityRecord> piece, std::vector<NumberClaim>& claims);

// A digest of claims that does not depend on their order: those of several ranks are added.
std::uint64_t digest_of_claims(std::span<const NumberClaim> claims) noexcept;

extern const RecordForm kNumberClaimForm;

// Reads the claims that fall to one of several ranks, from secure/claims; from the identity records themselves where a
// build of old wrote the run, or where the claims are another run's.  Not collective.  Throws Error if what is read is
// damaged.
class NumberClaimReader {
 public:
  NumberClaimReader(const std::filesystem::path& secure, int rank, int ranks);
  // The next piece; empty when there is none.  Valid until the next call.
  std::span<const NumberClaim> next_piece();
  // Whether there are claims of the run apart from its identity records.
  [[nodiscard]] bool apart() const noexcept { return claims_.has_value(); }

 private:
  std::optional<RecordPartReader> claims_;
  std::optional<IdentityRecordReader> records_;
  std::vector<NumberClaim> piece_;
};

}  // namespace ligature
