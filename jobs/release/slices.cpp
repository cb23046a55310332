#include "jobs/release/slices.hpp"

#include <algorithm>

#include "engine/error.hpp"

namespace ligature {

namespace {

constexpr std::uint64_t kSliceEvents = 1U << 17;  // fewer persons, where they have more
constexpr std::uint64_t kEventsAtOnce = 1U << 20;
constexpr std::size_t kDigits = 32;

}  // namespace

void WantedPersons::add(PersonColumn column) noexcept {
  switch (column) {
    case PersonColumn::year_of_birth:
    case PersonColumn::age_band:
      year_of_birth = true;
      return;
    case PersonColumn::sex:
      sex = true;
      return;
    case PersonColumn::area:
      area = true;
      return;
    case PersonColumn::link_quality:
      link_quality = true;
      return;
    case PersonColumn::id_type:
      id_type = true;
  }
}

WantedPersons wanted_for(std::span<const PersonColumn> columns) noexcept {
  WantedPersons wanted;
  for (const PersonColumn column : columns) wanted.add(column);
  return wanted;
}

std::span<Slice> SliceReader::read_next(std::uint64_t& next, std::uint64_t end, Batch& batch) const {
  batch.slices.resize(kSlicesAtOnce);
  std::uint64_t events = 0;
  std::size_t count = 0;
  while (count < kSlicesAtOnce && next < end && events < kEventsAtOnce) {
    if (batch.slice_persons == 0) batch.slice_persons = kSlicePersons;
    Slice& slice = batch.slices[count++];
    slice.persons = {next, next + std::min(batch.slice_persons, end - next)};
    load_offsets(slice);
    // What turns out to be too much is left for the next slice, which then asks for less; and for more, if all was
    // kept.
    const std::uint64_t kept = persons_that_fit(slice);
    batch.slice_persons = kept < slice.persons.size() ? kept : std::min(kSlicePersons, 2 * batch.slice_persons);
    slice.persons.end = next = slice.persons.begin + kept;
    for (Slice::Events& of : slice.events) {
      of.offsets.resize(kept + 1);
      events += of.offsets.back() - of.offsets.front();
    }
  }
  return std::span(batch.slices).first(count);
}

void SliceReader::load_offsets(Slice& slice) const {
  const DatasetReader& dataset = source_.dataset;
  slice.events.resize(wanted_.size());
  for (std::size_t d = 0; d < wanted_.size(); ++d) {
    Slice::Events& events = slice.events[d];
    dataset.read_unsigned(dataset.column("/events/" + wanted_[d].name + "/offsets"),
                          {slice.persons.begin, slice.persons.end + 1}, events.offsets);
    if (!std::is_sorted(events.offsets.begin(), events.offsets.end())) {
      throw Error("the offsets of dataset " + wanted_[d].name + " are out of order");
    }
    events.rows = {events.offsets[0], events.offsets[0]};
  }
}

std::uint64_t SliceReader::persons_that_fit(const Slice& slice) {
  const auto fits = [&](std::uint64_t count) {
    std::uint64_t events = 0;
    for (const Slice::Events& of : slice.events) events += of.offsets[count] - of.offsets[0];
    return events <= kSliceEvents;
  };
  const std::uint64_t persons = slice.persons.size();
  if (fits(persons)) return persons;
  // The most persons that fit, found by halving: events grow with persons.  One at least.
  std::uint64_t kept = 0;
  for (std::uint64_t most = persons - 1; kept < most;) {
    const std::uint64_t middle = kept + (most - kept + 1) / 2;
    if (fits(middle)) {
      kept = middle;
    } else {
      most = middle - 1;
    }
  }
  return std::max<std::uint64_t>(1, kept);
}

void SliceReader::load_persons(Slice& slice) const {
  const DatasetReader& dataset = source_.dataset;
  const std::uint64_t persons = slice.persons.size();
  const auto read = [&](bool wanted, const char* name, std::vector<std::uint64_t>& values) {
    if (wanted) dataset.read_unsigned(dataset.column(std::string("/persons/") + name), slice.persons, values);
  };
  read(wanted_persons_.year_of_birth, "year_of_birth", slice.year_of_birth);
  read(wanted_persons_.sex, "sex", slice.sex);
  read(wanted_persons_.datasets, "datasets", slice.datasets);
  read(wanted_persons_.link_quality, "link_quality", slice.link_quality);
  read(wanted_persons_.id_type, "id_type", slice.id_type);
  if (dataset.find("/persons/area")) {
    read(wanted_persons_.area, "area", slice.area);
  } else {
    slice.area.assign(persons, ~std::uint64_t{0});
  }
  slice.pseudonyms.clear();
  if (!wanted_persons_.pseudonym) return;
  std::string digits(persons * kDigits, '\0');
  dataset.read(dataset.column("/persons/pseudonym"), slice.persons.begin, std::as_writable_bytes(std::span(digits)));
  slice.pseudonyms.reserve(persons);
  for (std::uint64_t p = 0; p < persons; ++p) slice.pseudonyms.push_back(parse_pseudonym(&digits[p * kDigits]));
}

void SliceReader::load_events(Slice& slice, std::uint64_t first, std::uint64_t last) const {
  const DatasetReader& dataset = source_.dataset;
  for (std::size_t d = 0; d < wanted_.size(); ++d) {
    Slice::Events& events = slice.events[d];
    events.rows = {events.offsets[first - slice.persons.begin], events.offsets[last + 1 - slice.persons.begin]};
    events.columns.resize(wanted_[d].columns.size());
    for (std::size_t c = 0; c < events.columns.size(); ++c) {
      const std::size_t column = wanted_[d].columns[c];
      events.columns[c].resize(events.rows.size() * stored_bytes(dataset.columns()[column].type));
      dataset.read(column, events.rows.begin, events.columns[c]);
    }
  }
}

}  // namespace ligature
