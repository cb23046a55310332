#include "jobs/rebuild/summary.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "io/progress.hpp"
#include "jobs/rebuild/screens.hpp"

namespace ligature {

namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string share(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "";
  return fmt::format("{:.2f} %", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

void add_count(Rows& table, const std::string& name, std::uint64_t count, std::uint64_t whole = 0) {
  table.push_back({name, with_commas(count), share(count, whole)});
}

std::string rows_table(const Manifest& manifest) {
  const RowCounts& rows = manifest.rows;
  Rows table{{"rows", "count", "share"}};
  add_count(table, "read", rows.read);
  add_count(table, "kept", rows.kept, rows.read);
  add_count(table, "opted out", rows.opted_out, rows.read);
  if (rows.opted_out_by_linkage != 0) {
    add_count(table, "  linked to an objector", rows.opted_out_by_linkage, rows.read);
  }
  for (std::size_t r = 0; r < kQuarantineReasons; ++r) {
    if (rows.quarantined[r] == 0) continue;
    add_count(table, "quarantined: " + std::string(quarantine_reason_name(static_cast<QuarantineReason>(r))),
              rows.quarantined[r], rows.read);
  }
  add_count(table, "valid NHS number", rows.nhs_valid, rows.kept);
  add_count(table, "NHS number with a wrong check digit", rows.nhs_invalid, rows.kept);
  add_count(table, "no NHS number", rows.nhs_missing, rows.kept);
  if (rows.nhs_superseded != 0) add_count(table, "superseded NHS number replaced", rows.nhs_superseded, rows.kept);
  add_count(table, "no date of birth", rows.birth_missing, rows.kept);
  add_count(table, "no postcode", rows.postcode_missing, rows.kept);
  add_count(table, "no gender", rows.gender_missing, rows.kept);
  if (rows.values_not_understood != 0) add_count(table, "dates and values not understood", rows.values_not_understood);
  return text_table(table);
}

// Objections, and who sent what; empty where the job file names neither.
std::string consent_table(const Manifest& manifest) {
  const ConsentReport& consent = manifest.consent;
  Rows table{{"consent and coverage", "count", "share"}};
  if (consent.entries != 0) {
    add_count(table, "entries of the ledger", consent.entries);
    for (std::size_t p = 0; p < kEntryProblems; ++p) {
      if (consent.problems[p] == 0) continue;
      add_count(table, "  without effect: " + std::string(entry_problem_name(static_cast<EntryProblem>(p))),
                consent.problems[p], consent.entries);
    }
    for (std::size_t k = 0; k < kObjectionKinds; ++k) {
      add_count(table, "persons who object: " + std::string(objection_kind_name(static_cast<ObjectionKind>(k))),
                consent.standing[k]);
    }
    if (consent.changes != 0) {
      add_count(table, "counts that changed beyond the bound, acknowledged", consent.changes_acknowledged,
                consent.changes);
    }
  }
  if (manifest.practices_registered != 0) {
    add_count(table, "practices on the register", manifest.practices_registered);
    add_count(table, "  that sent nothing", manifest.practices_silent, manifest.practices_registered);
    add_count(table, "providers that are not on it", manifest.providers_unregistered);
  }
  if (manifest.providers_late != 0) add_count(table, "providers that sent late", manifest.providers_late);
  if (manifest.providers_partial != 0) {
    add_count(table, "providers that sent less than before", manifest.providers_partial);
  }
  return table.size() == 1 ? "" : text_table(table) + "\n";
}

std::string persons_table(const Manifest& manifest) {
  const std::vector<std::uint64_t>& types = manifest.persons_by_id_type;
  const auto of_type = [&](IdType type) { return types[static_cast<std::size_t>(type)]; };
  Rows table{{"linkage", "count", "share"}};
  add_count(table, "identities", manifest.identities);
  add_count(table, "  that can tell people apart", manifest.linkable_identities, manifest.identities);
  add_count(table, "persons", manifest.persons);
  add_count(table, "  by NHS number", of_type(IdType::nhs_number), manifest.persons);
  add_count(table, "  NHS number claimed by another person", of_type(IdType::contested), manifest.persons);
  add_count(table, "  by other identifiers", of_type(IdType::other), manifest.persons);
  add_count(table, "  left apart as ambiguous", of_type(IdType::ambiguous), manifest.persons);
  add_count(table, "  one row that nothing can link", of_type(IdType::one_time), manifest.persons);
  add_count(table, "rows linked to at least one other", manifest.rows_linked, manifest.rows.kept);
  return text_table(table);
}

std::string passes_table(const Manifest& manifest) {
  Rows table{{"pass", "identities", "groups", "largest", "pairs compared", "pairs vetoed", "links"}};
  for (const PassReport& pass : manifest.passes) {
    table.push_back({pass.name, with_commas(pass.identities), with_commas(pass.groups), with_commas(pass.largest_group),
                     with_commas(pass.pairs_compared), with_commas(pass.pairs_vetoed), with_commas(pass.edges)});
  }
  return text_table(table);
}

// The ladder of match ranks, with what the model expects to be wrong.
std::string ranks_table(const Manifest& manifest) {
  Rows table{{"match rank", "rows", "share", "expected wrong", "expected missed"}};
  const auto rate = [](double rows, std::uint64_t of) {
    return of == 0 ? "" : fmt::format("{:.4f} %", 100 * rows / static_cast<double>(of));
  };
  for (const EstimatedGroup& group : manifest.estimated) {
    if (group.kind != "match_rank" && group.kind != "all") continue;
    table.push_back({group.name, with_commas(group.rows), share(group.rows, manifest.rows.kept),
                     rate(group.wrong_rows, group.rows), rate(group.missed_rows, group.rows)});
  }
  return text_table(table);
}

std::string numbers_table(const Manifest& manifest) {
  const NumberReport& numbers = manifest.numbers;
  Rows table{{"NHS numbers", "count", "share"}};
  add_count(table, "different valid numbers", numbers.numbers);
  add_count(table, "  used by more than one person", numbers.contested, numbers.numbers);
  add_count(table, "rows whose number others have a better claim to", numbers.rows_disowned, manifest.rows.kept);
  add_count(table, "clusters returned to it, as they fit nobody else", manifest.clusters.returned);
  add_count(table, "numbers used as a default", numbers.default_numbers);
  add_count(table, "dates of birth used as a default", numbers.default_births);
  add_count(table, "persons with several valid numbers", manifest.clusters.several_numbers, manifest.persons);
  return text_table(table);
}

// Says so where the run's times are those of a machine that did other work as well.
std::string disturbance(const Performance& performance) {
  constexpr double kQuiet = 0.9;
  const double given = cpu_given(performance);
  return given >= kQuiet ? ""
                         : fmt::format(
                               "note: threads had a CPU for {:.0f} % of the time they could have used one: the "
                               "machine did other work, or has too few CPUs\n",
                               100 * given);
}

// Balance, messages and ranks: load balance, communication and parallel efficiency (io/performance.hpp).  The last
// column stands only where the machine's bounds were given.
std::string stages_table(const Performance& performance) {
  const bool bounded = std::any_of(performance.stages.begin(), performance.stages.end(),
                                   [](const StagePerformance& stage) { return stage.bound_seconds > 0; });
  Rows table{{"stage", "seconds", "items", "rate", "balance", "messages", "ranks", "threads", "sent"}};
  if (bounded) table[0].emplace_back("of bound");
  const auto percent = [](double share) { return fmt::format("{:.0f} %", 100 * share); };
  for (const StagePerformance& stage : performance.stages) {
    const PopMetrics pop = pop_metrics(stage, performance.threads_per_rank);
    table.push_back({stage.name, fmt::format("{:.2f}", stage.seconds), with_commas(stage.items) + " " + stage.unit,
                     human_rate(static_cast<double>(stage.items) / stage.seconds, stage.unit),
                     percent(pop.load_balance), percent(pop.communication_efficiency), percent(pop.parallel_efficiency),
                     percent(pop.thread_efficiency), human_bytes(sum_of(stage, &StageUsage::bytes_sent))});
    if (stage.bound_seconds > 0) table.back().push_back(percent(stage.bound_seconds / stage.seconds));
  }
  table.push_back({"total", fmt::format("{:.2f}", performance.total_seconds), with_commas(performance.rows) + " rows",
                   human_rate(static_cast<double>(performance.rows) / performance.total_seconds, "rows")});
  return text_table(table);
}

}  // namespace

std::string summary_text(const Manifest& manifest, const Performance& performance) {
  return fmt::format(
      "\n{}\n{}{}\n{}\n{}\nmodel: {} ({})\n\n{}\n{}\n{}\n{} ranks x {} threads, {} at the peak over all ranks\n"
      "{}{}dataset  {}/dataset.h5\ncontent  {}\n",
      rows_table(manifest), consent_table(manifest), persons_table(manifest), numbers_table(manifest),
      ranks_table(manifest), manifest.estimation.source, manifest.estimation.reason, screens_table(manifest.screens),
      passes_table(manifest), stages_table(performance), manifest.ranks, manifest.threads_per_rank,
      human_bytes(manifest.peak_memory_bytes),
      performance.warning.empty() ? "" : "warning: " + performance.warning + "\n", disturbance(performance),
      manifest.publish, manifest.content_digest);
}

}  // namespace ligature
