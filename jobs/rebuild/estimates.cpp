#include "jobs/rebuild/estimates.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "engine/date.hpp"
#include "engine/parallel.hpp"
#include "engine/postcode.hpp"

namespace ligature {

namespace {

// Sums of probabilities are kept as whole millionths, so that they do not depend on the order of adding.
constexpr double kMillionths = 1e6;

constexpr std::size_t kDecades = 16;  // 1890s to 2030s; the last is unknown
constexpr int kFirstDecade = 1890;
constexpr std::size_t kGenders = 3;      // male, female, unknown
constexpr std::size_t kAreas = 27 * 27;  // two letters or one; 0 is unknown
constexpr std::size_t kDatasets = 32;

// Where the counters of each kind of group begin.
constexpr std::size_t kAll = 0, kRanks = 1, kByDecade = kRanks + kMatchRanks, kByGender = kByDecade + kDecades,
                      kByArea = kByGender + kGenders, kByDataset = kByArea + kAreas, kGroups = kByDataset + kDatasets;

// Three numbers a group.
struct Tally {
  enum Sum : std::size_t { rows, wrong, missed, sums };  // wrong and missed in millionths of rows
  std::vector<std::uint64_t> counts = std::vector<std::uint64_t>(kGroups * sums);
  void add(std::size_t group, std::uint64_t count, std::uint64_t wrong_share, std::uint64_t missed_share) noexcept {
    std::uint64_t* const of_group = counts.data() + group * sums;
    of_group[rows] += count;
    of_group[wrong] += count * wrong_share;
    of_group[missed] += count * missed_share;
  }
  [[nodiscard]] std::uint64_t of(std::size_t group, Sum sum) const { return counts[group * sums + sum]; }
};

// The decade of each day that somebody may be born on.
std::vector<std::uint8_t> decades_of_days() {
  std::vector<std::uint8_t> decades(std::size_t{std::numeric_limits<DayNumber>::max()} + 1, kDecades - 1);
  for (std::size_t day = kMissingDay + 1; day < decades.size(); ++day) {
    const int decade = (year_of(static_cast<DayNumber>(day)) - kFirstDecade) / 10;
    decades[day] = static_cast<std::uint8_t>(std::clamp(decade, 0, static_cast<int>(kDecades) - 2));
  }
  return decades;
}

std::size_t gender_of(const Identity& identity) noexcept {
  return identity.gender() == Gender::male ? 0 : identity.gender() == Gender::female ? 1 : 2;
}

// The letters of the postcode area as a number to base 27.
std::size_t area_of(const Identity& identity) noexcept {
  const std::uint64_t bytes = postcode_bytes(identity.postcode());
  std::size_t area = 0;
  for (const int position : {6, 5}) {
    const auto character = static_cast<unsigned>(bytes >> (8 * position) & 0xFF);
    if (character >= 'A' && character <= 'Z') area = area * 27 + (character - 'A' + 1);
  }
  return area;
}

std::string area_name(std::size_t area) {
  std::string name;
  if (area >= 27) name += static_cast<char>('A' + area / 27 - 1);
  name += static_cast<char>('A' + area % 27 - 1);
  return name;
}

}  // namespace

ExpectedErrors expected_errors(const Provenance& provenance, bool owns_number, const ModelParameters& model) noexcept {
  ExpectedErrors errors;
  switch (provenance.kind) {
    case LinkKind::same_number:
    case LinkKind::other_identifiers:
    case LinkKind::returned:
    case LinkKind::local_id:
      errors.wrong = 1 - posterior(provenance.weight);
      if (provenance.lead != kNoRival) errors.wrong = std::max(errors.wrong, 1 - posterior(provenance.lead));
      break;
    case LinkKind::moved:
      errors.wrong = 1 - posterior(provenance.weight -
                                   static_cast<Weight>(std::lround(std::log2(model.elsewhere) * kWeightPerBit)));
      if (provenance.lead != kNoRival) errors.wrong = std::max(errors.wrong, 1 - posterior(provenance.lead));
      break;
    case LinkKind::apart:
      errors.missed = posterior(provenance.weight);
      break;
    case LinkKind::alone:
    case LinkKind::one_time: {
      if (owns_number) break;
      const double one_record = model.birth.back().m * model.postcode.back().m;
      const double not_one = 1 - one_record;  // a person has about three other records
      const double not_found = provenance.kind == LinkKind::one_time ? 1 : not_one * not_one * not_one;
      const double present = (1 - model.unnumbered) * not_found;
      errors.missed = present / (present + model.unnumbered);
      break;
    }
  }
  return errors;
}

std::vector<EstimatedGroup> estimate_quality(const Communicator& comm, const Identities& identities,
                                             std::span<const Evidence> evidence, const Persons& persons,
                                             const ModelParameters& model, std::span<const std::string> datasets) {
  const std::vector<std::uint8_t> decades = decades_of_days();
  PerThread<Tally> tallies;
  for_blocks(identities.owned.size(), 1U << 14, [&](std::size_t begin, std::size_t end) {
    Tally& tally = tallies.local();
    for (std::size_t i = begin; i < end; ++i) {
      const CountedIdentity& counted = identities.owned[i];
      if (is_suppressed(counted)) continue;
      const Identity& identity = counted.identity;
      const bool disowned = evidence[i].has(Evidence::number_disowned) || evidence[i].has(Evidence::number_default);
      const Provenance& provenance = persons.provenance[i];
      const ExpectedErrors errors = expected_errors(provenance, identity.has_valid_nhs() && !disowned, model);
      const auto wrong = static_cast<std::uint64_t>(std::llround(errors.wrong * kMillionths));
      const auto missed = static_cast<std::uint64_t>(std::llround(errors.missed * kMillionths));
      tally.add(kAll, counted.rows, wrong, missed);
      tally.add(kRanks + static_cast<std::size_t>(provenance.rank), counted.rows, wrong, missed);
      tally.add(kByDecade + decades[identity.date_of_birth()], counted.rows, wrong, missed);
      tally.add(kByGender + gender_of(identity), counted.rows, wrong, missed);
      tally.add(kByArea + area_of(identity), counted.rows, wrong, missed);
      // An equal share to each dataset, what remains to the first.
      const auto sources = static_cast<std::uint64_t>(std::popcount(counted.datasets));
      std::uint64_t extra = sources == 0 ? 0 : counted.rows % sources;
      for (std::uint32_t bits = counted.datasets; bits != 0; bits &= bits - 1) {
        const auto dataset = static_cast<std::size_t>(std::countr_zero(bits));
        tally.add(kByDataset + dataset, counted.rows / sources + extra, wrong, missed);
        extra = 0;
      }
    }
  });
  Tally all;
  tallies.for_each([&](const Tally& tally) {
    for (std::size_t i = 0; i < all.counts.size(); ++i) all.counts[i] += tally.counts[i];
  });
  comm.sum(all.counts);

  std::vector<EstimatedGroup> groups;
  const auto list = [&](std::size_t group, const std::string& kind, const std::string& name) {
    const std::uint64_t rows = all.of(group, Tally::rows);
    if (rows == 0 && kind != "match_rank") return;
    groups.push_back({kind, name, rows, static_cast<double>(all.of(group, Tally::wrong)) / kMillionths,
                      static_cast<double>(all.of(group, Tally::missed)) / kMillionths});
  };
  list(kAll, "all", "all");
  for (std::size_t rank = 0; rank < kMatchRanks; ++rank) {
    list(kRanks + rank, "match_rank", std::string(match_rank_name(static_cast<MatchRank>(rank))));
  }
  for (std::size_t d = 0; d < kDecades; ++d) {
    const bool known = d + 1 < kDecades;
    list(kByDecade + d, "birth_decade",
         known ? std::to_string(kFirstDecade + 10 * static_cast<int>(d)) + "s" : "not known");
  }
  list(kByGender, "gender", "male");
  list(kByGender + 1, "gender", "female");
  list(kByGender + 2, "gender", "not known");
  for (std::size_t a = 1; a < kAreas; ++a) {
    if (a % 27 != 0) list(kByArea + a, "area", area_name(a));
  }
  list(kByArea, "area", "not known");
  for (std::size_t d = 0; d < datasets.size(); ++d) list(kByDataset + d, "dataset", datasets[d]);
  return groups;
}

}  // namespace ligature
