#include "jobs/rebuild/several_patients.hpp"

#include <array>

#include "jobs/rebuild/patient_numbers.hpp"
#include "jobs/rebuild/person_draft.hpp"

namespace ligature {

namespace {

// One in so many of the identities with an NHS number is looked at.
constexpr std::uint64_t kSampled = 16;

// True if of the identities without a number that are under several patient numbers more are several people than one.
bool are_several_people(double of_one, const PatientCounts& unnumbered) noexcept {
  return of_one < 1 && unnumbered.numbers > 0 &&
         static_cast<double>(unnumbered.numbers) >= 2 * of_one * static_cast<double>(unnumbered.rows);
}

}  // namespace

double flag_several_patients(const Communicator& comm, RowStore& rows, const Identities& identities,
                             std::vector<Evidence>& evidence) {
  const auto has_number = [&](std::uint64_t index) {
    return counted_as(identities.owned[index].identity, evidence[index]).valid_nhs() != 0;
  };
  std::vector<ReplyTo<IdentityId>> asked;
  for (std::uint64_t index = 0; index < identities.owned.size(); ++index) {
    const IdentityId id = identities.first_id + index;
    const CountedIdentity& counted = identities.owned[index];
    if (counted.rows < 2 || is_suppressed(counted) || (has_number(index) && id % kSampled != 0)) continue;
    asked.push_back({index, id});
  }
  const std::vector<PatientNumber> numbers = patient_numbers(comm, rows, identities, asked);
  std::array<PatientCounts, 2> counts;  // without an NHS number, with one
  std::vector<std::uint64_t> several;   // owned identities without a number
  for (std::size_t begin = 0, end = 0; begin < numbers.size(); begin = end) {
    // Those of one identity and provider.
    PatientCounts here;
    for (; end < numbers.size() && numbers[end].id == numbers[begin].id &&
           same_provider(numbers[end].key, numbers[begin].key);
         ++end) {
      here.rows += numbers[end].rows;
      here.numbers += numbers[end].rows > 0;
    }
    if (here.numbers == 0) continue;
    const std::uint64_t index = numbers[begin].id - identities.first_id;
    PatientCounts& of = counts[has_number(index)];
    of.rows += here.rows - 1;
    of.numbers += here.numbers - 1;
    if (here.numbers > 1 && !has_number(index)) several.push_back(index);
  }
  std::array<std::uint64_t, 4> sums{counts[0].rows, counts[0].numbers, counts[1].rows, counts[1].numbers};
  comm.sum(sums);
  const double of_one = several_patient_numbers({sums[2], sums[3]});
  if (are_several_people(of_one, {sums[0], sums[1]})) {
    for (const std::uint64_t index : several) evidence[index].flags |= Evidence::several_patients;
  }
  return of_one;
}

}  // namespace ligature
