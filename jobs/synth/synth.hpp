// synth: artificial extracts of a national health service, with realistic errors, and the truth about them.
//
// Artificial HES data carry no identifiers, and real ones may not be shown: a linker needs a generator of its own that
// knows who is who.  Every choice is a pure function of the seed and of what it is about (a household, a person, a
// row), so the bytes do not depend on ranks or threads.  docs/synthetic-data.md has every rate with its source.
#pragma once

#include <cstdint>
#include <filesystem>

namespace CLI {
class App;
}

namespace ligature {

class Communicator;

// Shares from 0 to 1.  Those from nhs_missing_gp down are errors, which SynthArguments::error_scale multiplies.
struct SynthRates {
  // People
  double twins = 0.0158;              // of maternities at the 2013 level; earlier years follow the national course
  double communal = 0.015;            // people who live in care homes, halls of residence and prisons
  double january = 0.004;             // adults to whom 1 January was given as their birthday
  double no_fixed_abode = 0.002;      // people whose postcode is ZZ99 3VZ everywhere
  double optout_type1 = 0.02;         // people with a type 1 objection
  double optout_type2 = 0.013;        // people with a type 2 objection
  double optout_national = 0.005;     // people with a national data opt-out (from 2018)
  double optout_withdrawn = 0.1;      // objections that are withdrawn later
  double objector_disguised = 0;      // of rows of people with a type 1 objection: without their number, or misspelt
  double postcode_moved = 0.31;       // people whose address differs between two systems
  double superseded = 0.002;          // people whose NHS number was replaced; at most 0.125
  double superseded_unlisted = 0.05;  // of these, left out of superseded.csv on purpose (adoption and the like)
  // NHS number: of rows
  double nhs_missing_gp = 0.001;
  double nhs_missing_inpatient = 0.015;
  double nhs_missing_outpatient = 0.015;
  double nhs_missing_ae = 0.07;
  double newborn_unnumbered = 0.1;   // of hospital rows within 28 days of birth
  double nhs_superseded = 0.5;       // of hospital registrations of people whose number was replaced: the old one
  double nhs_mistyped = 0.001;       // one digit, or two neighbours swapped
  double nhs_other_person = 0.0005;  // a valid number that belongs to somebody else
  double nhs_filler = 0.0005;        // 0000000000, 9999999999, 1234567890
  // Date of birth and gender: of registrations (one person in one system; all its rows repeat it)
  double birth_wrong = 0.0049;
  double birth_placeholder = 0.0005;  // 1900-01-01, 1800-01-01, or 1 January of the right year
  double birth_missing = 0.0005;
  double gender_wrong = 0.0033;
  double gender_missing = 0.005;
  // Postcode: of rows
  double postcode_mistyped = 0.003;
  double postcode_missing = 0.003;
  double postcode_pseudo = 0.0018;  // ZZ99 3WZ and other pseudo postcodes
  double postcode_spelling = 0.02;  // lower case, no space, two spaces, O for 0
  // The provider's own patient number: of rows
  double local_id_missing = 0.02;
  double local_id_wrong = 0.0005;  // another patient's of the same provider
  // Rows
  double resubmitted = 0.005;  // sent again, identical but for the record id
  double malformed = 0;        // a column short or over
};

struct SynthArguments {
  std::uint64_t people = 1'000'000;  // at most kSynthMaxPeople
  std::uint64_t seed = 1;
  std::filesystem::path out;  // folder; created if need be
  int threads = 0;            // a rank; 0: the CPUs that the rank may use
  double error_scale = 1;     // multiplies the error rates; the products stop at 1
  bool people_file = false;   // also people.csv: what is true of each person
  // Mean rows a person.
  double gp_rows = 2.0, inpatient_rows = 0.4, outpatient_rows = 2.2, ae_rows = 0.4;
  SynthRates rates;
};

// England and Wales issue NHS numbers with three of ten leading digits; eight people share the first eight digits.
inline constexpr std::uint64_t kSynthMaxPeople = 240'000'000;

// Adds the options of synth to its subcommand.  In options.cpp, the only file of synth that sees CLI11.
void add_synth_options(CLI::App& app, SynthArguments& arguments);

// Collective.  Writes the extracts, truth.csv, the reference files, job.toml and ligature.key under arguments.out.
// Throws UsageError for arguments out of range.
int synth(const Communicator& comm, const SynthArguments& arguments);

}  // namespace ligature
