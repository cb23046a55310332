// Tables that count the same (persons, or the events of one dataset) are faces of one cube: what one of them hides,
// another must not give back.  Whether a person has rows in a dataset is a dimension like any other, or a table of all
// persons less one of those with rows would be a table of those without.  A cube is counted sparsely on every rank,
// then only values that occur become its categories, and the cells, few by then, are summed over ranks.
#include "jobs/release/cubes.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "io/csv_field.hpp"
#include "io/files.hpp"
#include "io/part_files.hpp"
#include "jobs/release/cells.hpp"
#include "jobs/release/columns.hpp"

namespace ligature {

namespace {

constexpr std::string_view kTotal = "Total", kNotShown = "*", kNotKnown = "Not known";
constexpr std::size_t kWriteBytes = std::size_t{1} << 20;

// A dimension of a cube, and how a value of it is found and spelt.
struct Dimension {
  std::string name;
  std::optional<PersonColumn> person;
  std::optional<std::size_t> presence;  // 1 if the person has rows in this dataset of the run; else of a column:
  std::size_t column = 0;               // in what is wanted of it
  std::size_t width = 0;
  bool is_date = false;
  EventDatePolicy dates = EventDatePolicy::year;
  std::vector<std::string> values;  // of a category: its dictionary
  std::vector<std::uint32_t> used;  // the values that occur, ascending: the categories
};

struct CubePlan {
  TableCount count = TableCount::persons;
  std::optional<std::string> dataset;
  std::vector<Dimension> dimensions;
  WantedEvents wanted;
  std::vector<const ReleasedTable*> tables;
  std::vector<std::vector<std::size_t>> of_table;   // the dimensions of each, in its order
  std::vector<std::optional<std::size_t>> present;  // the dimension in which a table shows 1 alone
  // The place of a dimension, made by make() if there is none of the name.
  template <typename Make>
  std::size_t dimension(const std::string& name, const Make& make) {
    const auto known = std::find_if(dimensions.begin(), dimensions.end(),
                                    [&](const Dimension& dimension) { return dimension.name == name; });
    if (known != dimensions.end()) return static_cast<std::size_t>(known - dimensions.begin());
    dimensions.push_back(make());
    return dimensions.size() - 1;
  }
};

std::optional<PersonColumn> person_dimension(const std::string& name) {
  for (const PersonColumn column :
       {PersonColumn::year_of_birth, PersonColumn::age_band, PersonColumn::sex, PersonColumn::area}) {
    if (person_column_name(column) == name) return column;
  }
  return std::nullopt;
}

std::size_t dataset_number(const ReleaseSource& source, const std::string& name) {
  const auto& datasets = source.manifest.datasets;
  return static_cast<std::size_t>(
      std::find_if(datasets.begin(), datasets.end(), [&](const DatasetReport& d) { return d.name == name; }) -
      datasets.begin());
}

Dimension make_dimension(const ReleaseSource& source, const ReleasedTable& table, const std::string& name,
                         WantedEvents& wanted) {
  Dimension dimension;
  dimension.name = name;
  dimension.person = person_dimension(name);
  if (dimension.person) return dimension;
  const std::size_t index = source.dataset.column("/events/" + *table.dataset + "/" + name);
  const ColumnSpec& spec = source.dataset.columns()[index];
  dimension.column = wanted.columns.size();
  dimension.width = stored_bytes(spec.type);
  dimension.dates = table.dates;
  dimension.is_date = spec.dictionary.empty();
  if (!dimension.is_date) dimension.values = source.dataset.dictionary(spec.dictionary).values;
  wanted.columns.push_back(index);
  return dimension;
}

// One cube for each thing that is counted.  A date by month and the same by year are two dimensions, each of which the
// other tells: such tables are refused, since margins of the one would be sums of the other's that no rule sees.
std::vector<CubePlan> plan_cubes(const ReleaseSource& source, const Agreement& agreement) {
  std::vector<CubePlan> plans;
  for (const ReleasedTable& table : agreement.tables) {
    const bool events = table.count == TableCount::events;
    const std::optional<std::string> dataset = events ? table.dataset : std::nullopt;
    auto plan = std::find_if(plans.begin(), plans.end(), [&](const CubePlan& other) {
      return other.count == table.count && other.dataset == dataset;
    });
    if (plan == plans.end()) {
      plans.push_back({table.count, dataset, {}, {dataset.value_or(""), {}}, {}, {}, {}});
      plan = plans.end() - 1;
    }
    std::vector<std::size_t> dimensions;
    for (const std::string& name : table.dimensions) {
      dimensions.push_back(plan->dimension(name, [&] { return make_dimension(source, table, name, plan->wanted); }));
      const Dimension& dimension = plan->dimensions[dimensions.back()];
      if (dimension.is_date && dimension.dates != table.dates) {
        throw UsageError(
            fmt::format("table '{}': '{}' is by month in one table and by year in another that counts the "
                        "same; what one hides the other would give back",
                        table.name, name));
      }
    }
    plan->present.emplace_back();
    if (!events && table.dataset) {
      plan->present.back() = plan->dimension("rows in " + *table.dataset, [&] {
        Dimension dimension;
        dimension.name = "rows in " + *table.dataset;
        dimension.presence = dataset_number(source, *table.dataset);
        dimension.used = {0, 1};
        return dimension;
      });
    }
    plan->tables.push_back(&table);
    plan->of_table.push_back(std::move(dimensions));
  }
  for (const CubePlan& plan : plans) {
    const auto named = [&](std::string_view name) {
      return std::any_of(plan.dimensions.begin(), plan.dimensions.end(),
                         [&](const Dimension& dimension) { return dimension.name == name; });
    };
    if (named("year_of_birth") && named("age_band")) {
      throw UsageError(
          "tables that count the same may have 'year_of_birth' or 'age_band', not both: one is the sum of the other");
    }
    if (plan.dimensions.size() > kMostDimensions) {
      throw UsageError(
          fmt::format("tables that count the same have {} different dimensions together; at most {} are "
                      "possible",
                      plan.dimensions.size(), kMostDimensions));
    }
  }
  return plans;
}

void require_few(const Cells& cells) {
  if (cells.size() <= kMostCells) return;
  throw LimitError(fmt::format(
      "tables that count the same have more than {} cells together: count by fewer or coarser dimensions", kMostCells));
}

// Counts the slices of a cube.  Its functions may be called from several threads, each with cells of its own.
class Counter {
 public:
  Counter(const CubePlan& plan, const Agreement& agreement, const ReleasedAreas& areas, int year)
      : plan_(plan), values_(areas, agreement.age_band, year) {}

