// The options of synth.  One row of a table is one rate: its name, its default (in SynthRates) and what it means.
#include <array>
#include <string>

#include <CLI/CLI.hpp>

#include "io/quantity.hpp"
#include "jobs/synth/synth.hpp"

namespace ligature {
namespace {

struct RateOption {
  const char* name;
  double SynthRates::*rate;
  const char* meaning;
};

constexpr std::array<RateOption, 12> kPeopleRates = {{
    {"twins", &SynthRates::twins, "twin maternities, at the level of 2013"},
    {"communal", &SynthRates::communal, "people in care homes, halls of residence and prisons"},
    {"january", &SynthRates::january, "adults registered as born on 1 January"},
    {"no-fixed-abode", &SynthRates::no_fixed_abode, "adults whose postcode is ZZ99 3VZ everywhere"},
    {"optout-type1", &SynthRates::optout_type1, "people with a type 1 objection"},
    {"optout-type2", &SynthRates::optout_type2, "people with a type 2 objection"},
    {"optout-national", &SynthRates::optout_national, "people with a national data opt-out"},
    {"optout-withdrawn", &SynthRates::optout_withdrawn, "objections that are withdrawn later"},
    {"objector-disguised", &SynthRates::objector_disguised,
     "rows of type 1 objectors without their number, or misspelt"},
    {"postcode-moved", &SynthRates::postcode_moved, "people whose practice and trust hold different addresses"},
    {"superseded", &SynthRates::superseded, "people whose NHS number was replaced (at most 0.125)"},
    {"superseded-unlisted", &SynthRates::superseded_unlisted, "replaced numbers left out of superseded.csv"},
}};

constexpr std::array<RateOption, 22> kErrorRates = {{
    {"nhs-missing-gp", &SynthRates::nhs_missing_gp, "GP rows without an NHS number"},
    {"nhs-missing-inpatient", &SynthRates::nhs_missing_inpatient, "inpatient rows without one"},
    {"nhs-missing-outpatient", &SynthRates::nhs_missing_outpatient, "outpatient rows without one"},
    {"nhs-missing-ae", &SynthRates::nhs_missing_ae, "A&E rows without one"},
    {"newborn-unnumbered", &SynthRates::newborn_unnumbered, "hospital rows in the first 28 days of life without one"},
    {"nhs-superseded", &SynthRates::nhs_superseded, "hospital registrations that keep a replaced number"},
    {"nhs-mistyped", &SynthRates::nhs_mistyped, "rows with one digit wrong or two swapped"},
    {"nhs-other-person", &SynthRates::nhs_other_person, "rows with somebody else's number, half of the household"},
    {"nhs-filler", &SynthRates::nhs_filler, "rows with 0000000000, 9999999999 or 1234567890"},
    {"birth-wrong", &SynthRates::birth_wrong, "registrations with a wrong date of birth"},
    {"birth-placeholder", &SynthRates::birth_placeholder, "registrations with 1900-01-01 and the like"},
    {"birth-missing", &SynthRates::birth_missing, "registrations without a date of birth"},
    {"gender-wrong", &SynthRates::gender_wrong, "registrations with the other gender"},
    {"gender-missing", &SynthRates::gender_missing, "registrations without a gender"},
    {"postcode-mistyped", &SynthRates::postcode_mistyped, "rows with one character of the postcode wrong"},
    {"postcode-missing", &SynthRates::postcode_missing, "rows without a postcode"},
    {"postcode-pseudo", &SynthRates::postcode_pseudo, "rows with a ZZ99 postcode for unknown or abroad"},
    {"postcode-spelling", &SynthRates::postcode_spelling, "rows with an odd spelling of the postcode"},
    {"local-id-missing", &SynthRates::local_id_missing, "rows without the provider's own patient number"},
    {"local-id-wrong", &SynthRates::local_id_wrong, "rows with another patient's of the same provider"},
    {"resubmitted", &SynthRates::resubmitted, "rows sent again under another record id"},
    {"malformed", &SynthRates::malformed, "rows a column short or over"},
}};

template <std::size_t count>
void add_rates(CLI::App& app, const std::string& group, const std::array<RateOption, count>& options,
               SynthRates& rates) {
  for (const RateOption& option : options) {
    app.add_option(std::string("--rate-") + option.name, rates.*option.rate, option.meaning)
        ->check(CLI::Range(0.0, 1.0))
        ->type_name("SHARE")
        ->capture_default_str()
        ->group(group);
  }
}

}  // namespace

void add_synth_options(CLI::App& app, SynthArguments& arguments) {
  app.add_option_function<std::string>(
         "--people",
         [&arguments](const std::string& text) {
           const auto people = parse_count(text);
           if (!people) throw CLI::ValidationError("--people", "a count is needed, such as 20000, 50k or 1M");
           arguments.people = *people;
         },
         "How many people, such as 20000, 50k or 1M (default 1M)")
      ->type_name("COUNT");
  app.add_option("--seed", arguments.seed, "The same seed gives the same bytes")->capture_default_str();
  app.add_option("--out", arguments.out, "Folder to write to; made if need be")->required()->type_name("DIR");
  app.add_option("--threads", arguments.threads, "Threads a rank; 0: the CPUs that the rank may use")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--error-scale", arguments.error_scale, "Multiplies all rates of the group Errors")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_flag("--people-file", arguments.people_file,
               "Also writes people.csv: each person's household, date of birth, gender and home");
  const auto rows = [&](const char* name, double& mean, const char* meaning) {
    app.add_option(name, mean, meaning)->check(CLI::Range(0.0, 100.0))->type_name("MEAN")->capture_default_str();
  };
  rows("--gp-rows", arguments.gp_rows, "GP rows a person, the registration included");
  rows("--inpatient-rows", arguments.inpatient_rows, "Inpatient rows a person; births come on top");
  rows("--outpatient-rows", arguments.outpatient_rows, "Outpatient rows a person");
  rows("--ae-rows", arguments.ae_rows, "A&E rows a person");
  add_rates(app, "People", kPeopleRates, arguments.rates);
  add_rates(app, "Errors", kErrorRates, arguments.rates);
}

}  // namespace ligature
