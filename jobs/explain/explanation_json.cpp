// An explanation as JSON (RFC 8259), for programs.  Weights are in bits.
#include <nlohmann/json.hpp>

#include "engine/provenance.hpp"
#include "jobs/explain/explanation.hpp"
#include "jobs/provenance_text.hpp"

namespace ligature {

namespace {

using Json = nlohmann::ordered_json;

double bits(Weight weight) noexcept {
  return static_cast<double>(weight) / kWeightPerBit;
}

Json row_json(const Explanation& explanation, const ExplainedRow& row, bool values) {
  const IdentityRecord& record = row.record;
  const Provenance& from = record.provenance;
  const bool linked = from.kind != LinkKind::alone && from.kind != LinkKind::one_time;
  const ShownValues shown = shown_values(record.identity, record.evidence.flags, values);
  Json datasets = Json::array();
  for (std::size_t d = 0; d < explanation.manifest.datasets.size() && d < 32; ++d) {
    if ((record.datasets >> d & 1U) != 0) datasets.push_back(explanation.manifest.datasets[d].name);
  }
  Json json;
  json["dataset"] = explanation.manifest.datasets[row.row.dataset].name;
  json["row_id"] = row.row.row_id;
  json["person"] = row.person;
  json["id_type"] = id_type_name(row.id_type);
  json["identity"] = row.row.identity;
  json["rows_of_identity"] = record.rows;
  json["datasets_of_identity"] = datasets;
  json["how"] = link_kind_name(from.kind);
  json["linked_to"] = from.linked_to;
  json["weight_bits"] = linked ? Json(bits(from.weight)) : Json();
  json["lead_bits"] = linked && from.lead != kNoRival ? Json(bits(from.lead)) : Json();
  json["match_rank"] = match_rank_name(from.rank);
  json["flags"] = flag_names(record.evidence.flags, record.provenance.notes);
  json["nhs_number"] = shown.nhs_number;
  json["date_of_birth"] = shown.date_of_birth;
  json["postcode"] = shown.postcode;
  json["gender"] = shown.gender;
  return json;
}

Json comparison_json(const Comparison& comparison) {
  Json json;
  json["stage"] = comparison.stage == Comparison::Stage::as_weighed      ? "as_weighed"
                  : comparison.stage == Comparison::Stage::within_number ? "within_number"
                  : comparison.stage == Comparison::Stage::by_local_id   ? "by_local_id"
                                                                         : "by_moves";
  json["levels"]["nhs_number"] = level_name(comparison.levels.nhs);
  json["levels"]["date_of_birth"] = level_name(comparison.levels.birth);
  json["levels"]["postcode"] = level_name(comparison.levels.postcode);
  json["levels"]["gender"] = level_name(comparison.levels.gender);
  for (const PartOfWeight& part : comparison.parts) {
    json["parts"].push_back(Json{{"part", weight_part_name(part.part)}, {"bits", bits(part.weight)}});
  }
  json["total_bits"] = bits(comparison.total);
  json["posterior_percent"] = comparison.vetoed ? Json() : Json(100 * posterior(comparison.total));
  json["vetoed"] = comparison.vetoed;
  return json;
}

Json link_json(const PathLink& link) {
  Json json;
  json["from"] = link.from;
  json["from_row"] = link.from_row;
  json["to"] = link.to;
  json["to_row"] = link.to_row;
  json["how"] = link_kind_name(link.kind);
  json["pass"] = link.pass;
  json["weight_bits"] = bits(link.weight);
  return json;
}

}  // namespace

std::string explanation_json(const Explanation& explanation, bool values) {
  Json json;
  json["run_id"] = explanation.manifest.run_id;
  json["values_shown"] = values;
  json["threshold_bits"] = bits(explanation.threshold);
  json["margin_bits"] = bits(explanation.margin);
  json["rows"] = Json::array();
  for (const ExplainedRow& row : explanation.rows) json["rows"].push_back(row_json(explanation, row, values));
  if (explanation.rows.size() == 2) json["same_person"] = explanation.same_person;
  json["reasons"] = Json::array();
  for (const Reason reason : explanation.reasons) json["reasons"].push_back(reason_name(reason));
  json["comparisons"] = Json::array();
  for (const Comparison& comparison : explanation.comparisons)
    json["comparisons"].push_back(comparison_json(comparison));
  json["path"] = Json::array();
  for (const PathLink& link : explanation.path) json["path"].push_back(link_json(link));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ligature