  // slice: its persons and, if events are counted, their events are loaded.
  void count(const Slice& slice, const Selection& selection, Cells& cells) const {
    const bool events = plan_.count == TableCount::events;
    std::vector<std::vector<std::uint64_t>> rooms(plan_.dimensions.size());
    std::vector<std::span<const std::uint64_t>> values(plan_.dimensions.size());
    for (std::size_t d = 0; d < values.size(); ++d) {
      if (plan_.dimensions[d].person) values[d] = values_.of(slice, *plan_.dimensions[d].person, rooms[d]);
    }
    for (std::size_t p = 0; p < slice.persons.size(); ++p) {
      if (!selection.has(slice.persons.begin + p)) continue;
      CellKey key{};
      for (std::size_t d = 0; d < plan_.dimensions.size(); ++d) {
        const Dimension& dimension = plan_.dimensions[d];
        if (dimension.person) {
          key[d] = static_cast<std::uint32_t>(values[d][p]);
        } else if (dimension.presence) {
          key[d] = static_cast<std::uint32_t>(slice.datasets[p] >> *dimension.presence & 1);
        }
      }
      if (!events) {
        cells.add(key);
        continue;
      }
      const Slice::Events& of = slice.events[0];
      for (std::uint64_t row = of.offsets[p]; row < of.offsets[p + 1]; ++row) {
        for (std::size_t d = 0; d < plan_.dimensions.size(); ++d) {
          if (!plan_.dimensions[d].person) key[d] = event_value(plan_.dimensions[d], of, row - of.rows.begin);
        }
        cells.add(key);
      }
    }
    require_few(cells);
  }

