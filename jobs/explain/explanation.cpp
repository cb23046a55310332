#include "jobs/explain/explanation.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "engine/clustering.hpp"
#include "engine/error.hpp"
#include "engine/local_id.hpp"

namespace ligature {

namespace {

// A person's tree of links is shallow; what is deeper than this is said to be so.
constexpr std::size_t kMostSteps = 256;

bool is_one_time(const Identity& identity) noexcept {
  return identity.nhs_status() == NhsStatus::one_time;
}

// As it counts: one-time identities are never compared and have no fields to weigh.
Identity counted(const IdentityRecord& record) noexcept {
  return is_one_time(record.identity) ? record.identity : weighed(record.identity, record.evidence);
}

// The kind of a person, from /persons.
IdType id_type_of(const DatasetReader& dataset, std::uint64_t person) {
  std::vector<std::uint64_t> type;
  dataset.read_unsigned(dataset.column("/persons/id_type"), {person, person + 1}, type);
  return static_cast<IdType>(type.front());
}

bool have_two_numbers(const Identity& a, const Identity& b) noexcept {
  return a.has_valid_nhs() && b.has_valid_nhs() && a.valid_nhs() != b.valid_nhs();
}

// The pattern that a weight is looked up by: a shared local id counts as a shared number does.
Pattern pattern_for(Comparison::Stage stage, Pattern pattern) noexcept {
  if (stage != Comparison::Stage::by_local_id) return pattern;
  Levels levels = levels_of(pattern);
  levels.nhs = NhsLevel::exact;
  return pattern_of(levels);
}

Comparison compared(const LinkageModel& model, const Identity& a, const Identity& b, Comparison::Stage stage) {
  Comparison result;
  result.stage = stage;
  const Pattern pattern = compare(a, b);
  result.levels = levels_of(pattern);
  const bool by_local_id = stage == Comparison::Stage::by_local_id;
  // What a shared id is worth does not depend on how common the values are.
  result.parts =
      by_local_id ? weight_parts(model, pattern_for(stage, pattern), {}, {}) : weight_parts(model, pattern, a, b);
  for (const PartOfWeight& part : result.parts) result.total += part.weight;
  const Weight expected = by_local_id ? shared_id_weight(model, pattern) : model.weight(pattern, a, b);
  result.vetoed = have_two_numbers(a, b) && !is_thin(a) && !is_thin(b);
  if (result.total != expected) throw Error("the parts of a weight do not add up to it");
  return result;
}

bool number_counts(const IdentityRecord& record) noexcept {
  return !record.evidence.has(Evidence::number_disowned) && !record.evidence.has(Evidence::number_default);
}

// Both carry one valid number, and for at least one of them it is no evidence.
bool share_a_lost_number(const IdentityRecord& a, const IdentityRecord& b) noexcept {
  return a.identity.has_valid_nhs() && a.identity.valid_nhs() == b.identity.valid_nhs() &&
         !(number_counts(a) && number_counts(b));
}

// Every way in which the two were compared, the first first.  None for one-time identities.
std::vector<Comparison> comparisons_of(const LinkageModel& model, const IdentityRecord& a, const IdentityRecord& b) {
  std::vector<Comparison> all;
  if (is_one_time(a.identity) || is_one_time(b.identity)) return all;
  if (share_a_lost_number(a, b)) {
    const auto before = [](const IdentityRecord& record) {
      Evidence evidence = record.evidence;
      evidence.flags &= static_cast<std::uint8_t>(~(Evidence::number_disowned | Evidence::number_default));
      return weighed(record.identity, evidence);
    };
    all.push_back(compared(model, before(a), before(b), Comparison::Stage::within_number));
  }
  all.push_back(compared(model, counted(a), counted(b), Comparison::Stage::as_weighed));
  return all;
}

// What a local id that both carry says of two.  Of a one-time identity, the fields that it has.
Comparison by_local_id(const LinkageModel& model, const IdentityRecord& a, const IdentityRecord& b) {
  const auto fields_of = [](const IdentityRecord& record) {
    if (!is_one_time(record.identity)) return counted(record);
    IdentityFields fields = unpack(record.identity);
    fields.nhs = {};
    return weighed(pack(fields), record.evidence);
  };
  return compared(model, fields_of(a), fields_of(b), Comparison::Stage::by_local_id);
}

// What the people who moved between their postcodes say of two: all that the link weighs beyond date and gender.
Comparison by_moves(const LinkageModel& model, const IdentityRecord& a, const IdentityRecord& b, Weight weight) {
  const Identity as = counted(a), bs = counted(b);
  Comparison result;
  result.stage = Comparison::Stage::by_moves;
  result.levels = levels_of(compare(as, bs));
  Levels others = result.levels;
  others.postcode = PostcodeLevel::missing;
  result.parts = weight_parts(model, pattern_of(others), as, bs);
  Weight rest = weight;
  for (const PartOfWeight& part : result.parts) rest -= part.weight;
  result.parts.push_back({WeightPart::company, rest});
  result.total = weight;
  return result;
}

// A number that fails the check, and a valid one that it may have been.
bool is_misspelling(const Identity& a, const Identity& b) noexcept {
  return a.nhs() != 0 && b.nhs() != 0 && a.has_valid_nhs() != b.has_valid_nhs() &&
         compare_nhs(nhs_digits_bcd(a.nhs()), nhs_digits_bcd(b.nhs())) == NhsLevel::near;
}

// The pass that brings two identities together: the first whose identifier agrees; empty if none does.
std::string_view pass_of(const Identity& a, const Identity& b) noexcept {
  if (a.nhs() != 0 && a.nhs() == b.nhs()) return "nhs_number";
  if (is_misspelling(a, b)) return "misspelt_nhs_number";
  if (a.date_of_birth() != kMissingDay && a.date_of_birth() == b.date_of_birth()) return "date_of_birth";
  if (a.postcode() != 0 && a.postcode() == b.postcode()) return "postcode";
  return "";
}

// Records by number, each read once.
class Records {
 public:
  explicit Records(const std::filesystem::path& secure) : secure_(secure) {}
  const IdentityRecord& operator[](IdentityId id) {
    const auto known = records_.find(id);
    if (known != records_.end()) return known->second;
    return records_.emplace(id, read_identity_record(secure_, id)).first->second;
  }

