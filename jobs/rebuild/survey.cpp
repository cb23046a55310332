// The survey goes over NHS numbers for dates of birth and agreement among records, then over postcodes for how many
// people share them (jobs/rebuild/residents.cpp).
#include "jobs/rebuild/survey.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <utility>

#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "jobs/rebuild/residents.hpp"
#include "jobs/rebuild/sample.hpp"

namespace ligature {

namespace {

// Numbers with more identities than this say nothing about how one person's records agree.
constexpr std::size_t kMostIdentities = 32;
constexpr std::size_t kIdentitiesPerTask = std::size_t{1} << 14;

// A date of birth is a default if the odds that a person recorded under it is recorded under another date as well are
// this many times those of all dates, beyond what chance explains, and it was so for this many people.
constexpr double kDefaultOdds = 5;
constexpr double kDeviations = 3;
constexpr std::uint64_t kFewestConflicts = 20;

std::uint64_t pairs_of(std::uint64_t items) noexcept {
  return items == 0 ? 0 : items * (items - 1) / 2;
}

// Dates of birth over persons; a person is a different valid NHS number here, or an identity without one.
struct BirthCounts {
  std::vector<std::uint64_t> numbers = std::vector<std::uint64_t>(kDays);    // NHS numbers recorded under the date
  std::vector<std::uint64_t> repeated = std::vector<std::uint64_t>(kDays);   // ... that several records speak of
  std::vector<std::uint64_t> conflicts = std::vector<std::uint64_t>(kDays);  // ... and not all under this date
  std::uint64_t distinct_nhs = 0, near_pairs_other_birth = 0;
  std::uint64_t thin = 0;  // identities whose number nothing else in the file has
  OneProviderCounts providers;
};

bool is_of_valid_number(const NumberGroup& group) noexcept {
  return !group.members.empty() && group.members.front().counted.identity.has_valid_nhs();
}

// The one that its key puts first: content would choose the earliest date of birth of each person.
const Identity& any_of(std::span<const NumberItem> members) {
  const auto key_of = [](const NumberItem& item) {
    return std::pair(shard_of(linkage_key(item.counted.identity)), item.id);
  };
  return std::min_element(members.begin(), members.end(),
                          [&](const NumberItem& a, const NumberItem& b) { return key_of(a) < key_of(b); })
      ->counted.identity;
}

// Visitors may mean this number: one pair each, with the member that is the most like them in date of birth.
void count_visitors(std::span<const NumberItem> members, std::span<const NumberItem> visitors, BirthCounts& counts) {
  for (const NumberItem& visitor : visitors) {
    const std::uint32_t birth = birth_digits_bcd(visitor.counted.identity.date_of_birth());
    BirthLevel best = BirthLevel::missing;
    for (std::size_t m = 0; m < std::min(members.size(), kMostIdentities); ++m) {
      best = std::max(best, compare_birth(birth, birth_digits_bcd(members[m].counted.identity.date_of_birth())));
    }
    if (best == BirthLevel::other) ++counts.near_pairs_other_birth;
  }
}

void count_births(std::span<const NumberItem> members, std::vector<DayNumber>& births, BirthCounts& counts) {
  births.clear();
  int records = 0;
  for (const NumberItem& member : members) {
    const DayNumber birth = member.counted.identity.date_of_birth();
    if (birth == kMissingDay) continue;
    births.push_back(birth);
    records += std::popcount(member.counted.datasets);
  }
  std::sort(births.begin(), births.end());
  births.erase(std::unique(births.begin(), births.end()), births.end());
  ++counts.distinct_nhs;
  for (const DayNumber birth : births) {
    ++counts.numbers[birth];
    if (records < 2) continue;
    ++counts.repeated[birth];
    if (births.size() > 1) ++counts.conflicts[birth];
  }
}

// The providers that a number's rows come from, by dataset.
void count_providers(std::span<const NumberItem> members, OneProviderCounts& counts) {
  if (members.size() > kMostIdentities) return;
  const auto tells = [](const NumberItem& member) {
    return member.counted.providers != 0 && std::has_single_bit(member.counted.datasets);
  };
  std::uint32_t done = 0;  // datasets
  for (std::size_t m = 0; m < members.size(); ++m) {
    const std::uint32_t dataset = members[m].counted.datasets;
    if (!tells(members[m]) || (done & dataset) != 0) continue;
    done |= dataset;
    std::uint64_t rows = 0;
    ProviderSet providers = 0;
    for (const NumberItem& member : members.subspan(m)) {
      if (member.counted.datasets != dataset || !tells(member)) continue;
      rows += member.counted.rows;
      providers |= member.counted.providers;
    }
    if (rows < 2) continue;
    const auto d = static_cast<std::size_t>(std::countr_zero(dataset));
    ++counts.numbers[d];
    counts.several[d] += !std::has_single_bit(providers);
  }
}

std::vector<DayNumber> find_default_births(const BirthCounts& counts) {
  double repeated = 0, conflicts = 0;
  for (std::size_t day = 0; day < kDays; ++day) {
    repeated += static_cast<double>(counts.repeated[day]);
    conflicts += static_cast<double>(counts.conflicts[day]);
  }
  std::vector<DayNumber> found;
  if (conflicts == 0 || conflicts >= repeated) return found;
  const double odds = kDefaultOdds * conflicts / (repeated - conflicts);
  const double most = odds / (1 + odds);  // the share of conflicts that is still taken for a date of birth
  for (std::size_t day = 1; day < kDays; ++day) {
    const double n = static_cast<double>(counts.repeated[day]);
    const double expected = n * most, deviation = std::sqrt(n * most * (1 - most));
    const bool often = counts.conflicts[day] >= kFewestConflicts;
    if (often && static_cast<double>(counts.conflicts[day]) > expected + kDeviations * deviation) {
      found.push_back(static_cast<DayNumber>(day));
    }
  }
  return found;
}

// Identities with fields, but those that only barred rows have.
struct IdentityCounts {
  std::uint64_t all = 0, male = 0, female = 0;
  std::uint64_t unnumbered = 0, invalid = 0;  // without a valid number, and with one that is not valid
  std::vector<std::uint64_t> unnumbered_of_birth = std::vector<std::uint64_t>(kDays);
};

void count_identities(std::span<const CountedIdentity> identities, IdentityCounts& counts) {
  for (const CountedIdentity& counted : identities) {
    const Identity& identity = counted.identity;
    if (identity.nhs_status() == NhsStatus::one_time || is_suppressed(counted)) continue;
    ++counts.all;
    counts.male += identity.gender() == Gender::male;
    counts.female += identity.gender() == Gender::female;
    if (identity.has_valid_nhs()) continue;
    ++counts.unnumbered_of_birth[identity.date_of_birth()];
    ++counts.unnumbered;
    counts.invalid += identity.nhs_status() == NhsStatus::invalid;
  }
}

struct RecordCounts {
  PatternCounts patterns{};
  SameProviderCounts same_provider;
};

// Pairs of records: an identity seen in several sources is as many records that agree.
void count_records(std::span<const NumberItem> members, const Survey& survey,
                   const std::vector<std::uint8_t>& is_default, std::vector<Identity>& identities,
                   RecordCounts& counts) {
  if (members.size() > kMostIdentities) return;
  identities.clear();
  for (const NumberItem& member : members) {
    Evidence evidence;
    if (is_default[member.counted.identity.date_of_birth()] != 0) evidence.flags = Evidence::birth_default;
    identities.push_back(weighed(member.counted.identity, evidence));
  }
  const auto records = [&](std::size_t i) { return survey.records_of(members[i].counted); };
  // Its date of birth is on two rows or more.
  const auto is_on_several = [&](std::size_t i) {
    std::uint64_t rows = 0;
    for (std::size_t j = 0; j < members.size(); ++j) {
      if (identities[j].date_of_birth() == identities[i].date_of_birth()) rows += members[j].counted.rows;
    }
    return rows > 1;
  };
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (const std::uint64_t alike = pairs_of(records(i)); alike != 0) {
      counts.patterns[compare(identities[i], identities[i])] += alike;
    }
    for (std::size_t j = i + 1; j < members.size(); ++j) {
      const Pattern pattern = compare(identities[i], identities[j]);
      const std::uint64_t pairs = records(i) * records(j);
      counts.patterns[pattern] += pairs;
      if (identities[i].date_of_birth() == identities[j].date_of_birth()) continue;
      counts.same_provider.add(pattern, members[i].counted.providers, members[j].counted.providers,
                               is_on_several(i) && is_on_several(j), pairs);
    }
  }
}

}  // namespace

