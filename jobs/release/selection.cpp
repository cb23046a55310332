#include "jobs/release/selection.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <unordered_map>

#include "engine/linkage_key.hpp"
#include "io/part_files.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

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
  [[nodiscard]] bool fits(const Slice& slice, std::size_t p) const {
    if (cohort_.born_from || cohort_.born_to) {
      const auto year = static_cast<std::int64_t>(slice.year_of_birth[p]);
      if (year == 0 || year < cohort_.born_from.value_or(year) || year > cohort_.born_to.value_or(year)) return false;
    }
    if (!cohort_.sexes.empty()) {
      const auto sex = static_cast<std::uint8_t>(slice.sex[p]);
      if (std::find(cohort_.sexes.begin(), cohort_.sexes.end(), sex) == cohort_.sexes.end()) return false;
    }
    if (!cohort_.areas.empty() && !area_fits_[areas_.of(slice.area[p])]) return false;
    return datasets_ == 0 || (slice.datasets[p] & datasets_) == datasets_;
  }

 private:
  const Cohort& cohort_;
  const ReleasedAreas& areas_;
  std::vector<bool> area_fits_;
  std::uint64_t datasets_ = 0;
};

struct ClassCount {
  std::uint64_t key = 0, persons = 0;
};

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
    SliceReader(source, {}, cohort.wanted()).for_each_slice(selection.persons, [&](const Slice& slice) {
      auto objector = std::lower_bound(objecting.begin(), objecting.end(), slice.persons.begin);
      std::uint64_t here = 0, objecting_here = 0;
      for (std::size_t p = 0; p < slice.persons.size(); ++p) {
        const std::uint64_t row = slice.persons.begin + p;
        while (objector != objecting.end() && *objector < row) ++objector;
        if (!cohort.fits(slice, p)) continue;
        const bool objects = objector != objecting.end() && *objector == row;
        selection.chosen[row - selection.persons.begin] = objects ? 0 : 1;
        ++(objects ? objecting_here : here);
      }
      chosen += here;
      left_out += objecting_here;
    });
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

KAnonymity measure_k_anonymity(const Communicator& comm, const ReleaseSource& source, const Agreement& agreement,
                               const ReleasedAreas& areas, const Selection& selection) {
  std::vector<PersonColumn> columns;
  std::copy_if(agreement.person_columns.begin(), agreement.person_columns.end(), std::back_inserter(columns),
               is_quasi_identifier);
  // A year of birth tells its age band, so one of them is enough, and three values fit a key.
  if (std::find(columns.begin(), columns.end(), PersonColumn::year_of_birth) != columns.end()) {
    std::erase(columns, PersonColumn::age_band);
  }
  using Classes = std::unordered_map<std::uint64_t, std::uint64_t>;
  Classes own;
  agreed_step(comm, [&] {
    const ReleasedValues values(areas, agreement.age_band, year_of(source));
    struct Mine {
      Classes classes;
      std::vector<std::uint64_t> keys, room;
    };
    PerThread<Mine> per_thread;
    SliceReader(source, {}, wanted_for(columns)).for_each_slice(selection.persons, [&](const Slice& slice) {
      Mine& mine = per_thread.local();
      mine.keys.assign(slice.persons.size(), 0);
      for (const PersonColumn column : columns) {
        const int bits = column == PersonColumn::area ? kAreaBits : column == PersonColumn::sex ? kSexBits : kYearBits;
        const std::span<const std::uint64_t> of = values.of(slice, column, mine.room);
        for (std::size_t p = 0; p < of.size(); ++p) mine.keys[p] = mine.keys[p] << bits | of[p];
      }
      for (std::size_t p = 0; p < mine.keys.size(); ++p) {
        if (selection.has(slice.persons.begin + p)) ++mine.classes[mine.keys[p]];
      }
    });
    per_thread.for_each([&](const Mine& mine) {
      for (const auto& [key, persons] : mine.classes) own[key] += persons;
    });
  });
  std::vector<ClassCount> counts;
  for (const auto& [key, persons] : own) counts.push_back({key, persons});
  const Received<ClassCount> received = shuffle(comm, std::move(counts), [&](const ClassCount& count) {
    return owner_in_shares(shard_of(linkage_key(count.key)), kShards, comm.size());
  });
  std::unordered_map<std::uint64_t, std::uint64_t> whole;
  for (const ClassCount& count : received.items) whole[count.key] += count.persons;
  KAnonymity result;
  std::uint64_t smallest = ~std::uint64_t{0}, below = 0;
  for (const auto& [key, persons] : whole) {
    smallest = std::min(smallest, persons);
    if (persons < agreement.k) below += persons;
  }
  result.classes = comm.sum(std::uint64_t{whole.size()});
  result.below = comm.sum(below);
  smallest = comm.min(smallest);
  result.smallest = result.classes == 0 ? 0 : smallest;
  return result;
}

}  // namespace ligature
