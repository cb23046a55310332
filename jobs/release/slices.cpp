#include "jobs/release/slices.hpp"

#include <algorithm>

#include "engine/error.hpp"

namespace ligature {

namespace {

constexpr std::uint64_t kSlicePersons = 1U << 16;
constexpr std::uint64_t kSliceEvents = 1U << 20;  // fewer persons, where they have more
constexpr std::size_t kDigits = 32;

}  // namespace

SliceReader::SliceReader(const ReleaseSource& source, std::span<const WantedEvents> wanted, Range persons,
                         bool pseudonyms)
    : source_(source), wanted_(wanted), next_(persons.begin), end_(persons.end), pseudonyms_(pseudonyms) {}

bool SliceReader::next(Slice& slice) {
  if (next_ >= end_) return false;
  const DatasetReader& dataset = source_.dataset;
  std::uint64_t persons = std::min(kSlicePersons, end_ - next_);
  slice.events.resize(wanted_.size());
  for (std::size_t d = 0; d < wanted_.size(); ++d) {
    Slice::Events& events = slice.events[d];
    dataset.read_unsigned(dataset.column("/events/" + wanted_[d].name + "/offsets"), {next_, next_ + persons + 1},
                          events.offsets);
    if (!std::is_sorted(events.offsets.begin(), events.offsets.end())) {
      throw Error("the offsets of dataset " + wanted_[d].name + " are out of order");
    }
  }
  // As many persons as have a slice's events together, but one at least.
  std::uint64_t kept = 0;
  const auto events_up_to = [&](std::uint64_t count) {
    std::uint64_t events = 0;
    for (const Slice::Events& of : slice.events) events += of.offsets[count] - of.offsets[0];
    return events;
  };
  if (events_up_to(persons) <= kSliceEvents) {
    kept = persons;
  } else {
    std::uint64_t most = persons;
    while (kept < most) {
      const std::uint64_t middle = kept + (most - kept + 1) / 2;
      if (events_up_to(middle) <= kSliceEvents) {
        kept = middle;
      } else {
        most = middle - 1;
      }
    }
  }
  persons = std::max<std::uint64_t>(1, kept);
  for (Slice::Events& events : slice.events) {
    events.offsets.resize(persons + 1);
    events.rows = {events.offsets[0], events.offsets[0]};
    events.columns.clear();
  }
  slice.persons = {next_, next_ + persons};
  next_ += persons;

  const auto read = [&](const char* name, std::vector<std::uint64_t>& values) {
    dataset.read_unsigned(dataset.column(std::string("/persons/") + name), slice.persons, values);
  };
  read("year_of_birth", slice.year_of_birth);
  read("sex", slice.sex);
  read("datasets", slice.datasets);
  read("link_quality", slice.link_quality);
  read("id_type", slice.id_type);
  if (dataset.find("/persons/area")) {
    read("area", slice.area);
  } else {
    slice.area.assign(persons, ~std::uint64_t{0});
  }
  slice.pseudonyms.clear();
  if (!pseudonyms_) return true;
  std::string digits(persons * kDigits, '\0');
  dataset.read(dataset.column("/persons/pseudonym"), slice.persons.begin, std::as_writable_bytes(std::span(digits)));
  for (std::uint64_t p = 0; p < persons; ++p) slice.pseudonyms.push_back(parse_pseudonym(&digits[p * kDigits]));
  return true;
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
