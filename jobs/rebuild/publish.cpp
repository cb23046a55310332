#include "jobs/rebuild/publish.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <utility>

#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/raw_vector.hpp"
#include "io/background.hpp"
#include "jobs/rebuild/dictionaries.hpp"
#include "jobs/rebuild/event_layout.hpp"
#include "jobs/rebuild/event_screens.hpp"
#include "jobs/rebuild/event_writer.hpp"
#include "jobs/rebuild/events.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

namespace {

constexpr char kDateUnit[] = "days since 1894-12-31";

// The file's columns as they are laid out: first those of /persons, then each dataset's.
struct Layout {
  std::vector<ColumnSpec> columns;
  std::vector<Dictionary> dictionaries;
  std::vector<EventTable> tables;
  std::vector<std::uint32_t> outward;  // packed outward code of each area code
  std::size_t pseudonym = 0, birth_year = 0, sex = 0, area = 0, datasets = 0, events = 0, link_quality = 0, id_type = 0;
  bool has_area = false;

  std::size_t add(ColumnSpec spec) {
    columns.push_back(std::move(spec));
    return columns.size() - 1;
  }
};

StoredType stored_type(ColumnType type) noexcept {
  switch (type) {
    case ColumnType::int8:
      return StoredType::i8;
    case ColumnType::int16:
      return StoredType::i16;
    case ColumnType::int32:
      return StoredType::i32;
    case ColumnType::int64:
      return StoredType::i64;
    case ColumnType::float32:
      return StoredType::f32;
    case ColumnType::float64:
      return StoredType::f64;
    case ColumnType::date:
      return StoredType::u16;
    case ColumnType::category:
      return StoredType::u32;
  }
  return StoredType::u8;
}

std::string missing_text(ColumnType type) {
  switch (type) {
    case ColumnType::int8:
      return std::to_string(std::numeric_limits<std::int8_t>::min());
    case ColumnType::int16:
      return std::to_string(std::numeric_limits<std::int16_t>::min());
    case ColumnType::int32:
      return std::to_string(std::numeric_limits<std::int32_t>::min());
    case ColumnType::int64:
      return std::to_string(std::numeric_limits<std::int64_t>::min());
    case ColumnType::float32:
    case ColumnType::float64:
      return "NaN";
    case ColumnType::date:
    case ColumnType::category:
      return "0";
  }
  return "";
}

std::string event_date_meaning(EventDatePolicy policy) {
  switch (policy) {
    case EventDatePolicy::day:
      return "date of the event";
    case EventDatePolicy::month:
      return "month of the event, as its first day";
    case EventDatePolicy::year:
      return "year of the event, as its first day";
  }
  return "";
}

void lay_out_persons(const Communicator& comm, const JobFile& job, const Inputs& inputs, const Persons& persons,
                     Layout& layout) {
  const std::uint64_t rows = persons.total();
  layout.pseudonym =
      layout.add({"/persons/pseudonym", StoredType::text32, rows, "", "keyed pseudonym of the person", "", ""});
  layout.birth_year = layout.add({"/persons/year_of_birth", StoredType::u16, rows, "year", "year of birth", "0", ""});
  layout.sex = layout.add({"/persons/sex", StoredType::u8, rows,
                           "NHS code: 0 not known, 1 male, 2 female, 9 not specified", "gender", "0", ""});
  layout.has_area = job.area == AreaPolicy::outward;
  if (layout.has_area) {
    layout.outward = merge_outward_codes(comm, used_outward_codes(persons));
    const StoredType type = code_type(layout.outward.size());
    layout.area = layout.add({"/persons/area", type, rows, "code", "outward part of the postcode of most rows",
                              std::to_string(missing_code(type)), "/dictionaries/area"});
    Dictionary areas{"/dictionaries/area", {}};
    for (const std::uint32_t packed : layout.outward) areas.values.push_back(outward_text(packed));
    layout.dictionaries.push_back(std::move(areas));
  }
  std::string names;
  for (const DatasetSchema& dataset : inputs.datasets) names += (names.empty() ? "" : ",") + dataset.name;
  layout.datasets = layout.add({"/persons/datasets", StoredType::u32, rows, "bit mask",
                                "datasets in which the person has events", "", "", names});
  layout.events =
      layout.add({"/persons/events", StoredType::u64, rows, "events", "number of events of the person", "", ""});
  layout.link_quality = layout.add({"/persons/link_quality", StoredType::u8, rows, "percent",
                                    "posterior probability of the weakest link that holds the person together; 100 "
                                    "where there is but one set of identifiers",
                                    "", ""});
  layout.id_type =
      layout.add({"/persons/id_type", StoredType::u8, rows,
                  "code: 1 NHS number, 2 contested NHS number, 3 other identifiers, 4 ambiguous, 5 one-time",
                  "what the pseudonym stands on", "", ""});
}

// Collective.
void lay_out_events(const Communicator& comm, const JobFile& job, const Inputs& inputs, const IntakeReport& intake,
                    const RowStore& rows, std::uint64_t persons, Layout& layout, std::vector<std::string>& providers) {
  std::vector<std::uint64_t> kept(inputs.datasets.size(), 0);
  for (std::size_t f = 0; f < inputs.files.size(); ++f) kept[inputs.files[f].dataset] += intake.files[f].counts.kept;
  const StoredType person_type =
      persons <= std::numeric_limits<std::uint32_t>::max() ? StoredType::u32 : StoredType::u64;
  for (std::uint32_t d = 0; d < inputs.datasets.size(); ++d) {
    const DatasetSchema& schema = inputs.datasets[d];
    const std::string group = "/events/" + schema.name + "/";
    EventTable table;
    table.dataset = d;
    table.rows = kept[d];
    table.person_type = person_type;
    table.person_column =
        layout.add({group + "person", person_type, table.rows, "row of /persons", "person of the event", "", ""});
    table.recode.resize(schema.fields.size());
    for (std::size_t f = 0; f < schema.fields.size(); ++f) {
      const PayloadField& field = schema.fields[f];
      const bool is_date = field.type == ColumnType::date, is_code = field.type == ColumnType::category;
      ColumnSpec spec{group + field.name,      stored_type(field.type),  table.rows, is_date ? kDateUnit : "",
                      "kept from the extract", missing_text(field.type), ""};
      if (field.role == PayloadField::Role::event_date) spec.meaning = event_date_meaning(job.event_date);
      if (field.role == PayloadField::Role::provider) spec.meaning = "organisation that sent the row";
      if (is_code) {
        MergedDictionary merged =
            merge_dictionary(comm, rows.dictionaries()[d][f], schema.name + "." + field.name, job.max_categories);
        if (field.role == PayloadField::Role::provider) {
          providers.insert(providers.end(), merged.values.begin(), merged.values.end());
        }
        spec.type = code_type(merged.values.size());
        spec.unit = "code";
        spec.missing = std::to_string(missing_code(spec.type));
        spec.dictionary = "/dictionaries/" + schema.name + "_" + field.name;
        table.recode[f] = std::move(merged.recode);
        layout.dictionaries.push_back({spec.dictionary, std::move(merged.values)});
      }
      EventColumn column;
      column.type = spec.type;
      column.offset = field.offset;
      column.column = layout.add(std::move(spec));
      table.columns.push_back(column);
    }
    table.offsets_column = layout.add({group + "offsets", StoredType::u64, persons + 1, "row of the dataset's columns",
                                       "first event of each person, then the number of events", "", ""});
    layout.tables.push_back(std::move(table));
  }
}

// Some persons at a time, of whole shards, so that they are in the cache while their columns are made.
class PersonColumns {
 public:
  PersonColumns(const Persons& persons, DatasetWriter& writer, ContentDigest& digest)
      : persons_(persons), writer_(writer), digest_(digest) {}

