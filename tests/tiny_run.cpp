#include "tests/tiny_run.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <span>

#include "engine/linkage_key.hpp"
#include "engine/nhs_number.hpp"
#include "io/audit_log.hpp"
#include "io/content_digest.hpp"
#include "io/files.hpp"
#include "io/identity_records.hpp"
#include "io/secure_index.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

namespace {

// A column with its values as they lie in the file.
struct Values {
  ColumnSpec spec;
  std::vector<std::byte> bytes;
};

template <typename T, typename Items, typename Get>
std::vector<std::byte> packed(const Items& items, const Get& get) {
  std::vector<std::byte> bytes(items.size() * sizeof(T));
  for (std::size_t i = 0; i < items.size(); ++i) {
    const T value = static_cast<T>(get(items[i]));
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof value);
  }
  return bytes;
}

std::vector<std::uint64_t> offsets_of(const TinyDataset& dataset, std::size_t persons) {
  std::vector<std::uint64_t> offsets(persons + 1, 0);
  for (const TinyEvent& event : dataset.events) ++offsets[event.person + 1];
  for (std::size_t p = 0; p < persons; ++p) offsets[p + 1] += offsets[p];
  return offsets;
}

// All columns, in the order of the specification.
std::vector<Values> values_of(const TinyRun& run) {
  std::vector<Values> all;
  const auto& persons = run.persons;
  const auto add = [&](ColumnSpec spec, std::vector<std::byte> bytes) {
    spec.rows = bytes.size() / stored_bytes(spec.type);
    all.push_back({std::move(spec), std::move(bytes)});
  };
  std::vector<std::vector<std::uint64_t>> offsets;
  std::string names;
  for (const TinyDataset& dataset : run.datasets) {
    offsets.push_back(offsets_of(dataset, persons.size()));
    names += (names.empty() ? "" : ",") + dataset.name;
  }
  std::vector<std::uint64_t> events(persons.size(), 0), masks(persons.size(), 0);
  for (std::size_t p = 0; p < persons.size(); ++p) {
    for (std::size_t d = 0; d < offsets.size(); ++d) {
      const std::uint64_t rows = offsets[d][p + 1] - offsets[d][p];
      events[p] += rows;
      if (rows > 0) masks[p] |= std::uint64_t{1} << d;
    }
  }
  std::string pseudonyms;
  for (const TinyPerson& person : persons) pseudonyms += hex(person.pseudonym);
  const auto pseudonym_bytes = std::as_bytes(std::span(pseudonyms));

  using enum StoredType;
  add({"/persons/pseudonym", text32, 0, "", "keyed pseudonym of the person", "", ""},
      {pseudonym_bytes.begin(), pseudonym_bytes.end()});
  add({"/persons/year_of_birth", u16, 0, "year", "year of birth", "0", ""},
      packed<std::uint16_t>(persons, [](const TinyPerson& p) { return p.year_of_birth; }));
  add({"/persons/sex", u8, 0, "NHS code", "gender", "0", ""},
      packed<std::uint8_t>(persons, [](const TinyPerson& p) { return p.sex; }));
  add({"/persons/area", u8, 0, "code", "outward part of the postcode", "255", "/dictionaries/area"},
      packed<std::uint8_t>(persons, [](const TinyPerson& p) { return p.area; }));
  add({"/persons/datasets", u32, 0, "bit mask", "datasets with rows of the person", "", "", names},
      packed<std::uint32_t>(masks, [](std::uint64_t mask) { return mask; }));
  add({"/persons/events", u64, 0, "events", "number of events", "", ""},
      packed<std::uint64_t>(events, [](std::uint64_t count) { return count; }));
  add({"/persons/link_quality", u8, 0, "percent", "weakest link", "", ""},
      packed<std::uint8_t>(persons, [](const TinyPerson& p) { return p.link_quality; }));
  add({"/persons/id_type", u8, 0, "code", "what the pseudonym stands on", "", ""},
      packed<std::uint8_t>(persons, [](const TinyPerson& p) { return p.id_type; }));
  for (std::size_t d = 0; d < run.datasets.size(); ++d) {
    const TinyDataset& dataset = run.datasets[d];
    const std::string group = "/events/" + dataset.name + "/";
    add({group + "person", u32, 0, "row of /persons", "person of the event", "", ""},
        packed<std::uint32_t>(dataset.events, [](const TinyEvent& e) { return e.person; }));
    add({group + "event_date", u16, 0, "days since 1894-12-31", "date of the event", "0", ""},
        packed<std::uint16_t>(dataset.events, [](const TinyEvent& e) { return e.date; }));
    add({group + "code", u8, 0, "code", "kept from the extract", "255", "/dictionaries/" + dataset.name + "_code"},
        packed<std::uint8_t>(dataset.events, [](const TinyEvent& e) { return e.code; }));
    add({group + "amount", i64, 0, "", "kept from the extract",
         std::to_string(std::numeric_limits<std::int64_t>::min()), ""},
        packed<std::int64_t>(dataset.events, [](const TinyEvent& e) { return e.amount; }));
    add({group + "measure", f64, 0, "", "kept from the extract", "NaN", ""},
        packed<double>(dataset.events, [](const TinyEvent& e) { return e.measure; }));
    add({group + "offsets", u64, 0, "row", "first event of each person, then the number of events", "", ""},
        packed<std::uint64_t>(offsets[d], [](std::uint64_t offset) { return offset; }));
  }
  return all;
}

}  // namespace