bool is_one_dataset(const Communicator& comm, const Identities& identities) {
  std::atomic<std::uint32_t> datasets = 0;
  for_blocks(identities.owned.size(), kIdentitiesPerTask, [&](std::size_t begin, std::size_t end) {
    std::uint32_t here = 0;
    for (std::size_t i = begin; i < end; ++i) here |= identities.owned[i].datasets;
    datasets |= here;
  });
  std::array<std::uint64_t, 32> seen{};
  for (std::size_t d = 0; d < seen.size(); ++d) seen[d] = datasets >> d & 1U;
  comm.sum(seen);
  return std::count_if(seen.begin(), seen.end(), [](std::uint64_t count) { return count > 0; }) <= 1;
}

std::uint64_t records_of(const CountedIdentity& counted, bool one_dataset) noexcept {
  if (is_suppressed(counted)) return 0;
  return one_dataset ? std::min(counted.rows, 2U) : static_cast<std::uint64_t>(std::popcount(counted.datasets));
}

std::uint64_t Survey::records_of(const CountedIdentity& counted) const noexcept {
  return ligature::records_of(counted, one_dataset);
}

void Survey::trust_thin_numbers() {
  constexpr auto kOthers = static_cast<std::uint8_t>(~unsigned{Evidence::number_thin});
  for_blocks(evidence.size(), kIdentitiesPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) evidence[i].flags &= kOthers;
  });
}

