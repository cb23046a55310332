#include "jobs/release/selection.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <limits>
#include <unordered_map>
#include <utility>

#include "engine/linkage_key.hpp"
#include "io/part_files.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::int64_t kLastYear = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kSexes = 256;
constexpr int kYearBits = 16, kSexBits = 8, kAreaBits = 32;
static_assert(kYearBits + kSexBits + kAreaBits <= 64);

// A cohort with its names looked up.
class CohortTest {
 public:
  CohortTest(const ReleaseSource& source, const Agreement& agreement, const ReleasedAreas& areas)
      : cohort_(agreement.cohort), areas_(areas), area_fits_(areas.values.size() + 1, cohort_.areas.empty()) {
    for (const std::string& area : cohort_.areas) {
      const auto found = std::lower_bound(areas.values.begin(), areas.values.end(), area);
      if (found != areas.values.end() && *found == area) {
        area_fits_[static_cast<std::size_t>(found - areas.values.begin())] = true;
      }
    }
    for (const std::uint8_t sex : cohort_.sexes) sex_fits_[sex] = 1;
    for (std::size_t d = 0; d < source.manifest.datasets.size(); ++d) {
      const auto& wanted = cohort_.datasets;
      if (std::find(wanted.begin(), wanted.end(), source.manifest.datasets[d].name) != wanted.end()) {
        datasets_ |= std::uint64_t{1} << d;
      }
    }
  }
  // What it looks at.
  [[nodiscard]] WantedPersons wanted() const noexcept {
    WantedPersons wanted;
    wanted.year_of_birth = cohort_.born_from || cohort_.born_to;
    wanted.sex = !cohort_.sexes.empty();
    wanted.area = !cohort_.areas.empty();
    wanted.datasets = datasets_ != 0;
    return wanted;
  }
  // Of each person of a slice 1 or 0.
  void judge(const Slice& slice, std::vector<std::uint8_t>& fits) const {
    fits.assign(slice.persons.size(), 1);
    const auto ask = [&](bool wanted, const std::vector<std::uint64_t>& values, const auto& fit) {
      if (!wanted) return;
      for (std::size_t p = 0; p < fits.size(); ++p) fits[p] &= fit(values[p]) ? std::uint8_t{1} : std::uint8_t{0};
    };
    const auto from = static_cast<std::uint64_t>(std::max<std::int64_t>(1, cohort_.born_from.value_or(1)));
    const auto to = static_cast<std::uint64_t>(std::max<std::int64_t>(0, cohort_.born_to.value_or(kLastYear)));
    ask(cohort_.born_from || cohort_.born_to, slice.year_of_birth,
        [&](std::uint64_t year) { return (year >= from) & (year <= to); });  // 0 is not known
    ask(!cohort_.sexes.empty(), slice.sex, [&](std::uint64_t sex) { return sex_fits_[sex % kSexes] != 0; });
    ask(!cohort_.areas.empty(), slice.area, [&](std::uint64_t area) { return area_fits_[areas_.of(area)]; });
    ask(datasets_ != 0, slice.datasets, [&](std::uint64_t in) { return (in & datasets_) == datasets_; });
  }

 private:
  const Cohort& cohort_;
  const ReleasedAreas& areas_;
  std::vector<bool> area_fits_;
  std::array<std::uint8_t, kSexes> sex_fits_{};
  std::uint64_t datasets_ = 0;
};

// Counts by class.  Most persons are of few: those that were met last stand in a table that one look is enough for.
class ClassTally {
 public:
  void add(std::uint64_t key) {
    ClassCount& recent = recent_[key * 0x9E3779B97F4A7C15U >> (64 - kRecentBits)];
    if (recent.key != key) {
      put_by(recent);
      recent = {key, 0};
    }
    ++recent.persons;
  }
  // Adds what was counted so far to others.
  void add_to(std::unordered_map<std::uint64_t, std::uint64_t>& others) const {
    for (const ClassCount& recent : recent_) {
      if (recent.persons > 0) others[recent.key] += recent.persons;
    }
    for (const auto& [key, persons] : earlier_) others[key] += persons;
  }

 private:
  void put_by(const ClassCount& count) {
    if (count.persons > 0) earlier_[count.key] += count.persons;
  }
  static constexpr int kRecentBits = 10;
  std::array<ClassCount, std::size_t{1} << kRecentBits> recent_{};
  std::unordered_map<std::uint64_t, std::uint64_t> earlier_;
};

