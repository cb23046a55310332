// The files that go with the artificial extracts: objections, replaced numbers, the register of practices, the job
// file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "jobs/synth/population.hpp"

namespace ligature::synthetic {

inline constexpr std::string_view kOptOutHeader = "nhs_number,kind,date\n";
inline constexpr std::string_view kSupersededHeader = "old_nhs_number,new_nhs_number\n";
inline constexpr std::string_view kPracticesHeader = "practice_code\n";

// A person's objections and their withdrawals, and the number that the person's number replaced.
// random: of the person, Subject::person.
void append_reference_rows(const Population& population, const SynthRates& rates, const Person& person,
                           const Random& random, std::string& optout, std::string& superseded);

// The practices of neighbourhood n: an even one writes those of its pair.
void append_practices(std::uint64_t n, std::string& practices);

// The job file that links the extracts beside it.
std::string job_file_text(const SynthArguments& arguments);

}  // namespace ligature::synthetic