 private:
  const std::filesystem::path& secure_;
  std::unordered_map<IdentityId, IdentityRecord> records_;
};

// From an identity to the root of its person's tree, or as far as kMostSteps goes.
std::vector<IdentityId> way_up(Records& records, IdentityId id) {
  std::vector<IdentityId> way{id};
  while (way.size() <= kMostSteps) {
    const IdentityId next = records[way.back()].provenance.linked_to;
    if (std::find(way.begin(), way.end(), next) != way.end()) break;
    way.push_back(next);
  }
  return way;
}

PathLink link_up(Records& records, IdentityId child) {
  const IdentityRecord& from = records[child];
  PathLink link;
  link.from = child;
  link.to = from.provenance.linked_to;
  link.kind = from.provenance.kind;
  link.weight = from.provenance.weight;
  const bool by_kind = link.kind == LinkKind::local_id || link.kind == LinkKind::moved;
  link.pass = by_kind ? link_kind_name(link.kind) : pass_of(counted(from), counted(records[link.to]));
  if (link.pass.empty() || link.kind == LinkKind::same_number || link.kind == LinkKind::returned) {
    link.pass = pass_of(from.identity, records[link.to].identity);
  }
  return link;
}

// The links between two identities of one person; false if they were not followed to their meeting.
bool find_path(Records& records, IdentityId a, IdentityId b, std::vector<PathLink>& path) {
  const std::vector<IdentityId> way_a = way_up(records, a), way_b = way_up(records, b);
  const auto meeting = std::find_first_of(way_a.begin(), way_a.end(), way_b.begin(), way_b.end());
  if (meeting == way_a.end()) return false;
  for (auto id = way_a.begin(); id != meeting; ++id) path.push_back(link_up(records, *id));
  std::vector<PathLink> down;
  for (auto id = way_b.begin(); *id != *meeting; ++id) {
    PathLink link = link_up(records, *id);
    std::swap(link.from, link.to);
    down.push_back(std::move(link));
  }
  path.insert(path.end(), down.rbegin(), down.rend());
  return true;
}

// The valid number of an identity's person, as far as the root of its links tells; 0 if none.
std::uint64_t number_of_person(Records& records, IdentityId id) {
  const std::uint64_t own = counted(records[id]).valid_nhs();
  return own != 0 ? own : counted(records[way_up(records, id).back()]).valid_nhs();
}

// Whether the clustering would put the two together if there were nobody else; with_twins: but the twins that the file
// knows of.
bool join_in_isolation(const IdentityRecord& a, const IdentityRecord& b, const LinkageModel& model, Weight weight,
                       bool with_twins) {
  std::vector<ClusterNode> nodes(2);
  const std::array<const IdentityRecord*, 2> records{&a, &b};
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    const Identity identity = counted(*records[n]);
    nodes[n].id = n;
    nodes[n].valid_nhs = identity.valid_nhs();
    if (records[n]->evidence.has(Evidence::number_disowned)) {
      nodes[n].disowned_nhs = records[n]->identity.valid_nhs();
    }
    nodes[n].gender = identity.gender();
    nodes[n].thin = is_thin(identity);
    if (with_twins) nodes[n].twins = twins_of(records[n]->evidence);
    if (identity.nhs_status() == NhsStatus::invalid) nodes[n].invalid_nhs = identity.nhs();
  }
  Edge edge;
  if (have_two_numbers(counted(a), counted(b))) edge.kind = EdgeKind::conflict;
  edge.b = 1;
  edge.weight = weight;
  ClusterCounts counts;
  const std::vector<ClusterResult> clusters = resolve_component(nodes, {edge}, cluster_rules(model), counts);
  return clusters[0].cluster == clusters[1].cluster;
}

// Why two identities are two persons.
void find_reasons_apart(Records& records, const std::vector<ExplainedRow>& rows, const LinkageModel& model,
                        Explanation& result) {
  const IdentityRecord &a = rows[0].record, &b = rows[1].record;
  if (is_one_time(a.identity) || is_one_time(b.identity)) {
    result.reasons.push_back(Reason::one_time);
    return;
  }
  if (share_a_lost_number(a, b)) result.reasons.push_back(Reason::number_disowned);
  const Identity as = counted(a), bs = counted(b);
  if (have_two_numbers(as, bs)) {
    result.reasons.push_back(Reason::two_numbers);
    if (result.comparisons.back().vetoed) return;
  }
  if (pass_of(as, bs).empty()) {
    result.reasons.push_back(Reason::never_compared);
    return;
  }
  if (result.comparisons.back().total < model.threshold()) {
    result.reasons.push_back(Reason::below_threshold);
    return;
  }
  const Weight total = result.comparisons.back().total;
  if (!join_in_isolation(a, b, model, total, false)) {
    if (!share_a_lost_number(a, b)) result.reasons.push_back(Reason::next_number);
    return;
  }
  if (!join_in_isolation(a, b, model, total, true)) {
    result.reasons.push_back(Reason::known_twin);
    return;
  }
  const auto refused_by = [&](Provenance::Note note) {
    return ((a.provenance.notes & note) != 0 && bs.has_valid_nhs()) ||
           ((b.provenance.notes & note) != 0 && as.has_valid_nhs());
  };
  for (const auto& [note, reason] : {std::pair(Provenance::other_provider, Reason::other_provider),
                                     std::pair(Provenance::other_patient, Reason::other_patient)}) {
    if (!refused_by(note)) continue;
    result.reasons.push_back(reason);
    return;
  }
  // Patient numbers are not kept, so that each was refused for them, not that it was by the other, is what is known.
  if ((a.provenance.notes & b.provenance.notes & Provenance::other_patient) != 0 && !as.has_valid_nhs() &&
      !bs.has_valid_nhs()) {
    result.reasons.push_back(Reason::other_patient);
    return;
  }
  if (a.provenance.kind == LinkKind::apart || b.provenance.kind == LinkKind::apart) {
    result.reasons.push_back(Reason::ambiguous);
    return;
  }
  const std::uint64_t number_a = number_of_person(records, rows[0].row.identity);
  const std::uint64_t number_b = number_of_person(records, rows[1].row.identity);
  const bool two_numbers = number_a != 0 && number_b != 0 && number_a != number_b;
  result.reasons.push_back(two_numbers ? Reason::persons_differ : Reason::no_joining_link);
}

void explain_two(Records& records, const LinkageModel& model, Explanation& result) {
  const ExplainedRow &a = result.rows[0], &b = result.rows[1];
  result.same_person = a.row.person == b.row.person;
  if (a.row.identity == b.row.identity) {
    result.reasons.push_back(Reason::same_identity);
    if (!result.same_person) result.reasons.push_back(Reason::ambiguous);
    return;
  }
  result.comparisons = comparisons_of(model, a.record, b.record);
  if (!result.same_person) {
    find_reasons_apart(records, result.rows, model, result);
    return;
  }
  const bool found = find_path(records, a.row.identity, b.row.identity, result.path);
  if (result.path.size() == 1 && result.path.front().kind == LinkKind::local_id) {
    result.comparisons.push_back(by_local_id(model, a.record, b.record));
  }
  if (result.path.size() == 1 && result.path.front().kind == LinkKind::moved) {
    result.comparisons.push_back(by_moves(model, a.record, b.record, result.path.front().weight));
  }
  result.reasons.push_back(found ? Reason::linked : Reason::path_too_long);
}

void explain_one(Records& records, const LinkageModel& model, Explanation& result) {
  const ExplainedRow& row = result.rows[0];
  const Provenance& from = row.record.provenance;
  if (from.linked_to != row.row.identity) {
    result.linked_to = records[from.linked_to];
    result.comparisons = comparisons_of(model, row.record, *result.linked_to);
    result.path.push_back(link_up(records, row.row.identity));
    if (from.kind == LinkKind::local_id) {
      result.comparisons.push_back(by_local_id(model, row.record, *result.linked_to));
    }
    if (from.kind == LinkKind::moved) {
      result.comparisons.push_back(by_moves(model, row.record, *result.linked_to, from.weight));
    }
    result.reasons.push_back(Reason::linked_to_parent);
    return;
  }
  switch (from.kind) {
    case LinkKind::alone:
      result.reasons.push_back(Reason::nothing_linked);
      return;
    case LinkKind::one_time:
      result.reasons.push_back(Reason::one_time);
      return;
    case LinkKind::apart:
      result.reasons.push_back(Reason::ambiguous);
      return;
    default:
      result.reasons.push_back(Reason::root);
      return;
  }
}

}  // namespace