// What is released of a person and may be known of them.
std::vector<PersonColumn> quasi_identifiers(const Agreement& agreement) {
  std::vector<PersonColumn> columns;
  std::copy_if(agreement.person_columns.begin(), agreement.person_columns.end(), std::back_inserter(columns),
               is_quasi_identifier);
  // A year of birth tells its age band, so one of them is enough, and three values fit a key.
  if (std::find(columns.begin(), columns.end(), PersonColumn::year_of_birth) != columns.end()) {
    std::erase(columns, PersonColumn::age_band);
  }
  return columns;
}

// A key for each person of a slice; room: see ReleasedValues::of.
void class_keys(const ReleasedValues& values, std::span<const PersonColumn> columns, const Slice& slice,
                std::vector<std::uint64_t>& room, std::vector<std::uint64_t>& keys) {
  keys.assign(slice.persons.size(), 0);
  for (const PersonColumn column : columns) {
    const int bits = column == PersonColumn::area ? kAreaBits : column == PersonColumn::sex ? kSexBits : kYearBits;
    const std::span<const std::uint64_t> of = values.of(slice, column, room);
    for (std::size_t p = 0; p < of.size(); ++p) keys[p] = keys[p] << bits | of[p];
  }
}

}  // namespace

int year_of(const ReleaseSource& source) {
  int year = 0;
  const std::string& as_at = source.manifest.as_at;
  std::from_chars(as_at.data(), as_at.data() + as_at.size(), year);
  return year;
}

ReleasedValues::ReleasedValues(const ReleasedAreas& areas, int age_band, int year_now) : areas_(areas) {
  for (int year = 0; year <= year_now; ++year) {
    const int age = year_now - year;
    const int band = age >= static_cast<int>(kOldestBand) ? static_cast<int>(kOldestBand) : age / age_band * age_band;
    band_of_year_.push_back(static_cast<std::uint8_t>(band));
  }
  if (!band_of_year_.empty()) band_of_year_.front() = static_cast<std::uint8_t>(kNoAge);
}

std::span<const std::uint64_t> ReleasedValues::of(const Slice& slice, PersonColumn column,
                                                  std::vector<std::uint64_t>& room) const {
  const auto each = [&](const std::vector<std::uint64_t>& values, const auto& released) {
    room.resize(values.size());
    std::transform(values.begin(), values.end(), room.begin(), released);
    return std::span<const std::uint64_t>(room);
  };
  switch (column) {
    case PersonColumn::year_of_birth:
      return slice.year_of_birth;
    case PersonColumn::age_band:
      return each(slice.year_of_birth, [&](std::uint64_t year) {
        return year < band_of_year_.size() ? band_of_year_[year] : std::uint8_t{0};
      });
    case PersonColumn::sex:
      return slice.sex;
    case PersonColumn::area:
      return each(slice.area, [&](std::uint64_t code) { return areas_.of(code); });
    case PersonColumn::link_quality:
      return slice.link_quality;
    case PersonColumn::id_type:
      break;
  }
  return slice.id_type;
}

std::string age_band_text(std::uint64_t lowest, int age_band) {
  if (lowest >= kOldestBand) return std::to_string(kOldestBand) + "+";
  const std::uint64_t highest = std::min<std::uint64_t>(lowest + static_cast<std::uint64_t>(age_band), kOldestBand) - 1;
  return std::to_string(lowest) + "-" + std::to_string(highest);
}