  // Goes on to the next persons; false if there are none.
  bool next() {
    const std::span<const Person> owned = persons_.owned;
    begin_ = shard_end_.empty() ? 0 : shard_end_.back();
    shard_end_.clear();
    for (std::size_t end = begin_; end < owned.size() && end - begin_ < kPersonsAtOnce;) {
      const ShardId shard = shard_of(owned[end].pseudonym.high);
      while (end < owned.size() && shard_of(owned[end].pseudonym.high) == shard) ++end;
      shard_end_.push_back(end);
    }
    return !shard_end_.empty();
  }

  // Writes their part of a column of /persons, while the caller goes on: value(person, out) stores width bytes.
  template <typename Value>
  void write(std::size_t column, std::size_t width, const Value& value) {
    RawVector<std::byte>& bytes = bytes_[turn_++ % bytes_.size()];
    bytes.resize((shard_end_.back() - begin_) * width);
    for_blocks(shard_end_.size(), kShardsPerTask, [&](std::size_t begin, std::size_t end) {
      for (std::size_t s = begin; s < end; ++s) {
        const std::size_t first = s == 0 ? begin_ : shard_end_[s - 1], last = shard_end_[s];
        std::byte* const of_shard = bytes.data() + (first - begin_) * width;
        for (std::size_t p = first; p < last; ++p) value(persons_.owned[p], of_shard + (p - first) * width);
        digest_.set(column, shard_of(persons_.owned[first].pseudonym.high),
                    std::span(of_shard, (last - first) * width));
      }
    });
    writing_.run([this, column, row = persons_.first_row + begin_, &bytes] { writer_.write(column, row, bytes); });
  }
  // Waits for what is being written.  Throws what that met.
  void finish() { writing_.wait(); }