std::uint64_t tiny_nhs_number(std::size_t index) {
  // Consecutive stems of the range in use; one in eleven has no valid check digit.
  std::uint64_t stem = 600'000'000;
  for (std::size_t found = 0;; ++stem) {
    for (std::uint64_t check = 0; check < 10; ++check) {
      if (nhs_check_digit_ok(stem * 10 + check) && found++ == index) return stem * 10 + check;
    }
  }
}

PackedPostcode tiny_postcode(std::size_t index) {
  const std::string letters = "ABDEFGHJLNPQRSTUWXYZ";
  std::string text = "LS" + std::to_string(1 + index / 400 % 9) + " " + std::to_string(index % 10);
  text += letters[index / 10 % 20];
  text += letters[index / 200 % 20];
  return standardise_postcode(text).packed;
}

TinyRun::TinyRun(const std::filesystem::path& folder, std::size_t count)
    : secure(folder / "secure"), publish(folder / "publish"), areas{"LS1", "LS2", "LS27", "YO10"} {
  // NHS numbers are found in one walk: tiny_nhs_number starts at the first each time.
  for (std::size_t p = 0; p < count; ++p) {
    TinyPerson person;
    const Digest spread = digest(std::as_bytes(std::span(&p, 1)));
    person.pseudonym = {spread.high, spread.low};
    person.year_of_birth = static_cast<std::uint16_t>(p % 9 == 0 ? 0 : 1920 + p % 90);
    person.sex = static_cast<std::uint8_t>(p % 11 == 0 ? 9 : p % 3);
    person.area = static_cast<std::uint8_t>(p % 7 == 0 ? 255 : p % areas.size());
    person.id_type = static_cast<std::uint8_t>(p % 5 == 4 ? 3 : 1);
    person.link_quality = static_cast<std::uint8_t>(100 - p % 3);
    IdentityFields fields;
    if (person.id_type == 1) fields.nhs = {tiny_nhs_number(p), NhsStatus::valid};
    fields.date_of_birth = static_cast<DayNumber>(20000 + p);
    fields.postcode.packed = tiny_postcode(p);
    fields.gender = p % 2 == 0 ? Gender::male : Gender::female;
    person.identity = pack(fields);
    persons.push_back(person);
  }
  std::sort(persons.begin(), persons.end(),
            [](const TinyPerson& a, const TinyPerson& b) { return a.pseudonym < b.pseudonym; });
  for (std::size_t p = 0; p < count; ++p) persons[p].provenance.linked_to = p;

  datasets = {{"gp", {"A01", "B12", "C33", "nausea, mild"}, {}}, {"ae", {"10", "20"}, {}}};
  for (std::size_t p = 0; p < count; ++p) {
    for (std::size_t d = 0; d < datasets.size(); ++d) {
      const std::size_t rows = d == 0 ? 1 + p % 4 : p % 3;
      for (std::size_t e = 0; e < rows; ++e) {
        TinyEvent event;
        event.person = p;
        event.date = static_cast<std::uint16_t>(e == 0 && p % 6 == 0 ? 0 : 40000 + 10 * e + p % 10);
        event.code = static_cast<std::uint8_t>((p + e) % 10 == 9 ? 255 : (p + e) % datasets[d].codes.size());
        event.amount = static_cast<std::int64_t>(p * 10 + e);
        event.measure = static_cast<double>(p) / 8;
        event.row_id = datasets[d].name + "-" + std::to_string(p) + (e == 2 ? ",\"odd\"\n" : "-") + std::to_string(e);
        datasets[d].events.push_back(event);
      }
    }
  }
  manifest.software_version = "0.1.0";
  manifest.run_id = "00112233445566778899aabbccddeeff";
  manifest.job_name = "tiny";
  manifest.job_file = (folder / "job.toml").string();
  manifest.started_utc = "2014-04-01T10:11:12Z";
  manifest.input_digest = manifest.model_digest = manifest.job_file_digest = "ffeeddccbbaa99887766554433221100";
  manifest.key_id = "0123456789abcdef";
  manifest.secure = secure.string();
  manifest.publish = publish.string();
  manifest.as_at = "2014-04-01";
  manifest.stages = {{"intake", 0.25, 100, "rows"}, {"publish", 0.125, 100, "rows"}};
  manifest.passes = {{"nhs_number", 100, 10, 5, 20, 0, 3}};
}