std::string_view reason_name(Reason reason) noexcept {
  switch (reason) {
    case Reason::same_identity:
      return "same_identity";
    case Reason::linked:
      return "linked";
    case Reason::path_too_long:
      return "path_too_long";
    case Reason::one_time:
      return "one_time";
    case Reason::two_numbers:
      return "two_numbers";
    case Reason::number_disowned:
      return "number_disowned";
    case Reason::never_compared:
      return "never_compared";
    case Reason::below_threshold:
      return "below_threshold";
    case Reason::next_number:
      return "next_number";
    case Reason::known_twin:
      return "known_twin";
    case Reason::other_provider:
      return "other_provider";
    case Reason::other_patient:
      return "other_patient";
    case Reason::ambiguous:
      return "ambiguous";
    case Reason::persons_differ:
      return "persons_differ";
    case Reason::no_joining_link:
      return "no_joining_link";
    case Reason::nothing_linked:
      return "nothing_linked";
    case Reason::linked_to_parent:
      return "linked_to_parent";
    case Reason::root:
      return "root";
  }
  return "";
}

std::string pseudonym_text(const DatasetReader& dataset, std::uint64_t person) {
  const std::size_t column = dataset.column("/persons/pseudonym");
  if (person >= dataset.columns()[column].rows) {
    throw Error("a row of the secure index is of no person in /persons: verify the run");
  }
  std::string text(32, '0');
  dataset.read(column, person, std::as_writable_bytes(std::span(text)));
  return text;
}

Explanation explain_rows(const Manifest& manifest, const std::filesystem::path& secure, const DatasetReader& dataset,
                         std::vector<FoundRow> rows) {
  Explanation result;
  result.manifest = manifest;
  const LinkageModel model(manifest.model);
  result.threshold = model.threshold();
  result.margin = model.margin();
  result.elsewhere = model.parameters().elsewhere;
  Records records(secure);
  for (FoundRow& row : rows) {
    const IdentityRecord& record = records[row.identity];
    // Rows of one ambiguous identity are persons of their own (jobs/rebuild/ambiguous_rows.hpp).
    const bool stands_alone = record.provenance.kind == LinkKind::apart && record.rows > 1;
    std::string person = pseudonym_text(dataset, row.person);
    if (hex(record.person) != person && !stands_alone) {
      throw Error("the secure index and the identity records differ: verify the run");
    }
    const IdType type = id_type_of(dataset, row.person);
    result.rows.push_back({std::move(row), std::move(person), record, type});
  }
  if (result.rows.size() == 1) {
    explain_one(records, model, result);
    result.same_person = true;
  } else {
    explain_two(records, model, result);
  }
  return result;
}

}  // namespace ligature