 private:
  static constexpr std::size_t kPersonsAtOnce = std::size_t{1} << 18, kShardsPerTask = 16;
  const Persons& persons_;
  DatasetWriter& writer_;
  ContentDigest& digest_;
  std::size_t begin_ = 0;
  std::vector<std::size_t> shard_end_;
  std::array<RawVector<std::byte>, 2> bytes_;  // of a column that is made, and of one that is written, in turn
  std::size_t turn_ = 0;
  Background writing_;  // last: it ends before what it uses
};

template <typename T>
void put(std::byte* at, T value) noexcept {
  std::memcpy(at, &value, sizeof value);
}

void write_persons(const Layout& layout, const Persons& persons, DatasetWriter& writer, ContentDigest& digest) {
  // By packed outward code; those that no person has are not filled.
  RawVector<std::uint32_t> area_of(layout.has_area ? kOutwardCodes : 0);
  std::size_t area_width = 0;
  if (layout.has_area) {
    const StoredType type = layout.columns[layout.area].type;
    area_width = stored_bytes(type);
    area_of[0] = static_cast<std::uint32_t>(missing_code(type));
    for (std::uint32_t code = 0; code < layout.outward.size(); ++code) area_of[layout.outward[code]] = code;
  }
  PersonColumns some(persons, writer, digest);
  while (some.next()) {
    some.write(layout.pseudonym, 32,
               [](const Person& person, std::byte* at) { put(at, hex_digits(person.pseudonym)); });
    some.write(layout.birth_year, 2, [](const Person& person, std::byte* at) { put(at, person.birth_year); });
    some.write(layout.sex, 1, [](const Person& person, std::byte* at) { put(at, person.sex); });
    if (layout.has_area) {
      some.write(layout.area, area_width,
                 [&](const Person& person, std::byte* at) { std::memcpy(at, &area_of[person.outward], area_width); });
    }
    some.write(layout.datasets, 4, [](const Person& person, std::byte* at) { put(at, person.datasets); });
    some.write(layout.events, 8, [](const Person& person, std::byte* at) { put(at, person.rows); });
    some.write(layout.link_quality, 1, [](const Person& person, std::byte* at) { put(at, person.link_percent); });
    some.write(layout.id_type, 1,
               [](const Person& person, std::byte* at) { put(at, static_cast<std::uint8_t>(person.id_type)); });
  }
  some.finish();
}

}  // namespace

PublishedContent write_content(const Communicator& comm, const JobFile& job, const Inputs& inputs,
                               const IntakeReport& intake, RowStore& rows, const Identities& identities,
                               Persons& persons, std::uint64_t memory,
                               const std::function<void(std::uint64_t)>& progress) {
  PublishedContent result;
  Layout layout;
  lay_out_persons(comm, job, inputs, persons, layout);
  lay_out_events(comm, job, inputs, intake, rows, persons.total(), layout, result.providers);
  std::sort(result.providers.begin(), result.providers.end());
  result.providers.erase(std::unique(result.providers.begin(), result.providers.end()), result.providers.end());

  result.writer = std::make_unique<DatasetWriter>(comm, job.publish, layout.columns, layout.dictionaries);
  ContentDigest digest(layout.columns.size());
  write_persons(layout, persons, *result.writer, digest);
  SpoolBudget budget(memory);
  EventScreens screens(job, inputs, layout.dictionaries, persons, budget);
  std::uint64_t most_bytes = 0;
  for (const EventTable& table : layout.tables) {
    most_bytes = std::max(most_bytes, table.rows * (kEventPersonBytes + inputs.datasets[table.dataset].payload_bytes));
  }
  const EventRoutes routes(comm, persons, most_bytes);
  {
    EventWriter events(routes.buckets, persons, job.event_date, screens, *result.writer, digest);
    for (const EventTable& table : layout.tables) {
      publish_events(comm, job, inputs, table, rows, identities, routes, screens, budget, events, progress);
    }
    events.finish();
  }
  result.screens = screens.finish(comm);
  result.content = digest.combine(comm, layout.columns, layout.dictionaries);
  return result;
}

