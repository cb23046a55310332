// Verify: each dataset's events lie person by person as its offsets say, and each person's in order of date.
#include <algorithm>
#include <optional>

#include "jobs/verify/checks.hpp"

namespace ligature {

namespace {

constexpr std::uint64_t kPiecePersons = std::uint64_t{1} << 15;
constexpr std::uint64_t kPieceRows = std::uint64_t{1} << 17;

// Offsets begin at 0, never decrease and end at the number of rows.
void check_offsets(const Communicator& comm, const RunFiles& run, const RunFiles::Events& events, Tally& tally) {
  const std::uint64_t entries = run.persons + 1;
  for_pieces(share_of(entries, comm.rank(), comm.size()), kPiecePersons, [&](Range piece) {
    const std::uint64_t first = piece.begin == 0 ? 0 : piece.begin - 1;
    std::vector<std::uint64_t> offsets;
    run.dataset.read_unsigned(events.offsets, {first, piece.end}, offsets);
    std::uint64_t violations = 0;
    for (std::size_t i = 1; i < offsets.size(); ++i) violations += offsets[i - 1] <= offsets[i] ? 0U : 1U;
    if (piece.begin == 0 && offsets.front() != 0) ++violations;
    if (piece.end == entries && offsets.back() != events.rows) ++violations;
    tally.add(piece.size(), violations);
  });
}

// The rows of persons [piece.begin, piece.end), read in pieces: each names the person whose rows the offsets say it is
// among, and dates never decrease within a person.
void check_rows(const RunFiles& run, const RunFiles::Events& events, std::optional<std::size_t> dates, Range piece,
                Tally& persons_tally, Tally& dates_tally) {
  std::vector<std::uint64_t> offsets, persons, days;
  run.dataset.read_unsigned(events.offsets, {piece.begin, piece.end + 1}, offsets);
  const Range rows{offsets.front(), offsets.back()};
  if (rows.begin > rows.end || rows.end > events.rows) {  // already a violation of the offsets
    persons_tally.add(0, 1);
    return;
  }
  std::size_t p = 0;
  std::uint64_t previous_day = 0;
  for (std::uint64_t first = rows.begin; first < rows.end; first += kPieceRows) {
    const Range part{first, std::min(rows.end, first + kPieceRows)};
    run.dataset.read_unsigned(events.person, part, persons);
    if (dates) run.dataset.read_unsigned(*dates, part, days);
    std::uint64_t wrong_person = 0, wrong_date = 0;
    for (std::uint64_t row = part.begin; row < part.end; ++row) {
      // Not beyond the last person, even where offsets are not in order.
      while (p + 1 < piece.size() && row >= offsets[p + 1]) {
        ++p;
        previous_day = 0;
      }
      const std::size_t i = row - part.begin;
      wrong_person += persons[i] == piece.begin + p ? 0U : 1U;
      if (!dates) continue;
      wrong_date += previous_day <= days[i] ? 0U : 1U;
      previous_day = days[i];
    }
    persons_tally.add(part.size(), wrong_person);
    dates_tally.add(part.size(), wrong_date);
  }
}

}  // namespace

void check_events(const Communicator& comm, const RunFiles& run, CheckTable& table) {
  Tally offsets, persons, dates;
  std::string offsets_detail, persons_detail, dates_detail;
  const auto note = [](const Tally& tally, std::string& detail, const std::string& path) {
    if (tally.violations() > 0 && detail.empty()) detail = path;
  };
  for (const RunFiles::Events& events : run.events) {
    const std::string group = "/events/" + events.name + "/";
    check_offsets(comm, run, events, offsets);
    note(offsets, offsets_detail, group + "offsets");
    const std::optional<std::size_t> date_column = run.dataset.find(group + "event_date");
    for_pieces(share_of(run.persons, comm.rank(), comm.size()), kPiecePersons,
               [&](Range piece) { check_rows(run, events, date_column, piece, persons, dates); });
    note(persons, persons_detail, group + "person");
    note(dates, dates_detail, group + "event_date");
  }
  table.add("offsets begin at 0, never decrease, end at the rows", offsets.examined(), offsets.violations(),
            offsets_detail);
  table.add("events name the person whose rows they are among", persons.examined(), persons.violations(),
            persons_detail);
  table.add("events of a person are in order of date", dates.examined(), dates.violations(), dates_detail);
}

}  // namespace ligature
