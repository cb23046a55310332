#include "jobs/rebuild/sample.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "engine/pair_kernel.hpp"
#include "engine/parallel.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

// A sampled identity on its way to every rank.
struct Sampled {
  Identity identity;
  std::uint64_t rank = 0;
};

struct LevelCounts {
  std::array<std::uint64_t, kBirthLevels> birth{};
  std::array<std::uint64_t, kPostcodeLevels> postcode{};
};

// One identity a sampled number, in order of content, on every rank.
std::vector<Identity> sample(const Communicator& comm, NumberGroups& groups, std::uint64_t distinct_nhs) {
  // Linkage keys are uniform: so large a share of them is below this.
  const double share =
      static_cast<double>(kSampledNumbers) / static_cast<double>(std::max<std::uint64_t>(1, distinct_nhs));
  const auto below =
      share >= 1 ? std::numeric_limits<std::uint64_t>::max() : static_cast<std::uint64_t>(share * 0x1p64);
  std::vector<Sampled> copies;
  groups.visit([&](const NumberRound& round) {
    for (const Range& group : round.groups) {
      const auto members = round.members(group);
      if (members.empty() || !members.front().counted.identity.has_valid_nhs()) continue;
      // Keyed again: the first key's top bits say which rank this is.
      if (linkage_key(members.front().key) > below) continue;
      for (int rank = 0; rank < comm.size(); ++rank) {
        copies.push_back({members.front().counted.identity, static_cast<std::uint64_t>(rank)});
      }
    }
  });
  const Received<Sampled> received =
      shuffle(comm, std::move(copies), [](const Sampled& copy) { return static_cast<int>(copy.rank); });
  std::vector<Identity> identities;
  for (const Sampled& copy : received.items) identities.push_back(copy.identity);
  std::sort(identities.begin(), identities.end());
  return identities;
}

}  // namespace

void sample_different_persons(const Communicator& comm, NumberGroups& groups, FileFrequencies& file) {
  IdentityColumns columns;
  columns.assign(sample(comm, groups, file.distinct_nhs));
  PerThread<LevelCounts> counts;
  const auto ranks = static_cast<std::size_t>(comm.size()), rank = static_cast<std::size_t>(comm.rank());
  for_blocks(columns.size(), 64, [&](std::size_t begin, std::size_t end) {
    LevelCounts& mine = counts.local();
    std::vector<Pattern> patterns((columns.size() + 31) / 16 * 16);
    for (std::size_t query = begin; query < end; ++query) {
      if (query % ranks != rank || query + 1 == columns.size()) continue;
      compare_one_to_many(columns, query, columns, query + 1, columns.size(), patterns.data());
      for (std::size_t i = 0; i + query + 1 < columns.size(); ++i) {
        const Levels levels = levels_of(patterns[i]);
        ++mine.birth[static_cast<std::size_t>(levels.birth)];
        ++mine.postcode[static_cast<std::size_t>(levels.postcode)];
      }
    }
  });
  counts.for_each([&](const LevelCounts& mine) {
    for (std::size_t l = 0; l < kBirthLevels; ++l) file.sampled_birth[l] += mine.birth[l];
    for (std::size_t l = 0; l < kPostcodeLevels; ++l) file.sampled_postcode[l] += mine.postcode[l];
  });
  comm.sum(file.sampled_birth);
  comm.sum(file.sampled_postcode);
}

}  // namespace ligature
