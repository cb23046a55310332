// Verify: the identity records are whole, and no NHS number and no full postcode in them is found anywhere under the
// publish folder (leak_search.hpp).
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/error.hpp"
#include "io/identity_records.hpp"
#include "io/number_claims.hpp"
#include "jobs/verify/checks.hpp"
#include "jobs/verify/leak_search.hpp"

namespace ligature {

namespace {

constexpr std::size_t kPlacesShown = 5;

// How many claims to numbers there are, and which.
struct Claims {
  std::uint64_t count = 0, digest = 0;
  void add(std::span<const NumberClaim> claims) noexcept {
    count += claims.size();
    digest += digest_of_claims(claims);
  }
};

// Collective.  Whether a release that reads secure/claims leaves out whom the records (of this rank) say.
void check_claims(const Communicator& comm, const RunFiles& run, const Claims& of_records, CheckTable& table) {
  Claims stored;
  std::string problem;
  bool apart = true;
  try {
    NumberClaimReader reader(run.secure, comm.rank(), comm.size());
    apart = reader.apart();  // if not, releases read the records themselves
    if (apart) {
      for (auto piece = reader.next_piece(); !piece.empty(); piece = reader.next_piece()) stored.add(piece);
    }
  } catch (const Error& error) {
    problem = error.what();
  }
  const bool whole = !comm.any(!problem.empty());
  const std::uint64_t count = comm.sum(of_records.count) - comm.sum(stored.count);
  const std::uint64_t digest = comm.sum(of_records.digest) - comm.sum(stored.digest);
  const bool differ = !comm.any(!apart) && whole && (count != 0 || digest != 0);
  if (differ && comm.is_root()) problem = "they are not those of the identity records";
  table.add("claims to numbers are those of the identity records", stored.count, problem.empty() ? 0 : 1, problem);
}

// Collective.  Whether the records can be read, all of them.
bool check_records(const Communicator& comm, const RunFiles& run, CheckTable& table) {
  std::uint64_t identities = 0, rows = 0, astray = 0;
  std::string problem;
  Claims claims;
  std::vector<NumberClaim> of_piece;
  try {
    IdentityRecordReader reader(run.secure, comm.rank(), comm.size());
    for (auto piece = reader.next_piece(); !piece.empty(); piece = reader.next_piece()) {
      identities += piece.size();
      of_piece.clear();
      append_claims(piece, of_piece);
      claims.add(of_piece);
      for (const IdentityRecord& record : piece) {
        rows += record.rows;
        if (record.provenance.linked_to >= run.manifest.identity_records) ++astray;
      }
    }
  } catch (const Error& error) {
    problem = error.what();
  }
  const std::uint64_t total = comm.sum(identities), total_rows = comm.sum(rows);
  if (problem.empty() && total != run.manifest.identity_records) {
    problem = "there are " + std::to_string(total) + " records, and the manifest counts " +
              std::to_string(run.manifest.identity_records);
  }
  const bool whole = !comm.any(!problem.empty());
  // Records that cannot be read have failed once already.
  const bool miscounted = whole && total_rows != run.manifest.rows.kept;
  table.add("identity records are whole", identities, problem.empty() ? 0 : 1, problem);
  table.add("rows of the identity records = rows kept", rows, comm.is_root() && miscounted ? 1 : 0,
            "the records count " + std::to_string(total_rows) + " rows");
  table.add("identities are linked to identities of the run", identities, astray);
  if (whole) check_claims(comm, run, claims, table);
  return whole;
}

}  // namespace

void check_identifiers(const Communicator& comm, const RunFiles& run, CheckTable& table) {
  if (!check_records(comm, run, table)) return;
  const LeakFindings findings = search_for_leaks(comm, run.secure, run.manifest.identity_records, {run.publish});
  const auto report = [&](bool numbers, const char* name) {
    std::uint64_t total = 0;
    std::size_t shown = 0;
    std::string detail;
    for (const auto& [place, counts] : findings.table) {
      if (is_nhs_number(LeakFindings::form(place)) != numbers || !findings.is_leak(place, counts)) continue;
      total += counts.hits;
      if (++shown > kPlacesShown) continue;
      LeakSource source = findings.source(place);
      source.file = std::filesystem::path(source.file).lexically_relative(run.publish).string();
      detail += (detail.empty() ? "" : ", ") + source.place() + " (" + std::to_string(counts.hits) + ")";
    }
    if (shown > kPlacesShown) detail += " and " + std::to_string(shown - kPlacesShown) + " more places and spellings";
    const bool root = comm.is_root();
    table.add(name, root ? findings.bytes : 0, root ? total : 0, detail);
  };
  report(true, "no NHS number of the input is published");
  report(false, "no postcode of the input is published");
}

}  // namespace ligature