void finish_dataset(const Communicator& comm, DatasetWriter& writer, const Manifest& manifest) {
  const Attributes attributes{{"schema_version", std::uint64_t{1}},
                              {"program", std::string("ligature")},
                              {"software_version", manifest.software_version},
                              {"run_id", manifest.run_id},
                              {"job_name", manifest.job_name},
                              {"model_digest", manifest.model_digest},
                              {"input_digest", manifest.input_digest},
                              {"content_digest", manifest.content_digest}};

  const std::string files = "/provenance/files/", stages = "/provenance/stages/", model = "/provenance/model/";
  std::vector<SmallColumn> tables;
  std::vector<std::string> paths, datasets, digests;
  std::vector<std::uint64_t> read, kept, opted_out, by_linkage;
  std::vector<std::vector<std::uint64_t>> quarantined(kQuarantineReasons);
  for (std::size_t f = 0; f < manifest.files.size(); ++f) {
    const RowCounts& counts = manifest.file_reports[f].counts;
    paths.push_back(std::filesystem::path(manifest.files[f].path).filename().string());
    datasets.push_back(manifest.datasets[manifest.files[f].dataset].name);
    digests.push_back(hex(manifest.file_reports[f].digest));
    read.push_back(counts.read);
    kept.push_back(counts.kept);
    opted_out.push_back(counts.opted_out);
    by_linkage.push_back(counts.opted_out_by_linkage);
    for (std::size_t r = 0; r < kQuarantineReasons; ++r) quarantined[r].push_back(counts.quarantined[r]);
  }
  tables.push_back({files + "path", std::move(paths), "name of the extract file"});
  tables.push_back({files + "dataset", std::move(datasets), "dataset that the file feeds"});
  tables.push_back({files + "digest", std::move(digests), "XXH3-128 of the XXH3-128 of each 8 MiB block"});
  tables.push_back({files + "rows_read", std::move(read), "rows read", "rows"});
  tables.push_back({files + "rows_kept", std::move(kept), "rows kept: they are events", "rows"});
  tables.push_back({files + "opted_out", std::move(opted_out), "rows left out by an objection", "rows"});
  tables.push_back({files + "opted_out_by_linkage", std::move(by_linkage),
                    "of the rows left out by an objection: those that only linkage tells to be an objector's", "rows"});
  for (std::size_t r = 0; r < kQuarantineReasons; ++r) {
    const std::string reason(quarantine_reason_name(static_cast<QuarantineReason>(r)));
    tables.push_back(
        {files + "quarantined_" + reason, std::move(quarantined[r]), "rows quarantined: " + reason, "rows"});
  }

  std::vector<std::string> names, units;
  std::vector<std::uint64_t> milliseconds, items;
  for (const StageTime& stage : manifest.stages) {
    names.push_back(stage.name);
    units.push_back(stage.unit);
    milliseconds.push_back(static_cast<std::uint64_t>(stage.seconds * 1000));
    items.push_back(stage.items);
  }
  tables.push_back({stages + "name", std::move(names), "stage of the run"});
  tables.push_back({stages + "milliseconds", std::move(milliseconds), "time of the slowest rank", "ms"});
  tables.push_back({stages + "items", std::move(items), "what the stage worked through", "as the column unit says"});
  tables.push_back({stages + "unit", std::move(units), "unit of items"});

  // The model as text, one row a level: exact decimal forms are in the manifest.
  std::vector<std::string> identifier, level, m, u;
  const auto add_levels = [&](const std::string& name, const auto& probabilities, auto first_level) {
    using Level = decltype(first_level);
    for (std::size_t l = 1; l < probabilities.size(); ++l) {
      identifier.push_back(name);
      level.emplace_back(level_name(static_cast<Level>(l)));
      m.push_back(std::to_string(probabilities[l].m));
      char text[32];
      std::snprintf(text, sizeof text, "%.6g", probabilities[l].u);
      u.emplace_back(text);
    }
  };
  add_levels("nhs_number", manifest.model.nhs, NhsLevel{});
  add_levels("date_of_birth", manifest.model.birth, BirthLevel{});
  add_levels("postcode", manifest.model.postcode, PostcodeLevel{});
  add_levels("gender", manifest.model.gender, GenderLevel{});
  tables.push_back({model + "identifier", std::move(identifier), "identifier compared"});
  tables.push_back({model + "level", std::move(level), "comparison level"});
  tables.push_back({model + "m", std::move(m), "probability of the level among records of one person"});
  tables.push_back({model + "u", std::move(u), "probability of the level among records of different persons"});
  writer.finish(comm, attributes, tables);
}

}  // namespace ligature
