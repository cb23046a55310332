#include "io/number_claims.hpp"

#include <type_traits>

#include "engine/xxhash.hpp"
#include "io/part_files.hpp"

namespace ligature {

static_assert(sizeof(NumberClaim) == 24 && std::is_trivially_copyable_v<NumberClaim>);
static_assert(std::has_unique_object_representations_v<NumberClaim>, "padding would make files differ at random");

const RecordForm kNumberClaimForm{
    {'L', 'I', 'G', 'C', 'L', 'A', 'I', 'M'}, sizeof(NumberClaim), "claims", "claims to NHS numbers"};

namespace {

Claim claim_of(const IdentityRecord& record) noexcept {
  if (record.evidence.has(Evidence::number_default)) return Claim::default_number;
  // What was parted from the owner of its number and has gone back to it is the owner's.
  const bool parted = record.evidence.has(Evidence::number_disowned) && record.provenance.kind != LinkKind::returned;
  return parted ? Claim::carried : Claim::owned;
}

}  // namespace

void append_claims(std::span<const IdentityRecord> piece, std::vector<NumberClaim>& claims) {
  const std::size_t before = claims.size();
  for (const IdentityRecord& record : piece) {
    const std::uint64_t nhs = record.identity.valid_nhs();
    if (nhs == 0 || record.rows == 0) continue;
    const NumberClaim claim(nhs, claim_of(record), record.person);
    if (claims.size() == before || claims.back() != claim) claims.push_back(claim);
  }
}

std::uint64_t digest_of_claims(std::span<const NumberClaim> claims) noexcept {
  std::uint64_t digest = 0;
  for (const NumberClaim& claim : claims) digest += XXH3_64bits(&claim, sizeof claim);
  return digest;
}

NumberClaimReader::NumberClaimReader(const std::filesystem::path& secure, int rank, int ranks) {
  const PartHeader identities = open_record_part(kIdentityRecordForm, secure, 0).header;
  if (std::filesystem::exists(part_path(secure / kNumberClaimForm.folder, 0))) {
    claims_.emplace(kNumberClaimForm, secure, rank, ranks);
    const PartHeader& claims = claims_->headers().front();
    if (claims.run != identities.run || claims.parts != identities.parts) claims_.reset();
  }
  if (!claims_) records_.emplace(secure, rank, ranks);
}

std::span<const NumberClaim> NumberClaimReader::next_piece() {
  if (claims_) return claims_->next_piece(piece_);
  piece_.clear();
  while (piece_.empty()) {
    const std::span<const IdentityRecord> records = records_->next_piece();
    if (records.empty()) break;
    append_claims(records, piece_);
  }
  return piece_;
}

}  // namespace ligature