std::vector<ColumnSpec> TinyRun::columns() const {
  std::vector<ColumnSpec> specs;
  for (Values& values : values_of(*this)) specs.push_back(std::move(values.spec));
  return specs;
}

std::vector<Dictionary> TinyRun::dictionaries() const {
  std::vector<Dictionary> all{{"/dictionaries/area", areas}};
  for (const TinyDataset& dataset : datasets) all.push_back({"/dictionaries/" + dataset.name + "_code", dataset.codes});
  return all;
}

std::unique_ptr<DatasetWriter> TinyRun::write_columns(const Communicator& comm, Digest& content) const {
  const std::vector<Values> values = values_of(*this);
  const std::vector<ColumnSpec> specs = columns();
  auto writer = std::make_unique<DatasetWriter>(comm, publish, specs, dictionaries());
  ContentDigest digests(specs.size());
  const Range shards = ShardMap(comm.size()).shards_of(comm.rank());
  const std::vector<Range> persons_of =
      shard_row_ranges(shards, persons.size(), [&](std::uint64_t row) { return shard_of(persons[row].pseudonym); });
  std::map<std::string, std::vector<std::uint64_t>> offsets;
  for (const TinyDataset& dataset : datasets) {
    offsets["/events/" + dataset.name + "/"] = offsets_of(dataset, persons.size());
  }
  for (std::size_t s = 0; s < persons_of.size(); ++s) {
    const auto shard = static_cast<ShardId>(shards.begin + s);
    for (std::size_t c = 0; c < values.size(); ++c) {
      const std::string& path = values[c].spec.path;
      Range rows = persons_of[s];
      if (path.ends_with("/offsets")) {
        rows = offsets_rows(shard, rows);
      } else if (path.starts_with("/events/")) {
        const auto& of_dataset = offsets[path.substr(0, path.rfind('/') + 1)];
        rows = {of_dataset[rows.begin], of_dataset[rows.end]};
      }
      const std::size_t width = stored_bytes(values[c].spec.type);
      const auto bytes = std::span(values[c].bytes).subspan(rows.begin * width, rows.size() * width);
      writer->write(c, rows.begin, bytes);
      digests.set(c, shard, bytes);
    }
  }
  content = digests.combine(comm, specs, dictionaries());
  return writer;
}

IdentityRecord TinyRun::record_of(std::size_t person) const {
  IdentityRecord record;
  record.identity = persons[person].identity;
  record.evidence.flags = persons[person].flags;
  for (std::uint32_t d = 0; d < datasets.size(); ++d) {
    for (const TinyEvent& event : datasets[d].events) {
      if (event.person != person) continue;
      ++record.rows;
      record.datasets |= 1U << d;
    }
  }
  record.person = persons[person].pseudonym;
  record.provenance = persons[person].provenance;
  return record;
}

