#include "jobs/release/account.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/sha256.hpp"
#include "io/files.hpp"
#include "io/progress.hpp"
#include "jobs/release/admission.hpp"
#include "jobs/run_account.hpp"

namespace ligature {

namespace {

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : " ") + text;
  return all;
}

std::string dataset_names(const Agreement& agreement) {
  std::vector<std::string> names;
  for (const ReleasedDataset& dataset : agreement.datasets) names.push_back(dataset.name);
  for (const ReleasedTable& table : agreement.tables) {
    if (table.dataset && std::find(names.begin(), names.end(), *table.dataset) == names.end()) {
      names.push_back(*table.dataset);
    }
  }
  return joined(names);
}

std::string dates_text(EventDatePolicy dates) {
  return dates == EventDatePolicy::day ? "day" : dates == EventDatePolicy::month ? "month" : "year";
}

std::string column_names(const Agreement& agreement) {
  std::vector<std::string> names;
  for (const PersonColumn column : agreement.person_columns) {
    names.push_back("persons." + std::string(person_column_name(column)));
  }
  for (const ReleasedDataset& dataset : agreement.datasets) {
    for (const std::string& column : dataset.columns) names.push_back(dataset.name + "." + column);
    names.push_back("(" + dataset.name + " dates by " + dates_text(dataset.dates) + ")");
  }
  for (const ReleasedTable& table : agreement.tables) {
    names.push_back(table.name + "(" + joined(table.dimensions) + ")");
  }
  for (const IdentifierColumn column : agreement.identifiers) names.emplace_back(identifier_column_name(column));
  return joined(names);
}

std::string cohort_text(const Cohort& cohort) {
  if (cohort.everybody()) return "everybody";
  std::vector<std::string> parts;
  if (cohort.born_from) parts.push_back("born from " + std::to_string(*cohort.born_from));
  if (cohort.born_to) parts.push_back("born to " + std::to_string(*cohort.born_to));
  if (!cohort.sexes.empty()) {
    parts.emplace_back("sex");
    for (const std::uint8_t sex : cohort.sexes) parts.push_back(std::to_string(sex));
  }
  if (!cohort.areas.empty()) parts.push_back("areas " + joined(cohort.areas));
  if (!cohort.datasets.empty()) parts.push_back("with rows in " + joined(cohort.datasets));
  return joined(parts);
}

// What the recipient is told of it: not how many object, which may be a handful.
AuditFields for_recipient(AuditFields fields) {
  std::erase_if(fields, [](const auto& field) { return field.first == "left_out"; });
  return fields;
}

}  // namespace

bool names_areas(const Agreement& agreement) {
  const auto& columns = agreement.person_columns;
  if (std::find(columns.begin(), columns.end(), PersonColumn::area) != columns.end()) return true;
  const std::string_view area = person_column_name(PersonColumn::area);
  return std::any_of(agreement.tables.begin(), agreement.tables.end(), [&](const ReleasedTable& table) {
    return std::find(table.dimensions.begin(), table.dimensions.end(), area) != table.dimensions.end();
  });
}

AuditFields describe(const ReleaseSource& source, const Terms& terms, const Objections& objections,
                     const SelectionCounts& counts) {
  const Agreement& agreement = terms.agreement;
  return {{"agreement", agreement.id},
          {"release", terms.number},
          {"recipient", agreement.recipient},
          {"recipient_type", std::string(recipient_type_name(agreement.recipient_type))},
          {"purpose", agreement.purpose},
          {"legal_basis", std::string(agreement.legal_basis->name)},
          {"start", iso_date(agreement.start)},
          {"expiry", iso_date(agreement.expiry)},
          {"form", std::string(release_form_name(agreement.form))},
          {"datasets", dataset_names(agreement)},
          {"columns", column_names(agreement)},
          {"cohort", cohort_text(agreement.cohort)},
          {"objections", std::string(objections_basis(agreement))},
          {"list_version", objections.list_version},
          {"list_as_at", iso_date(objections.as_at)},
          {"left_out", counts.objecting},
          {"rules", agreement.rules_name()},
          {"key_id", terms.key_id},
          {"agreement_sha256", terms.agreement_sha256},
          {"terms_sha256", terms.terms_sha256},
          {"run_id", source.manifest.run_id},
          {"content_digest", source.manifest.content_digest},
          {"persons", counts.chosen}};
}

Attributes attributes_of(const AuditFields& fields) {
  Attributes attributes = {{"program", std::string("ligature")}, {"schema_version", kSchemaVersion}};
  for (const auto& [name, value] : for_recipient(fields)) {
    if (name == "release" || name == "list_as_at") continue;
    attributes.emplace_back(name == "content_digest" ? "source_content_digest" : name, value);
  }
  return attributes;
}

std::string digest_lines(std::vector<WrittenFile> files) {
  std::sort(files.begin(), files.end(), [](const WrittenFile& a, const WrittenFile& b) { return a.name < b.name; });
  std::string lines;
  for (const WrittenFile& file : files) lines += hex(file.digest) + "  " + file.name + "\n";
  return lines;
}

void write_account(const std::filesystem::path& folder, const AuditFields& fields, const std::string& digests,
                   const std::string& entry) {
  nlohmann::ordered_json json;
  for (const auto& [name, value] : for_recipient(fields)) {
    std::visit([&, &key = name](const auto& of) { json[key] = of; }, value);
  }
  json["audit_entry"] = entry;
  write_file_durably(folder / kAccountFile,
                     json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n", 0600);
  write_file_durably(folder / kDigestsFile, digests, 0600);
}

std::string summary(const Terms& terms, const SelectionCounts& counts, std::uint64_t rows,
                    const std::filesystem::path& folder, double seconds, const std::string& entry) {
  const Agreement& agreement = terms.agreement;
  return fmt::format(
      "release {} of agreement {} to {} ({}, {})\n"
      "  {} persons, {} rows; {} persons who object left out\n"
      "  {} in {}\n"
      "  audit log entry {}\n",
      terms.number, agreement.id, agreement.recipient, release_form_name(agreement.form), agreement.legal_basis->name,
      with_commas(counts.chosen), with_commas(rows), with_commas(counts.objecting), folder.string(),
      human_seconds(seconds), entry);
}

}  // namespace ligature