 private:
  static std::uint32_t event_value(const Dimension& dimension, const Slice::Events& events, std::uint64_t row) {
    const std::uint64_t code = code_at(&events.columns[dimension.column][row * dimension.width], dimension.width);
    if (dimension.is_date) return coarsened(static_cast<DayNumber>(code), dimension.dates);
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(code, dimension.values.size()));
  }

  const CubePlan& plan_;
  ReleasedValues values_;
};

// Collective, but cells are those of this rank's persons.
Cells count_cells(const Communicator& comm, const ReleaseSource& source, const CubePlan& plan,
                  const Agreement& agreement, const ReleasedAreas& areas, const Selection& selection) {
  Cells cells;
  agreed_step(comm, [&] {
    const Counter counter(plan, agreement, areas, year_of(source));
    const std::span<const WantedEvents> wanted(&plan.wanted, plan.dataset ? 1 : 0);
    WantedPersons wanted_persons;
    for (const Dimension& dimension : plan.dimensions) {
      if (dimension.person) wanted_persons.add(*dimension.person);
      if (dimension.presence) wanted_persons.datasets = true;
    }
    PerThread<Cells> per_thread;
    const SliceReader reader(source, wanted, wanted_persons);
    reader.for_each_batch(selection.persons, [&](std::span<Slice> slices) {
      for (Slice& slice : slices) {
        reader.load_persons(slice);
        if (plan.dataset) reader.load_events(slice, slice.persons.begin, slice.persons.end - 1);
        counter.count(slice, selection, per_thread.local());
      }
    });
    per_thread.for_each([&](Cells& mine) {
      if (cells.size() == 0) return std::swap(cells, mine);
      mine.for_each([&](const CellKey& key, std::uint64_t count) { cells.add(key, count); });
      require_few(cells);
    });
  });
  return cells;
}

// Collective.  The categories of each dimension become the values that any rank has seen; the cells are summed.
Cube add_up(const Communicator& comm, const Cells& counted, CubePlan& plan) {
  Cube cube;
  std::uint64_t cells = 1;
  for (std::size_t d = 0; d < plan.dimensions.size(); ++d) {
    std::vector<std::uint32_t>& used = plan.dimensions[d].used;
    counted.for_each([&](const CellKey& key, std::uint64_t) { used.push_back(key[d]); });
    const auto make_unique = [&] {
      std::sort(used.begin(), used.end());
      used.erase(std::unique(used.begin(), used.end()), used.end());
    };
    make_unique();
    used = comm.all_gather(std::span<const std::uint32_t>(used));
    make_unique();
    if (used.empty()) used.push_back(0);
    cube.sizes.push_back(static_cast<std::uint32_t>(used.size()));
    cells *= used.size();
    if (cells > kMostCells) {
      throw LimitError(
          fmt::format("tables that count the same have more than {} cells together: count by fewer or "
                      "coarser dimensions",
                      kMostCells));
    }
  }
  cube.counts.resize(cells);
  counted.for_each([&](const CellKey& key, std::uint64_t count) {
    std::size_t cell = 0;
    for (std::size_t d = 0; d < plan.dimensions.size(); ++d) {
      const std::vector<std::uint32_t>& used = plan.dimensions[d].used;
      cell = cell * used.size() +
             static_cast<std::size_t>(std::lower_bound(used.begin(), used.end(), key[d]) - used.begin());
    }
    cube.counts[cell] += count;
  });
  comm.sum(std::span(cube.counts));
  return cube;
}

std::string spelt(const Dimension& dimension, std::uint32_t value, const Agreement& agreement,
                  const ReleasedAreas& areas) {
  if (dimension.person == PersonColumn::year_of_birth)
    return value == 0 ? std::string(kNotKnown) : std::to_string(value);
  if (dimension.person == PersonColumn::age_band) {
    return value == kNoAge ? std::string(kNotKnown) : age_band_text(value, agreement.age_band);
  }
  if (dimension.person == PersonColumn::sex) {
    return value == 0 ? std::string(kNotKnown) : value == 1 ? "Male" : value == 2 ? "Female" : "Not specified";
  }
  if (dimension.person == PersonColumn::area)
    return value < areas.missing() ? areas.values[value] : std::string(kNotKnown);
  if (dimension.is_date) {
    if (value == kMissingDay) return std::string(kNotKnown);
    return iso_date(static_cast<DayNumber>(value)).substr(0, dimension.dates == EventDatePolicy::month ? 7 : 4);
  }
  return value < dimension.values.size() ? dimension.values[value] : std::string(kNotKnown);
}

// Every entry of one table: cells first, then the totals, in the order of their values.
void write_table(const CubePlan& plan, std::size_t t, const Table& table, const Agreement& agreement,
                 const ReleasedAreas& areas, const std::filesystem::path& path) {
  const File file = File::create(path, 0600);
  const std::vector<std::size_t>& dimensions = plan.of_table[t];
  std::string text;
  for (const std::size_t d : dimensions) {
    append_csv_field(text, plan.dimensions[d].name);
    text += ',';
  }
  text += plan.count == TableCount::persons ? "persons\n" : "events\n";
  std::uint64_t offset = 0;
  const auto flush = [&] {
    file.write_at(offset, std::as_bytes(std::span(text)));
    offset += text.size();
    text.clear();
  };
  std::vector<std::vector<std::string>> names;
  for (const std::size_t d : dimensions) {
    names.emplace_back();
    for (const std::uint32_t value : plan.dimensions[d].used) {
      names.back().push_back(spelt(plan.dimensions[d], value, agreement, areas));
    }
    names.back().emplace_back(kTotal);
  }
  std::vector<std::uint32_t> at(table.sizes.begin(), table.sizes.end());
  if (plan.present[t]) at[*plan.present[t]] = 1;
  const auto each = [&](const auto& self, std::size_t i) -> void {
    if (i == dimensions.size()) {
      const std::size_t entry = table.at(at);
      for (std::size_t n = 0; n < dimensions.size(); ++n) {
        append_csv_field(text, names[n][at[dimensions[n]]]);
        text += ',';
      }
      text += table.states[entry] == EntryState::shown ? std::to_string(table.values[entry]) : std::string(kNotShown);
      text += '\n';
      if (text.size() >= kWriteBytes) flush();
      return;
    }
    for (std::uint32_t c = 0; c <= table.sizes[dimensions[i]]; ++c) {
      at[dimensions[i]] = c;
      self(self, i + 1);
    }
    at[dimensions[i]] = table.sizes[dimensions[i]];
  };
  each(each, 0);
  flush();
  file.sync();
}

}  // namespace

