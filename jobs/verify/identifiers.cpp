// Verify: the identity records are whole, and no NHS number and no full postcode in them is found anywhere under the
// publish folder (leak_search.hpp).
#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.hpp"
#include "engine/pseudonym.hpp"
#include "engine/xxhash.hpp"
#include "io/identity_records.hpp"
#include "io/number_claims.hpp"
#include "jobs/verify/checks.hpp"
#include "jobs/verify/leak_search.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::size_t kPlacesShown = 5;

// How many claims to numbers there are, and which, in whatever order.
struct Claims {
  std::uint64_t count = 0, digest = 0;
  void add(std::uint64_t nhs, ClaimKind claim, const Pseudonym& person) noexcept {
    const std::array<std::uint64_t, 4> words{nhs, static_cast<std::uint64_t>(claim), person.high, person.low};
    ++count;
    digest += XXH3_64bits(words.data(), sizeof words);
  }
};

// The pseudonyms of some rows.
std::vector<Pseudonym> read_pseudonyms(const RunFiles& run, Range rows) {
  constexpr std::uint64_t kRowsAtOnce = std::uint64_t{1} << 16;
  constexpr std::size_t kDigits = 32;
  const std::size_t column = run.dataset.column("/persons/pseudonym");
  std::vector<Pseudonym> pseudonyms;
  pseudonyms.reserve(rows.size());
  std::string text;
  for (std::uint64_t row = rows.begin; row < rows.end; row += kRowsAtOnce) {
    const std::uint64_t count = std::min(kRowsAtOnce, rows.end - row);
    text.resize(count * kDigits);
    run.dataset.read(column, row, std::as_writable_bytes(std::span(text)));
    for (std::uint64_t i = 0; i < count; ++i) pseudonyms.push_back(parse_pseudonym(&text[i * kDigits]));
  }
  return pseudonyms;
}

// Collective.  Whether a release that reads secure/claims leaves out whom the records (of this rank) say.
void check_claims(const Communicator& comm, const RunFiles& run, const Claims& of_records, CheckTable& table) {
  Claims stored;
  std::string problem;
  std::optional<NumberClaimReader> reader;
  std::vector<Pseudonym> pseudonyms;  // of this rank's share of the persons
  const Range own = share_of(run.persons, comm.rank(), comm.size());
  std::uint64_t read = 0;
  const auto attempt = [&](const auto& step) {
    if (!problem.empty()) return;
    try {
      step();
    } catch (const Error& error) {
      problem = error.what();
    }
  };
  attempt([&] {
    reader.emplace(run.secure, run.manifest.identity_records_digest, comm.rank(), comm.size());
    pseudonyms = read_pseudonyms(run, own);
  });
  for (bool more = problem.empty(); comm.any(more);) {
    std::vector<NumberClaim> claims;
    attempt([&] {
      const auto piece = reader->next_piece();
      read += piece.size();
      std::copy_if(piece.begin(), piece.end(), std::back_inserter(claims),
                   [&](const NumberClaim& claim) { return claim.row() < run.persons; });
      more = !piece.empty();
    });
    more = more && problem.empty();
    const auto here = shuffle(comm, std::move(claims), [&](const NumberClaim& claim) {
                        return owner_in_shares(claim.row(), run.persons, comm.size());
                      }).items;
    for (const NumberClaim& claim : here) {
      if (pseudonyms.empty()) break;  // they could not be read
      stored.add(claim.nhs(), claim.claim(), pseudonyms[claim.row() - own.begin]);
    }
  }
  const bool whole = !comm.any(!problem.empty());
  const std::uint64_t count = comm.sum(of_records.count) - comm.sum(stored.count);
  const std::uint64_t digest = comm.sum(of_records.digest) - comm.sum(stored.digest);
  const bool differ = whole && (count != 0 || digest != 0);
  if (differ && comm.is_root()) problem = "they are not those of the identity records";
  table.add("claims to numbers are those of the identity records", read, problem.empty() ? 0 : 1, problem);
}

// Collective.  Whether the records can be read, all of them.
bool check_records(const Communicator& comm, const RunFiles& run, CheckTable& table) {
  std::uint64_t identities = 0, rows = 0, astray = 0;
  std::string problem;
  Claims claims;
  try {
    IdentityRecordReader reader(run.secure, run.manifest.identity_records_digest, comm.rank(), comm.size());
    for (auto piece = reader.next_piece(); !piece.empty(); piece = reader.next_piece()) {
      identities += piece.size();
      for_each_claim(
          piece, [&](std::size_t i, std::uint64_t nhs, ClaimKind claim) { claims.add(nhs, claim, piece[i].person); });
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
  const LeakFindings findings = search_for_leaks(comm, run.secure, run.manifest, {run.publish});
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
