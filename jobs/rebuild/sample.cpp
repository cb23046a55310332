#include "jobs/rebuild/sample.hpp"

#include <algorithm>
#include <limits>
#include <span>

#include "engine/linkage_key.hpp"
#include "engine/pair_kernel.hpp"
#include "engine/parallel.hpp"
#include "engine/pattern_tally.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

// A sampled identity on its way to every rank.
struct Sent {
  Identity identity;
  std::uint64_t rank = 0;
};

// In order of content, on every rank.
std::vector<Identity> of_all_ranks(const Communicator& comm, std::span<const Identity> sampled) {
  std::vector<Sent> copies;
  for (const Identity& identity : sampled) {
    for (int rank = 0; rank < comm.size(); ++rank) copies.push_back({identity, static_cast<std::uint64_t>(rank)});
  }
  const Received<Sent> received =
      shuffle(comm, std::move(copies), [](const Sent& copy) { return static_cast<int>(copy.rank); });
  std::vector<Identity> identities;
  for (const Sent& copy : received.items) identities.push_back(copy.identity);
  std::sort(identities.begin(), identities.end());
  return identities;
}

}  // namespace

NumberSample::NumberSample(std::uint64_t distinct_nhs) {
  // Linkage keys are uniform: so large a share of them is below this.
  const double share =
      static_cast<double>(kSampledNumbers) / static_cast<double>(std::max<std::uint64_t>(1, distinct_nhs));
  below_ = share >= 1 ? std::numeric_limits<std::uint64_t>::max() : static_cast<std::uint64_t>(share * 0x1p64);
}

bool NumberSample::has(std::uint64_t nhs) const noexcept {
  // Keyed again: the first key's top bits say which rank this is.
  return linkage_key(linkage_key(nhs)) <= below_;
}

void NumberSample::count_different_persons(const Communicator& comm, FileFrequencies& file) const {
  IdentityColumns columns;
  columns.assign(of_all_ranks(comm, sampled_));
  PerThread<PatternTally> counts;
  const auto ranks = static_cast<std::size_t>(comm.size()), rank = static_cast<std::size_t>(comm.rank());
  for_blocks(columns.size(), 64, [&](std::size_t begin, std::size_t end) {
    PatternTally& mine = counts.local();
    std::vector<Pattern> patterns((columns.size() + 31) / 16 * 16);
    for (std::size_t query = begin; query < end; ++query) {
      if (query % ranks != rank || query + 1 == columns.size()) continue;
      compare_one_to_many(columns, query, columns, query + 1, columns.size(), patterns.data());
      mine.add(patterns.data(), columns.size() - query - 1);
    }
  });
  counts.for_each([&](const PatternTally& mine) {
    const PatternCounts found = mine.counts();
    for (std::size_t pattern = 0; pattern < kPatterns; ++pattern) {
      const Levels levels = levels_of(static_cast<Pattern>(pattern));
      file.sampled_birth[static_cast<std::size_t>(levels.birth)] += found[pattern];
      file.sampled_postcode[static_cast<std::size_t>(levels.postcode)] += found[pattern];
    }
  });
  comm.sum(file.sampled_birth);
  comm.sum(file.sampled_postcode);
}

}  // namespace ligature