TableFiles write_tables(const Communicator& comm, const ReleaseSource& source, const Agreement& agreement,
                        const ReleasedAreas& areas, const Selection& selection, const std::filesystem::path& folder) {
  TableFiles files;
  std::vector<CubePlan> plans;
  agreed_step(comm, [&] { plans = plan_cubes(source, agreement); });
  for (CubePlan& plan : plans) {
    const Cube cube = add_up(comm, count_cells(comm, source, plan, agreement, areas, selection), plan);
    std::vector<Face> faces;
    for (std::size_t t = 0; t < plan.tables.size(); ++t) {
      Face face = 0;
      for (const std::size_t d : plan.of_table[t]) face |= Face{1} << d;
      if (plan.present[t]) face |= Face{1} << *plan.present[t];
      faces.push_back(face);
      files.names.push_back(plan.tables[t]->name + ".csv");
    }
    agreed_step(comm, [&] {
      if (!comm.is_root()) return;
      const Table table = disclose(cube, faces, agreement.rules);
      const DisclosureCounts counts = count_entries(cube, faces, agreement.rules, table);
      files.counts.entries += counts.entries;
      files.counts.small += counts.small;
      files.counts.suppressed += counts.suppressed;
      for (std::size_t t = 0; t < plan.tables.size(); ++t) {
        write_table(plan, t, table, agreement, areas, folder / (plan.tables[t]->name + ".csv"));
      }
    });
  }
  comm.broadcast_value(files.counts);
  return files;
}

}  // namespace ligature
