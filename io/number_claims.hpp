// Which persons show which NHS number: secure/claims.  What the identity records say of valid numbers and no more, a
// sixth of their bytes, since every release looks for the numbers that object.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "io/identity_records.hpp"
#include "io/record_parts.hpp"

namespace ligature {

// How a person has a number: as its owner, on a record that was parted from its owner, or as one that a system writes
// for many people.  The lower binds the more.
enum class ClaimKind : std::uint8_t { owned, carried, default_number };

// The person is known by their row of /persons: their name would have to be looked for.
class NumberClaim {
 public:
  NumberClaim() = default;
  NumberClaim(std::uint64_t nhs, ClaimKind claim, std::uint64_t row) noexcept
      : words_{static_cast<std::uint32_t>(nhs),
               static_cast<std::uint32_t>(row << kRowShift | static_cast<std::uint64_t>(claim) << 2 | nhs >> 32),
               static_cast<std::uint32_t>(row >> (32 - kRowShift))} {}
  [[nodiscard]] std::uint64_t nhs() const noexcept { return (words_[1] & std::uint64_t{3}) << 32 | words_[0]; }
  [[nodiscard]] ClaimKind claim() const noexcept { return static_cast<ClaimKind>(words_[1] >> 2 & 3); }
  [[nodiscard]] std::uint64_t row() const noexcept {
    return std::uint64_t{words_[2]} << (32 - kRowShift) | words_[1] >> kRowShift;
  }
  friend bool operator==(const NumberClaim&, const NumberClaim&) = default;

 private:
  static constexpr int kRowShift = 4;  // after the number's two highest bits and two of the claim
  std::array<std::uint32_t, 3> words_{};
};

// Calls visit(index, number, claim) for what each of a piece of identity records claims; of neighbours that claim the
// same, for the first.
template <typename Visit>
void for_each_claim(std::span<const IdentityRecord> piece, const Visit& visit) {
  const IdentityRecord* before = nullptr;
  for (std::size_t i = 0; i < piece.size(); ++i) {
    const IdentityRecord& record = piece[i];
    const std::uint64_t nhs = record.identity.valid_nhs();
    if (nhs == 0 || record.rows == 0) continue;
    const auto claim_of = [](const IdentityRecord& of) {
      if (of.evidence.has(Evidence::number_default)) return ClaimKind::default_number;
      // What was parted from the owner of its number and has gone back to it is the owner's.
      const bool parted = of.evidence.has(Evidence::number_disowned) && of.provenance.kind != LinkKind::returned;
      return parted ? ClaimKind::carried : ClaimKind::owned;
    };
    const ClaimKind claim = claim_of(record);
    const bool repeats = before != nullptr && before->identity.valid_nhs() == nhs && before->person == record.person &&
                         claim_of(*before) == claim;
    before = &record;
    if (!repeats) visit(i, nhs, claim);
  }
}

extern const RecordForm kNumberClaimForm;

// Reads the claims that fall to one of several ranks.  Not collective.  Throws Error if what is read is damaged, or is
// another run's than that of a manifest's identity_records_digest.
class NumberClaimReader {
 public:
  NumberClaimReader(const std::filesystem::path& secure, std::string_view run, int rank, int ranks);
  // The next piece; empty when there is none.  Valid until the next call.
  std::span<const NumberClaim> next_piece() { return claims_.next_piece(piece_); }

 private:
  RecordPartReader claims_;
  std::vector<NumberClaim> piece_;
};

}  // namespace ligature