void TinyRun::write(const Communicator& comm) {
  Digest content;
  const std::unique_ptr<DatasetWriter> writer = write_columns(comm, content);
  manifest.content_digest = hex(content);
  manifest.persons = persons.size();
  manifest.identities = manifest.identity_records = persons.size();
  manifest.persons_by_id_type.assign(kIdTypes, 0);
  for (const TinyPerson& person : persons) ++manifest.persons_by_id_type[person.id_type];
  manifest.rows = {};
  for (std::uint32_t d = 0; d < datasets.size(); ++d) {
    RowCounts rows;
    rows.kept = datasets[d].events.size();
    rows.opted_out = d == 0 ? opted_out : 0;
    rows.quarantined[0] = d == 0 ? quarantined : 0;
    rows.read = rows.kept + rows.opted_out + rows.quarantined[0];
    manifest.files.push_back({"/extracts/" + datasets[d].name + ".csv", d, d, Compression::none, 1000});
    manifest.file_reports.push_back({{1, d}, rows});
    manifest.datasets.push_back({datasets[d].name, rows.kept});
    manifest.rows.read += rows.read;
    manifest.rows.kept += rows.kept;
    manifest.rows.opted_out += rows.opted_out;
    manifest.rows.quarantined[0] += rows.quarantined[0];
  }

  const std::string files = "/provenance/files/";
  std::vector<SmallColumn> provenance{
      {files + "path", std::vector<std::string>(), "name of the extract file"},
      {files + "digest", std::vector<std::string>(), "digest of the file"},
      {files + "rows_read", std::vector<std::uint64_t>(), "rows read", "rows"},
      {files + "rows_kept", std::vector<std::uint64_t>(), "rows kept", "rows"},
      {files + "opted_out", std::vector<std::uint64_t>(), "rows left out", "rows"},
      {files + "opted_out_by_linkage", std::vector<std::uint64_t>(), "of these", "rows"}};
  for (std::size_t r = 0; r < kQuarantineReasons; ++r) {
    const std::string reason(quarantine_reason_name(static_cast<QuarantineReason>(r)));
    provenance.push_back({files + "quarantined_" + reason, std::vector<std::uint64_t>(), "rows quarantined", "rows"});
  }
  for (std::size_t f = 0; f < manifest.files.size(); ++f) {
    const FileReport& report = manifest.file_reports[f];
    std::get<0>(provenance[0].values).push_back(std::filesystem::path(manifest.files[f].path).filename().string());
    std::get<0>(provenance[1].values).push_back(hex(report.digest));
    std::get<1>(provenance[2].values).push_back(report.counts.read);
    std::get<1>(provenance[3].values).push_back(report.counts.kept);
    std::get<1>(provenance[4].values).push_back(report.counts.opted_out);
    std::get<1>(provenance[5].values).push_back(report.counts.opted_out_by_linkage);
    for (std::size_t r = 0; r < kQuarantineReasons; ++r) {
      std::get<1>(provenance[6 + r].values).push_back(report.counts.quarantined[r]);
    }
  }
  writer->finish(comm,
                 {{"schema_version", kSchemaVersion},
                  {"program", std::string("ligature")},
                  {"software_version", manifest.software_version},
                  {"run_id", manifest.run_id},
                  {"job_name", manifest.job_name},
                  {"model_digest", manifest.model_digest},
                  {"input_digest", manifest.input_digest},
                  {"content_digest", manifest.content_digest}},
                 provenance);
  writer->name(comm);

  if (comm.is_root()) make_private_directory(secure);
  comm.barrier();
  SecureIndexWriter index(secure, comm.rank());
  std::vector<IndexRow> rows;
  for (std::uint32_t d = 0; d < datasets.size(); ++d) {
    for (const TinyEvent& event : datasets[d].events) {
      rows.push_back({d, event.row_id, event.person, event.person});
    }
  }
  rows.resize(rows.size() - indexed_less);
  if (first_row_person) rows[0].person = *first_row_person;
  const Range share = share_of(rows.size(), comm.rank(), comm.size());
  for (std::uint64_t row = share.begin; row < share.end; ++row) index.add(rows[row]);
  index.finish(comm);

  const Range own = share_of(persons.size(), comm.rank(), comm.size());
  IdentityRecordWriter records(secure, comm.rank(), own.begin);
  for (std::uint64_t p = own.begin; p < own.end; ++p) {
    const IdentityRecord record = record_of(p);
    records.add(std::span(&record, 1), std::span(&p, 1));
  }
  records.finish(comm);
  manifest.identity_records_digest = records.digest();
  if (comm.is_root()) {
    std::string list = "file,line,reason\n";
    for (std::uint64_t q = 0; q < quarantined; ++q) list += "/extracts/gp.csv," + std::to_string(q + 2) + ",nul_byte\n";
    write_file_durably(secure / "quarantine.csv", list, 0600);
    write_manifest(manifest);
    append_audit(secure, {"rebuild",
                          {{"run_id", manifest.run_id},
                           {"content_digest", manifest.content_digest},
                           {"identity_records_digest", manifest.identity_records_digest},
                           {"ledger_version", manifest.consent.ledger_version},
                           {"key_id", manifest.key_id}}});
  }
  comm.barrier();
}

}  // namespace ligature
