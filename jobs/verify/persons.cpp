// Verify: /persons is in order, its values are in their ranges, and what it says of events is what the events say.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <string_view>

#include "jobs/verify/checks.hpp"

namespace ligature {

namespace {

constexpr std::uint64_t kPieceRows = std::uint64_t{1} << 16;
constexpr std::uint64_t kFirstYear = 1895, kLastYear = 2074;  // of engine/date.hpp
using PseudonymText = std::array<char, 32>;

bool well_formed(const PseudonymText& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

void check_pseudonyms(const RunFiles& run, Range share, CheckTable& table) {
  const std::size_t column = run.dataset.column("/persons/pseudonym");
  Tally form, order;
  for_pieces(share, kPieceRows, [&](Range piece) {
    // One row more before the piece, to compare with.
    const std::uint64_t first = piece.begin == 0 ? 0 : piece.begin - 1;
    std::vector<PseudonymText> texts(piece.end - first);
    run.dataset.read(column, first, std::as_writable_bytes(std::span(texts)));
    std::uint64_t malformed = 0, disordered = 0;
    for (std::uint64_t row = piece.begin; row < piece.end; ++row) {
      const PseudonymText& text = texts[row - first];
      malformed += well_formed(text) ? 0U : 1U;
      if (row > 0) disordered += texts[row - 1 - first] < text ? 0U : 1U;
    }
    form.add(piece.size(), malformed);
    order.add(piece.size(), disordered);
  });
  table.add("pseudonyms are 32 lower-case hexadecimal digits", form.examined(), form.violations());
  table.add("persons are unique and ordered by pseudonym", order.examined(), order.violations());
}

// Values of a column for which holds(value) is false.
template <typename Holds>
void check_values(const RunFiles& run, const char* path, Range share, const char* name, const Holds& holds,
                  CheckTable& table) {
  const std::size_t column = run.dataset.column(path);
  Tally tally;
  for_pieces(share, kPieceRows, [&](Range piece) {
    std::vector<std::uint64_t> values;
    run.dataset.read_unsigned(column, piece, values);
    const auto bad = std::count_if(values.begin(), values.end(), [&](std::uint64_t value) { return !holds(value); });
    tally.add(piece.size(), static_cast<std::uint64_t>(bad));
  });
  table.add(name, tally.examined(), tally.violations(), path);
}

// The bit mask's attribute names, where it is there, against the manifest.
bool mask_is_named_right(const RunFiles& run) {
  const std::string& names = run.dataset.columns()[run.dataset.column("/persons/datasets")].names;
  std::string expected;
  for (const DatasetReport& dataset : run.manifest.datasets) expected += (expected.empty() ? "" : ",") + dataset.name;
  return names.empty() || names == expected;
}

void check_event_counts(const RunFiles& run, Range share, CheckTable& table) {
  const std::size_t events_column = run.dataset.column("/persons/events");
  const std::size_t mask_column = run.dataset.column("/persons/datasets");
  Tally counts, masks;
  for_pieces(share, kPieceRows, [&](Range piece) {
    std::vector<std::uint64_t> events, mask, offsets, seen(piece.size(), 0), sums(piece.size(), 0);
    run.dataset.read_unsigned(events_column, piece, events);
    run.dataset.read_unsigned(mask_column, piece, mask);
    for (std::size_t d = 0; d < run.events.size(); ++d) {
      run.dataset.read_unsigned(run.events[d].offsets, {piece.begin, piece.end + 1}, offsets);
      for (std::size_t p = 0; p < piece.size(); ++p) {
        const std::uint64_t rows = offsets[p + 1] - offsets[p];  // wraps where offsets decrease: then nothing agrees
        sums[p] += rows;
        if (rows != 0) seen[p] |= std::uint64_t{1} << d;
      }
    }
    std::uint64_t wrong_counts = 0, wrong_masks = 0;
    for (std::size_t p = 0; p < piece.size(); ++p) {
      // A person is made of rows, and each row is an event.
      wrong_counts += sums[p] == events[p] && events[p] > 0 ? 0U : 1U;
      wrong_masks += seen[p] == mask[p] ? 0U : 1U;
    }
    counts.add(piece.size(), wrong_counts);
    masks.add(piece.size(), wrong_masks);
  });
  table.add("events of a person = rows in all datasets", counts.examined(), counts.violations(), "/persons/events");
  table.add("datasets of a person = datasets with rows", masks.examined(),
            masks.violations() + (mask_is_named_right(run) ? 0 : 1), "/persons/datasets");
}

void check_id_types(const Communicator& comm, const RunFiles& run, Range share, CheckTable& table) {
  const std::size_t column = run.dataset.column("/persons/id_type");
  PerThread<std::array<std::uint64_t, kIdTypes>> counts_of_threads;
  Tally range;
  for_pieces(share, kPieceRows, [&](Range piece) {
    std::vector<std::uint64_t> values;
    run.dataset.read_unsigned(column, piece, values);
    std::array<std::uint64_t, kIdTypes>& counts = counts_of_threads.local();
    std::uint64_t unknown = 0;
    for (const std::uint64_t value : values) {
      if (value == 0 || value >= kIdTypes) {
        ++unknown;
      } else {
        ++counts[value];
      }
    }
    range.add(piece.size(), unknown);
  });
  std::array<std::uint64_t, kIdTypes> total{};
  counts_of_threads.for_each([&](const auto& counts) {
    for (std::size_t t = 0; t < kIdTypes; ++t) total[t] += counts[t];
  });
  comm.sum(std::span(total));
  const bool same = std::equal(total.begin(), total.end(), run.manifest.persons_by_id_type.begin(),
                               run.manifest.persons_by_id_type.end());
  table.add("id_type is known, and counted right in the manifest", range.examined(),
            range.violations() + (comm.is_root() && !same ? 1 : 0), "/persons/id_type");
}

}  // namespace

void check_persons(const Communicator& comm, const RunFiles& run, CheckTable& table) {
  const Range share = share_of(run.persons, comm.rank(), comm.size());
  check_pseudonyms(run, share, table);
  check_values(
      run, "/persons/year_of_birth", share, "year of birth is missing or from 1895 to 2074",
      [](std::uint64_t year) { return year == 0 || (year >= kFirstYear && year <= kLastYear); }, table);
  check_values(
      run, "/persons/sex", share, "sex is 0, 1, 2 or 9", [](std::uint64_t sex) { return sex <= 2 || sex == 9; }, table);
  check_values(
      run, "/persons/link_quality", share, "link quality is at most 100 percent",
      [](std::uint64_t percent) { return percent <= 100; }, table);
  check_id_types(comm, run, share, table);
  check_event_counts(run, share, table);
}

void check_dictionaries(const Communicator& comm, const RunFiles& run, CheckTable& table) {
  // Values strictly ascending in byte order: sorted and without repeats.
  Tally order;
  std::string detail;
  const auto& texts = run.dataset.texts();
  for (std::size_t t = 0; t < texts.size(); ++t) {
    if (!texts[t].path.starts_with("/dictionaries/")) continue;
    const Range share = share_of(texts[t].rows, comm.rank(), comm.size());
    if (share.size() == 0) continue;
    std::string previous;
    std::uint64_t disordered = 0;
    const std::uint64_t first = share.begin == 0 ? 0 : share.begin - 1;
    run.dataset.visit_texts(t, {first, share.end}, [&](std::uint64_t row, std::string_view value) {
      if (row > first && previous >= value) ++disordered;
      previous = value;
    });
    order.add(share.size(), disordered);
    if (disordered > 0 && detail.empty()) detail = texts[t].path;
  }
  table.add("dictionaries are sorted, without repeats", order.examined(), order.violations(), detail);

  // Codes within their dictionary, or the type's largest number for missing.
  Tally codes;
  detail.clear();
  for (std::size_t c = 0; c < run.dataset.columns().size(); ++c) {
    const ColumnSpec& spec = run.dataset.columns()[c];
    if (spec.dictionary.empty()) continue;
    const auto values = std::find_if(texts.begin(), texts.end(), [&](const TextColumn& text) {
                          return text.path == spec.dictionary;
                        })->rows;
    const std::size_t bits = 8 * stored_bytes(spec.type);
    const std::uint64_t missing = std::numeric_limits<std::uint64_t>::max() >> (64 - bits);
    Tally column;
    for_pieces(share_of(spec.rows, comm.rank(), comm.size()), kPieceRows, [&](Range piece) {
      std::vector<std::uint64_t> row_codes;
      run.dataset.read_unsigned(c, piece, row_codes);
      const auto bad = std::count_if(row_codes.begin(), row_codes.end(),
                                     [&](std::uint64_t code) { return code >= values && code != missing; });
      column.add(piece.size(), static_cast<std::uint64_t>(bad));
    });
    codes.add(column.examined(), column.violations());
    if (column.violations() > 0 && detail.empty()) detail = spec.path;
  }
  table.add("codes are in their dictionaries, or missing", codes.examined(), codes.violations(), detail);
}

}  // namespace ligature
