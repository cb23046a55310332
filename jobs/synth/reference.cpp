#include "jobs/synth/reference.hpp"

#include <array>

#include "jobs/synth/extracts.hpp"
#include "jobs/synth/text.hpp"

namespace ligature::synthetic {
namespace {

namespace draw {
enum PersonDraw : std::uint64_t { kUnlisted = 40, kObjections = 44, kStep = 4 };
enum Objection : std::uint64_t { kObjects, kSince, kWithdrawn, kSpelling };
}  // namespace draw

// When the objections of a kind were recorded: type 1 from the autumn of 2013, type 2 from February 2014, the national
// data opt-out from 25 May 2018.
struct ObjectionText {
  std::string_view kind, withdrawn, code, withdrawn_code;
  CivilDate from;
  std::uint32_t days;
};
constexpr std::array<ObjectionText, 3> kObjections = {{
    {"type1", "type1-withdrawn", "9Nu0.", "9Nu1.", {2013, 9, 1}, 300},
    {"type2", "type2-withdrawn", "9Nu4.", "9Nu5.", {2014, 2, 1}, 700},
    {"ndoo", "ndoo-withdrawn", "ndoo", "ndoo-withdrawn", {2018, 5, 25}, 365},
}};

void append_objection(std::string& out, std::uint64_t nhs, std::string_view kind, std::uint32_t day) {
  append_digits(out, nhs, 10);
  out += ',';
  out += kind;
  out += ',';
  append_date(out, civil_date(static_cast<DayNumber>(day)), DateStyle::iso);
  out += '\n';
}

}  // namespace

bool is_type1_objector(const SynthRates& rates, const Random& random) noexcept {
  return random.happens(std::uint64_t{draw::kObjections} + draw::kObjects, Chance(rates.optout_type1));
}

void append_reference_rows(const Population& population, const SynthRates& rates, const Person& person,
                           std::uint64_t id, const Random& random, const ReferenceText& text) {
  const std::array<double, 3> shares = {rates.optout_type1, rates.optout_type2, rates.optout_national};
  for (std::size_t i = 0; i < kObjections.size(); ++i) {
    const std::uint64_t base = draw::kObjections + i * draw::kStep;
    if (!random.happens(base + draw::kObjects, Chance(shares[i]))) continue;
    const ObjectionText& kind = kObjections[i];
    const std::uint64_t nhs = population.nhs_number(person);
    const std::uint32_t since = day_number(kind.from).value_or(1) + random.below(base + draw::kSince, kind.days);
    const bool as_code = random.below(base + draw::kSpelling, 4) == 0;
    append_objection(text.optout, nhs, as_code ? kind.code : kind.kind, since);
    text.objectors += 'P';
    append_digits(text.objectors, id, 9);
    text.objectors += ',';
    text.objectors += kind.kind;
    text.objectors += ',';
    append_date(text.objectors, civil_date(static_cast<DayNumber>(since)), DateStyle::iso);
    text.objectors += ',';
    if (random.happens(base + draw::kWithdrawn, Chance(rates.optout_withdrawn))) {
      const std::uint32_t until = since + 1 + random.below(base + draw::kSince, 90);
      append_objection(text.optout, nhs, as_code ? kind.withdrawn_code : kind.withdrawn, until);
      append_date(text.objectors, civil_date(static_cast<DayNumber>(until)), DateStyle::iso);
    }
    text.objectors += '\n';
  }
  if (const auto replaced = population.replaced_number(person)) {
    if (random.happens(draw::kUnlisted, Chance(rates.superseded_unlisted))) return;
    append_digits(text.superseded, *replaced, 10);
    text.superseded += ',';
    append_digits(text.superseded, population.nhs_number(person), 10);
    text.superseded += '\n';
  }
}

void append_practices(std::uint64_t n, std::string& practices) {
  if (n % 2 != 0) return;
  for (std::uint32_t practice = 0; practice < kPracticesPerPair; ++practice) {
    practices += practice_code(n / 2, practice) + '\n';
  }
}

std::string job_file_text(const SynthArguments& arguments) {
  std::string text = "# Links the artificial extracts beside this file (ligature synth --people " +
                     std::to_string(arguments.people) + " --seed " + std::to_string(arguments.seed) + ").\n" +
                     "[job]\nname    = \"synthetic\"\nsecure  = \"run/secure\"\npublish = \"run/publish\"\n"
                     "key     = \"ligature.key\"\n";
  const auto line = [&](std::string_view key, std::string_view value) {
    text += std::string(key) + std::string(13 - key.size(), ' ') + " = \"" + std::string(value) + "\"\n";
  };
  const auto screen = [&](std::string_view kind, std::string_view column, std::string_view value) {
    text += "[[extract.screen]]\n";
    line("kind", kind);
    line("column", column);
    line("values", value);
  };
  for (std::size_t s = 0; s < kSources; ++s) {
    const SourceFormat& format = format_of(static_cast<Source>(s));
    text += "\n[[extract]]\ndataset   = \"" + std::string(format.name) + "\"\nfiles     = [\"" +
            std::string(format.name) + "/*.csv\"]\ndelimiter = \"" + format.delimiter + "\"\nextracted = ";
    append_date(text, kAsAt, DateStyle::iso);
    text += "\n[extract.columns]\n";
    line("row_id", format.record_id);
    line("provider", format.provider);
    line("local_id", format.local_id);
    line("nhs_number", format.nhs_number);
    line("date_of_birth", format.date_of_birth);
    line("postcode", format.postcode);
    line("gender", format.gender);
    line("event_date", format.event_date);
    text += "[[extract.keep]]\n";
    line("column", format.code);
    line("type", "category");
    // What the data allow: there are no deaths, no dates of discharge, and codes of delivery go to anybody.
    if (s == static_cast<std::size_t>(Source::gp)) screen("registration", format.code, "9123.");
    if (s == static_cast<std::size_t>(Source::inpatient)) screen("birth", format.code, "Z380");
  }
  return text +
         "\n[reference]\nsuperseded = \"superseded.csv\"\npractices  = \"practices.csv\"\n"
         "\n[consent]\nobjections    = [\"optout.csv\"]\nafter_opt_out = \"keep-earlier\"\n";
}

}  // namespace ligature::synthetic
