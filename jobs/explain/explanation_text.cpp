// An explanation as a person reads it: the rows, the waterfall of their weight, and the verdict.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "engine/evidence.hpp"
#include "engine/provenance.hpp"
#include "io/progress.hpp"
#include "jobs/explain/explanation.hpp"
#include "jobs/provenance_text.hpp"

namespace ligature {

namespace {

constexpr int kDecimals = 2;
using Table = std::vector<std::vector<std::string>>;

// A row id is the extract's: what is no plain text in it is spelt out.
std::string plain(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      result += c;
    }
  }
  return result;
}

std::string row_name(const Explanation& explanation, const FoundRow& row) {
  return plain(explanation.manifest.datasets[row.dataset].name + ":" + row.row_id);
}

std::string joined(const std::vector<std::string_view>& names) {
  std::string text;
  for (const std::string_view name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text.empty() ? "-" : text;
}

std::string dataset_names(const Explanation& explanation, std::uint32_t datasets) {
  std::vector<std::string_view> names;
  for (std::size_t d = 0; d < explanation.manifest.datasets.size() && d < 32; ++d) {
    if ((datasets >> d & 1U) != 0) names.push_back(explanation.manifest.datasets[d].name);
  }
  return joined(names);
}

std::string bits(Weight weight) {
  return bits_text(weight, kDecimals);
}

bool has_weight(const Provenance& from) noexcept {
  return from.kind != LinkKind::alone && from.kind != LinkKind::one_time;
}

// What is known of each row, a column each.
std::string rows_text(const Explanation& explanation, bool values) {
  Table table{{""},         {"row"},        {"person"},        {"id type"},   {"identity"},
              {"its rows"}, {"how"},        {"weight"},        {"runner-up"}, {"match rank"},
              {"flags"},    {"NHS number"}, {"date of birth"}, {"postcode"},  {"gender"}};
  for (std::size_t r = 0; r < explanation.rows.size(); ++r) {
    const ExplainedRow& row = explanation.rows[r];
    const Provenance& from = row.record.provenance;
    const ShownValues shown = shown_values(row.record.identity, row.record.evidence.flags, values);
    const std::vector<std::string> column{
        r == 0 ? "A" : "B",
        row_name(explanation, row.row),
        row.person,
        std::string(id_type_name(row.id_type)),
        with_commas(row.row.identity),
        with_commas(row.record.rows) + " in " + dataset_names(explanation, row.record.datasets),
        std::string(link_kind_name(from.kind)),
        has_weight(from) ? bits(from.weight) + " bits" : "-",
        !has_weight(from)       ? "-"
        : from.lead == kNoRival ? "none"
                                : bits(from.lead) + " bits behind",
        std::string(match_rank_name(from.rank)),
        joined(flag_names(row.record.evidence.flags, from.notes)),
        shown.nhs_number,
        shown.date_of_birth,
        shown.postcode,
        shown.gender};
    for (std::size_t i = 0; i < column.size(); ++i) table[i].push_back(column[i]);
  }
  return text_table(table, true);
}

// The waterfall.
std::string comparison_text(const Explanation& explanation, const Comparison& comparison, bool values) {
  const auto shown = [&](const IdentityRecord& record) {
    std::uint8_t flags = record.evidence.flags;
    if (comparison.stage == Comparison::Stage::within_number) {
      flags &= static_cast<std::uint8_t>(~(Evidence::number_disowned | Evidence::number_default));
    }
    return shown_values(record.identity, flags, values);
  };
  const ShownValues a = shown(explanation.rows[0].record);
  const ShownValues b = shown(explanation.linked_to ? *explanation.linked_to : explanation.rows[1].record);
  const bool by_local_id = comparison.stage == Comparison::Stage::by_local_id;
  const bool same_number = comparison.levels.nhs == NhsLevel::exact || by_local_id;
  Table table{{"identifier", "A", explanation.linked_to ? "linked to" : "B", "level", "bits"}};
  const auto weight_of = [&](WeightPart wanted) {
    for (const PartOfWeight& part : comparison.parts) {
      if (part.part == wanted) return bits(part.weight);
    }
    return std::string();
  };
  const auto add = [&](const std::string& name, const std::string& of_a, const std::string& of_b,
                       std::string_view level, WeightPart part) {
    const std::string weight = weight_of(part);
    table.push_back({name, of_a, of_b, std::string(level), weight.empty() ? "0.00" : weight});
  };
  const auto add_if_there = [&](const std::string& name, WeightPart part) {
    if (const std::string weight = weight_of(part); !weight.empty()) table.push_back({name, "", "", "", weight});
  };
  add_if_there("before anything is compared", WeightPart::prior);
  add_if_there("one has a number, the other none", WeightPart::one_numbered);
  const bool two_numbers = !weight_of(WeightPart::two_numbers).empty();
  if (by_local_id) {
    add("local patient id", "", "", "same", WeightPart::same_number);
  } else {
    add("NHS number", a.nhs_number, b.nhs_number, level_name(comparison.levels.nhs),
        same_number   ? WeightPart::same_number
        : two_numbers ? WeightPart::two_numbers
                      : WeightPart::nhs_number);
  }
  add("date of birth", a.date_of_birth, b.date_of_birth, level_name(comparison.levels.birth),
      WeightPart::date_of_birth);
  add_if_there("  how common the date is", WeightPart::birth_rarity);
  add("postcode", a.postcode, b.postcode, level_name(comparison.levels.postcode), WeightPart::postcode);
  add_if_there("  how common the postcode is", WeightPart::postcode_rarity);
  const bool known = std::any_of(explanation.rows.begin(), explanation.rows.end(), [](const ExplainedRow& row) {
    return (row.record.provenance.notes & Provenance::company_known) != 0;
  });
  add_if_there(known ? "who moved between the two, known to its provider" : "who moved between the two",
               WeightPart::company);
  add("gender", a.gender, b.gender, level_name(comparison.levels.gender), WeightPart::gender);
  add_if_there(same_number ? "postcode and gender together" : "date and postcode together", WeightPart::together);
  table.push_back({"total", "", "", "", bits(comparison.total)});

  std::string text;
  switch (comparison.stage) {
    case Comparison::Stage::within_number:
      text = "Inside the NHS number that both carry:\n";
      break;
    case Comparison::Stage::by_local_id:
      text = "By the local patient id that both carry:\n";
      break;
    case Comparison::Stage::by_moves:
      text = "By the people who moved between the two postcodes, in place of the postcodes:\n";
      break;
    case Comparison::Stage::as_weighed:
      if (explanation.comparisons.front().stage == Comparison::Stage::within_number) {
        text = "Without it, since it is no evidence for at least one of them:\n";
      }
      break;
  }
  text += text_table(table, true);
  if (comparison.vetoed) {
    return text + "They were not weighed in the run: two valid numbers, neither of which is in doubt, are a veto.\n";
  }
  if (comparison.stage == Comparison::Stage::by_moves) {
    const auto others = static_cast<Weight>(std::lround(std::log2(explanation.elsewhere) * kWeightPerBit));
    return text + fmt::format("posterior {:.2f} %, {:.2f} % among the people of the file\n",
                              100 * posterior(comparison.total), 100 * posterior(comparison.total - others));
  }
  text += fmt::format("posterior {:.2f} %, threshold {} bits\n", 100 * posterior(comparison.total),
                      bits(explanation.threshold));
  return text;
}

std::string reason_text(const Explanation& explanation, Reason reason) {
  const auto& rows = explanation.rows;
  const Weight total = explanation.comparisons.empty() ? 0 : explanation.comparisons.back().total;
  switch (reason) {
    case Reason::same_identity:
      return explanation.same_person ? "All four identifiers are equal: the two rows are one identity."
                                     : "All four identifiers are equal, but nothing says that both are the same one of "
                                       "the people they fit.";
    case Reason::linked:
      return explanation.path.size() == 1 ? "This link holds them together:" : "These links hold them together:";
    case Reason::path_too_long:
      return "The links between them are too many to be shown.";
    case Reason::one_time:
      return "The identifiers of " +
             std::string(rows.size() == 1                                              ? "the row"
                         : rows[0].record.identity.nhs_status() != NhsStatus::one_time ? "B"
                         : rows[1].record.identity.nhs_status() != NhsStatus::one_time ? "A"
                                                                                       : "both") +
             " cannot tell people apart: without a local patient id that says more, such a row stands alone.";
    case Reason::two_numbers:
      return explanation.comparisons.back().vetoed
                 ? "Each has a valid NHS number of its own."
                 : "Each has a valid NHS number of its own, one of them seen on few rows, so that it may be another's.";
    case Reason::number_disowned:
      return "Both carry one NHS number, but those who carry it cannot all be one person: it is no evidence for those "
             "who have the lesser claim to it.";
    case Reason::never_compared:
      return "They were never compared: no NHS number, date of birth or postcode that counts as evidence is the same.";
    case Reason::below_threshold:
      return fmt::format("The evidence is too weak: {} bits, and {} are needed.", bits(total),
                         bits(explanation.threshold));
    case Reason::known_twin:
      return "The one with a number has a twin in the file, of the same birthday and with a number of the same batch: "
             "what "
             "fits one of them fits the other.";
    case Reason::next_number:
      return "One of them carries an NHS number that it does not own, and the other's is next to it, as twins' are: "
             "such "
             "a record is not put to the twin of the one whose number it carries.";
    case Reason::ambiguous: {
      std::string text;
      for (std::size_t r = 0; r < rows.size(); ++r) {
        const Provenance& from = rows[r].record.provenance;
        if (from.kind != LinkKind::apart) continue;
        if (!text.empty()) text += '\n';
        text += rows.size() == 1 ? "It" : r == 0 ? "A" : "B";
        if (rows[r].record.evidence.has(Evidence::several_patients)) {
          text +=
              " is one of equal rows without a number of their own that a provider has under several patient numbers: "
              "they are of "
              "several people, and stand apart from everybody.";
          continue;
        }
        text += fmt::format(
            " is linked to several persons: the strongest claim leads the next by {} bits, and {} are "
            "needed. It was kept apart from all of them.",
            bits(from.lead), bits(explanation.margin));
      }
      return text;
    }
    case Reason::other_provider:
      return "The one without a number is of a dataset of which a person has one provider, and it is of another "
             "provider "
             "than the other's person.";
    case Reason::other_patient:
      return "A provider has one without a number under another patient number than the other, or the other's person.";
    case Reason::persons_differ:
      return "Their evidence would do, but each is held by stronger links to a person with a valid NHS number, and the "
             "two numbers differ.";
    case Reason::no_joining_link:
      return "Their evidence would do by itself, but was not enough beside that of the others they are linked to.";
    case Reason::nothing_linked:
      return "No link reached it: it is a person of its own.";
    case Reason::linked_to_parent:
      return "This link put it to its person:";
    case Reason::root:
      return "The links of its person lead to this identity; the weight above is that of the heaviest of them.";
  }
  return "";
}

std::string end_text(IdentityId id, const std::string& row) {
  return row.empty() ? fmt::format("identity {}", with_commas(id))
                     : fmt::format("identity {} ({})", with_commas(id), plain(row));
}

std::string verdict_text(const Explanation& explanation) {
  std::string text;
  if (explanation.rows.size() == 2) text += explanation.same_person ? "One person. " : "Two persons. ";
  bool first = true;
  for (const Reason reason : explanation.reasons) {
    if (!first) text += '\n';
    text += reason_text(explanation, reason);
    first = false;
  }
  text += '\n';
  for (const PathLink& link : explanation.path) {
    text += "  " + end_text(link.from, link.from_row) + " - " + end_text(link.to, link.to_row) + ": " +
            std::string(link_kind_name(link.kind)) + ", pass " + std::string(link.pass.empty() ? "-" : link.pass) +
            ", " + bits(link.weight) + " bits\n";
  }
  const auto is_its_weight = [&](const Comparison& comparison) {
    return comparison.total == explanation.path.front().weight;
  };
  const auto& comparisons = explanation.comparisons;
  if (explanation.path.size() == 1 && !comparisons.empty() &&
      std::none_of(comparisons.begin(), comparisons.end(), is_its_weight)) {
    text +=
        explanation.path.front().kind == LinkKind::returned
            ? "  (With what it adds that the record fits nobody else, and whether its provider knows the owner.)\n"
            : "  (That is what it weighed before all was known of how common the values are, and whose the numbers.)\n";
  }
  return text;
}

}  // namespace

std::string explanation_text(const Explanation& explanation, bool values) {
  std::string text = rows_text(explanation, values);
  for (const Comparison& comparison : explanation.comparisons) {
    text += '\n' + comparison_text(explanation, comparison, values);
  }
  return text + '\n' + verdict_text(explanation);
}

}  // namespace ligature