Selection select_persons(const Communicator& comm, const ReleaseSource& source, const Agreement& agreement,
                         const ReleasedAreas& areas, std::span<const std::uint64_t> objecting,
                         SelectionCounts& counts) {
  Selection selection;
  selection.persons = share_of(source.persons, comm.rank(), comm.size());
  selection.chosen.resize(selection.persons.size());
  std::atomic<std::uint64_t> chosen{0}, left_out{0};
  agreed_step(comm, [&] {
    const CohortTest cohort(source, agreement, areas);
    const bool with_classes = agreement.form == ReleaseForm::extract;
    const ReleasedValues values(areas, agreement.age_band, year_of(source));
    std::vector<PersonColumn> quasi;
    if (with_classes) quasi = quasi_identifiers(agreement);
    WantedPersons wanted = cohort.wanted();
    for (const PersonColumn column : quasi) wanted.add(column);
    struct Mine {
      std::vector<std::uint8_t> fits;
      std::vector<std::uint64_t> keys, room;
      ClassTally classes;
    };
    PerThread<Mine> per_thread;
    SliceReader(source, {}, wanted).for_each_slice(selection.persons, [&](const Slice& slice) {
      Mine& mine = per_thread.local();
      cohort.judge(slice, mine.fits);
      auto objector = std::lower_bound(objecting.begin(), objecting.end(), slice.persons.begin);
      for (; objector != objecting.end() && *objector < slice.persons.end; ++objector) {
        left_out += std::exchange(mine.fits[*objector - slice.persons.begin], std::uint8_t{0});
      }
      chosen += static_cast<std::uint64_t>(std::count(mine.fits.begin(), mine.fits.end(), 1));
      std::copy(mine.fits.begin(), mine.fits.end(), &selection.chosen[slice.persons.begin - selection.persons.begin]);
      if (!with_classes) return;
      class_keys(values, quasi, slice, mine.room, mine.keys);
      for (std::size_t p = 0; p < mine.keys.size(); ++p) {
        if (mine.fits[p] != 0) mine.classes.add(mine.keys[p]);
      }
    });
    std::unordered_map<std::uint64_t, std::uint64_t> classes;
    per_thread.for_each([&](const Mine& mine) { mine.classes.add_to(classes); });
    for (const auto& [key, persons] : classes) counts.classes.push_back({key, persons});
  });
  counts.chosen = comm.sum(chosen.load());
  counts.objecting = comm.sum(left_out.load());
  return selection;
}

void keep_released_areas(const Communicator& comm, const ReleaseSource& source, const Selection& selection,
                         ReleasedAreas& areas) {
  std::vector<std::uint64_t> persons(areas.values.size() + 1);
  agreed_step(comm, [&] {
    PerThread<std::vector<std::uint64_t>> counts;
    constexpr PersonColumn kArea = PersonColumn::area;
    const WantedPersons wanted = wanted_for(std::span(&kArea, 1));
    SliceReader(source, {}, wanted).for_each_slice(selection.persons, [&](const Slice& slice) {
      std::vector<std::uint64_t>& mine = counts.local();
      mine.resize(persons.size());
      for (std::size_t p = 0; p < slice.persons.size(); ++p) {
        if (selection.has(slice.persons.begin + p)) ++mine[areas.of(slice.area[p])];
      }
    });
    counts.for_each([&](const std::vector<std::uint64_t>& mine) {
      for (std::size_t a = 0; a < mine.size(); ++a) persons[a] += mine[a];
    });
  });
  comm.sum(std::span(persons));
  std::vector<std::uint32_t> kept(persons.size());
  std::uint32_t next = 0;
  for (std::size_t a = 0; a < areas.values.size(); ++a) {
    if (persons[a] == 0) continue;
    if (next != a) areas.values[next] = std::move(areas.values[a]);
    kept[a] = next++;
  }
  areas.values.resize(next);
  kept.back() = next;
  for (std::uint32_t& area : areas.of_code) {
    const bool lost = area + 1 < persons.size() && persons[area] == 0;
    area = lost ? next : kept[area];
  }
}

KAnonymity measure_k_anonymity(const Communicator& comm, std::uint64_t k, const std::vector<ClassCount>& classes) {
  const Received<ClassCount> received = shuffle(comm, std::vector(classes), [&](const ClassCount& count) {
    return owner_in_shares(shard_of(linkage_key(count.key)), kShards, comm.size());
  });
  std::unordered_map<std::uint64_t, std::uint64_t> whole;
  for (const ClassCount& count : received.items) whole[count.key] += count.persons;
  KAnonymity result;
  std::uint64_t smallest = ~std::uint64_t{0}, below = 0;
  for (const auto& [key, persons] : whole) {
    smallest = std::min(smallest, persons);
    if (persons < k) below += persons;
  }
  result.classes = comm.sum(std::uint64_t{whole.size()});
  result.below = comm.sum(below);
  smallest = comm.min(smallest);
  result.smallest = result.classes == 0 ? 0 : smallest;
  return result;
}

}  // namespace ligature
