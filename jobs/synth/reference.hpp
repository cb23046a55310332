// The files that go with the artificial extracts: objections, replaced numbers, the register of practices, the job
// file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "jobs/synth/population.hpp"

namespace ligature::synthetic {

inline constexpr std::string_view kOptOutHeader = "nhs_number,kind,date\n";
inline constexpr std::string_view kObjectorsHeader = "person_id,kind,from,until\n";
inline constexpr std::string_view kSupersededHeader = "old_nhs_number,new_nhs_number\n";
inline constexpr std::string_view kPracticesHeader = "practice_code\n";

// What a person adds to the reference files.
struct ReferenceText {
  std::string& optout;      // objections and their withdrawals, by number
  std::string& objectors;   // the truth about them, by person
  std::string& superseded;  // the number that the person's number replaced
};
// id: of the person.  random: of the person, Subject::person.
void append_reference_rows(const Population& population, const SynthRates& rates, const Person& person,
                           std::uint64_t id, const Random& random, const ReferenceText& text);

// Whether the person has ever made a type 1 objection.
bool is_type1_objector(const SynthRates& rates, const Random& random) noexcept;

// The practices of neighbourhood n: an even one writes those of its pair.
void append_practices(std::uint64_t n, std::string& practices);

// The job file that links the extracts beside it.
std::string job_file_text(const SynthArguments& arguments);

}  // namespace ligature::synthetic
