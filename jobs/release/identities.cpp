// Identity records lie in the order of identities.  They go to the rank that holds their person's row, which knows
// whether it is released and gives it its new name; then to the rank whose range of new names that falls into.
#include "jobs/release/identities.hpp"

#include <algorithm>
#include <tuple>
#include <vector>

#include "engine/parallel.hpp"
#include "engine/sort_items.hpp"
#include "io/files.hpp"
#include "io/identity_records.hpp"
#include "io/part_files.hpp"
#include "jobs/release/arrivals.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

struct Line {
  Pseudonym person;
  Identity identity;
};

bool names(const Agreement& agreement, IdentifierColumn column) {
  return std::find(agreement.identifiers.begin(), agreement.identifiers.end(), column) != agreement.identifiers.end();
}

// The identity with the agreed identifiers alone; equal ones are one line.
Identity agreed_part(const Identity& identity, const Agreement& agreement) {
  const IdentityFields all = unpack(identity);
  IdentityFields part;
  if (names(agreement, IdentifierColumn::nhs_number) && all.nhs.status == NhsStatus::valid) part.nhs = all.nhs;
  if (names(agreement, IdentifierColumn::date_of_birth)) part.date_of_birth = all.date_of_birth;
  if (names(agreement, IdentifierColumn::postcode)) part.postcode.packed = all.postcode.packed;
  if (names(agreement, IdentifierColumn::gender)) part.gender = all.gender;
  return pack(part);
}

void append_identifier(std::string& text, const Identity& identity, IdentifierColumn column) {
  switch (column) {
    case IdentifierColumn::nhs_number:
      if (identity.valid_nhs() != 0) text += std::to_string(identity.valid_nhs());
      return;
    case IdentifierColumn::date_of_birth:
      if (identity.date_of_birth() != kMissingDay) text += iso_date(identity.date_of_birth());
      return;
    case IdentifierColumn::postcode:
      if (identity.postcode() != 0) text += postcode_text(identity.postcode());
      return;
    case IdentifierColumn::gender:
      break;
  }
  switch (identity.gender()) {
    case Gender::male:
      text += "male";
      return;
    case Gender::female:
      text += "female";
      return;
    default:
      return;
  }
}

// Collective.  The lines of one round that fall to this rank, sorted, each once.
std::vector<Line> bring_lines(const Communicator& comm, const ReleaseSource& source, const Agreement& agreement,
                              const Selection& selection, const PersonDirectory& rows, std::span<const std::byte> key,
                              std::uint64_t round, std::uint64_t rounds) {
  const auto ranks = static_cast<std::uint64_t>(comm.size());
  std::vector<Line> lines;
  std::optional<IdentityRecordReader> reader;
  agreed_step(
      comm, [&] { reader.emplace(source.secure, source.manifest.identity_records_digest, comm.rank(), comm.size()); });
  Pseudonymiser pseudonymiser(key);
  for (bool more = true; comm.any(more);) {
    std::vector<Line> read;
    agreed_step(comm, [&] {
      if (!more) return;
      const auto piece = reader->next_piece();
      more = !piece.empty();
      for (const IdentityRecord& record : piece) {
        const Identity part = agreed_part(record.identity, agreement);
        if (part != Identity{}) read.push_back({record.person, part});
      }
    });
    std::vector<Line> here =
        shuffle(comm, std::move(read), [&](const Line& line) { return rows.owner(line.person); }).items;
    std::erase_if(here, [&](const Line& line) {
      const std::optional<std::uint64_t> row = rows.row(line.person);
      return !row || !selection.has(*row);
    });
    std::vector<Pseudonym> persons, new_names(here.size());
    for (const Line& line : here) persons.push_back(line.person);
    pseudonymiser.name(std::span<const Pseudonym>(persons), std::span(new_names));
    for (std::size_t i = 0; i < here.size(); ++i) here[i].person = new_names[i];
    std::erase_if(here, [&](const Line& line) { return range_of(line.person, rounds * ranks) / ranks != round; });
    const std::vector<Line> mine = shuffle(comm, std::move(here), [&](const Line& line) {
                                     return static_cast<int>(range_of(line.person, rounds * ranks) % ranks);
                                   }).items;
    lines.insert(lines.end(), mine.begin(), mine.end());
  }
  sort_items(lines.begin(), lines.end(), [](const Line& a, const Line& b) {
    return std::tie(a.person, a.identity) < std::tie(b.person, b.identity);
  });
  const auto same = [](const Line& a, const Line& b) { return a.person == b.person && a.identity == b.identity; };
  lines.erase(std::unique(lines.begin(), lines.end(), same), lines.end());
  return lines;
}

}  // namespace

std::uint64_t write_identities(const Communicator& comm, const ReleaseSource& source, const Agreement& agreement,
                               const Selection& selection, std::span<const std::byte> key, std::uint64_t persons,
                               std::uint64_t bytes_of_rank, const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kIdentitiesFile;
  const PersonDirectory rows(comm, source, selection.persons);
  std::string header = "pseudonym";
  for (const IdentifierColumn column : agreement.identifiers) {
    header += ',';
    header += identifier_column_name(column);
  }
  header += '\n';
  agreed_step(comm, [&] {
    if (comm.is_root()) File::create(path, 0600).write_at(0, std::as_bytes(std::span(header)));
  });
  File file;
  agreed_step(comm, [&] { file = File::open_update(path); });

  // A person has a few identities; lines are held twice while they travel, and once more as text.
  constexpr std::uint64_t kBytesOfPerson = 8 * (2 * sizeof(Line) + 100);
  const std::uint64_t room =
      std::max<std::uint64_t>(1, comm.min(bytes_of_rank)) * static_cast<std::uint64_t>(comm.size());
  const std::uint64_t rounds = std::min<std::uint64_t>(1 + persons * kBytesOfPerson / room, 1U << 16);
  std::uint64_t offset = header.size(), total = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const std::vector<Line> lines = bring_lines(comm, source, agreement, selection, rows, key, round, rounds);
    std::string text;
    for (const Line& line : lines) {
      text += hex(line.person);
      for (const IdentifierColumn column : agreement.identifiers) {
        text += ',';
        append_identifier(text, line.identity, column);
      }
      text += '\n';
    }
    const std::uint64_t at = offset + comm.exclusive_sum(std::uint64_t{text.size()});
    offset += comm.sum(std::uint64_t{text.size()});
    total += comm.sum(std::uint64_t{lines.size()});
    agreed_step(comm, [&] { file.write_at(at, std::as_bytes(std::span(text))); });
  }
  agreed_step(comm, [&] {
    file.sync();
    file.close();
  });
  return total;
}

}  // namespace ligature