Survey survey_file(const Communicator& comm, const Identities& identities, NumberGroups& groups,
                   const ModelSettings& settings) {
  Survey survey;
  FileFrequencies& file = survey.file;

  survey.evidence.resize(identities.owned.size());
  PerThread<BirthCounts> birth_counts;
  groups.visit([&](NumberGroupReader& reader) {
    BirthCounts& mine = birth_counts.local();
    std::vector<DayNumber> days;
    for (NumberGroup group; reader.next(group);) {
      if (!is_of_valid_number(group)) continue;
      const auto members = group.members;
      count_births(members, days, mine);
      count_providers(members, mine.providers);
      if (members.size() == 1 && std::popcount(members.front().counted.datasets) == 1) {
        survey.evidence[members.front().id - identities.first_id].flags = Evidence::number_thin;
        ++mine.thin;
      }
      count_visitors(members, group.visitors, mine);
    }
  });
  BirthCounts births;
  birth_counts.for_each([&](const BirthCounts& mine) {
    for (std::size_t day = 0; day < kDays; ++day) {
      births.numbers[day] += mine.numbers[day];
      births.repeated[day] += mine.repeated[day];
      births.conflicts[day] += mine.conflicts[day];
    }
    births.distinct_nhs += mine.distinct_nhs;
    births.thin += mine.thin;
    births.near_pairs_other_birth += mine.near_pairs_other_birth;
    for (std::size_t d = 0; d < kMostDatasets; ++d) {
      survey.providers.numbers[d] += mine.providers.numbers[d];
      survey.providers.several[d] += mine.providers.several[d];
    }
  });
  comm.sum(births.numbers);
  comm.sum(births.repeated);
  comm.sum(births.conflicts);
  comm.sum(survey.providers.numbers);
  comm.sum(survey.providers.several);
  std::vector<std::uint8_t> is_default(kDays, 0);
  const std::vector<DayNumber> defaults =
      settings.default_values ? find_default_births(births) : std::vector<DayNumber>{};
  for (const DayNumber day : defaults) {
    is_default[day] = 1;
    ++survey.default_births;
  }

  file.distinct_nhs = comm.sum(births.distinct_nhs);
  NumberSample sample(file.distinct_nhs);
  survey.one_dataset = is_one_dataset(comm, identities);
  PerThread<RecordCounts> record_counts;
  PerThread<std::vector<Identity>> sampled;
  groups.visit([&](NumberGroupReader& reader) {
    RecordCounts& mine = record_counts.local();
    std::vector<Identity>& mine_sampled = sampled.local();
    std::vector<Identity> weighed_members;
    for (NumberGroup group; reader.next(group);) {
      if (!is_of_valid_number(group)) continue;
      if (sample.has(group.members.front().counted.identity.nhs())) mine_sampled.push_back(any_of(group.members));
      count_records(group.members, survey, is_default, weighed_members, mine);
    }
  });
  sampled.for_each([&](const std::vector<Identity>& mine) { sample.add(mine); });
  record_counts.for_each([&](const RecordCounts& mine) {
    for (std::size_t p = 0; p < kPatterns; ++p) {
      survey.same_number[p] += mine.patterns[p];
      survey.same_provider.other_shared[p] += mine.same_provider.other_shared[p];
      survey.same_provider.other_apart[p] += mine.same_provider.other_apart[p];
    }
    for (std::size_t persons = 0; persons < 2; ++persons) {
      survey.same_provider.all[persons] += mine.same_provider.all[persons];
      survey.same_provider.several[persons] += mine.same_provider.several[persons];
      survey.same_provider.pairs[persons] += mine.same_provider.pairs[persons];
      survey.same_provider.shared[persons] += mine.same_provider.shared[persons];
    }
  });
  comm.sum(survey.same_number);
  comm.sum(survey.same_provider.all);
  comm.sum(survey.same_provider.several);
  comm.sum(survey.same_provider.pairs);
  comm.sum(survey.same_provider.shared);
  comm.sum(survey.same_provider.other_shared);
  comm.sum(survey.same_provider.other_apart);

  // Identities without a number count as persons too, where values are counted.
  std::vector<std::uint64_t> persons_of_birth(kDays, 0);
  std::array<std::uint64_t, 6> sums{0, 0, 0, births.near_pairs_other_birth, 0, 0};
  PerThread<IdentityCounts> identity_counts;
  for_blocks(identities.owned.size(), kIdentitiesPerTask, [&](std::size_t begin, std::size_t end) {
    count_identities(std::span(identities.owned).subspan(begin, end - begin), identity_counts.local());
  });
  identity_counts.for_each([&](const IdentityCounts& mine) {
    sums[0] += mine.all;
    sums[1] += mine.male;
    sums[2] += mine.female;
    sums[4] += mine.unnumbered;
    sums[5] += mine.invalid;
    for (std::size_t day = 0; day < kDays; ++day) persons_of_birth[day] += mine.unnumbered_of_birth[day];
  });
  comm.sum(sums);
  file.identities = sums[0];
  file.male = sums[1];
  file.female = sums[2];
  file.near_pairs_other_birth = sums[3];
  file.unnumbered = sums[4];
  file.invalid_numbers = sums[5];
  comm.sum(persons_of_birth);
  std::uint64_t numbers = 0, persons = 0;
  for (std::size_t day = 1; day < kDays; ++day) {
    if (is_default[day] != 0) continue;
    file.different_pairs_same_birth += pairs_of(births.numbers[day]);
    numbers += births.numbers[day];
    persons_of_birth[day] += births.numbers[day];
    persons += persons_of_birth[day];
  }
  file.different_pairs_both_births = pairs_of(numbers);

  sample.count_different_persons(comm, file);
  file.thin_numbers = comm.sum(births.thin);
  survey.twins = survey_residents(comm, identities, is_default, file, survey.evidence);
  if (!settings.twins) survey.twins.clear();

  const double average = documented_model(file).birth.back().u;
  survey.births.resize(kDays);
  for (std::size_t day = 1; day < kDays; ++day) {
    survey.births[day].birth = rarity_among(persons_of_birth[day], persons, average);
    if (is_default[day] != 0) survey.births[day].flags = Evidence::birth_default;
  }
  for_blocks(identities.owned.size(), kIdentitiesPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const Evidence& birth = survey.of_birth(identities.owned[i].identity.date_of_birth());
      survey.evidence[i].birth = birth.birth;
      survey.evidence[i].flags |= birth.flags;
      if (is_suppressed(identities.owned[i])) survey.evidence[i].flags |= Evidence::suppressed;
    }
  });
  if (!settings.term_frequency) {
    for (std::vector<Evidence>* all : {&survey.births, &survey.evidence}) {
      for (Evidence& each : *all) each.birth = each.postcode = kAverageRarity;
    }
  }
  return survey;
}

}  // namespace ligature
