#include "jobs/reckoning.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/linkage_key.hpp"
#include "engine/richness.hpp"
#include "io/share_reader.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

// Small, so that there are many: where few are read, by chance many or hardly any of them are of the same people.
constexpr std::uint64_t kBlockBytes = std::uint64_t{512} << 10;
constexpr std::size_t kMostBlocks = 64;  // what stands in more of the sample's is hardly missed in any sample
constexpr std::uint64_t kRowId = 6;      // bytes, packed: one is like the next

// Plain and compressed bytes of a dataset are not worth the same: each kind is scaled by itself.
constexpr std::size_t kKinds = 2;
// Of a compressed file only the beginning can be read without the rest.  It is taken to unfold to so many times its
// size, so that it is sampled like plain ones; but no more than so much of one file is unfolded.
constexpr std::uint64_t kUnfolds = 4, kMostUnfolded = std::uint64_t{64} << 20;
// Of what is unfolded so many rows are a block, and so many bytes are read at a time: what was read of the file is
// known to half of that.
constexpr std::size_t kBlockRows = 4096, kPieceBytes = std::size_t{16} << 10;

// What the sample says about one dataset's files of one kind.
struct KindSample {
  std::uint64_t bytes = 0, rows = 0, kept = 0;
};

std::size_t kind_of(const InputFile& file) noexcept {
  return file.dataset * kKinds + (file.compression == Compression::none ? 0 : 1);
}

// A plain file's bytes, or a compressed file's as they are once unfolded, from its beginning.
using SamplePart = Segment;

// Blocks of about kSampleBytes in all: one of every so many that follow each other in the concatenation of files, but
// not always the same one, since files of one order put the same people at the same distance.  Of a compressed file its
// first blocks stand for those chosen.  Of every dataset there is one.
std::vector<SamplePart> choose_sample(const Inputs& inputs) {
  const auto size_of = [](const InputFile& file) {
    return file.compression == Compression::none ? file.bytes : kUnfolds * file.bytes;
  };
  std::uint64_t total = 0;
  for (const InputFile& file : inputs.files) total += size_of(file);
  const std::uint64_t stride = std::max<std::uint64_t>(1, total / kSampleBytes);
  std::vector<SamplePart> sample;
  std::uint64_t block = 0;  // counted over all files
  const auto chosen = [&] { return block % stride == linkage_key(block / stride) % stride; };
  std::vector<char> has_one(inputs.datasets.size() * kKinds, 0);
  for (std::uint32_t f = 0; f < inputs.files.size(); ++f) {
    const InputFile& file = inputs.files[f];
    std::uint64_t unfolded = 0;
    for (std::uint64_t begin = 0; begin < size_of(file); begin += kBlockBytes, ++block) {
      if (!chosen()) continue;
      unfolded += kBlockBytes;
      if (file.compression != Compression::none) continue;
      sample.push_back({f, begin, std::min(file.bytes, begin + kBlockBytes)});
      has_one[kind_of(file)] = 1;
    }
    if (file.compression == Compression::none || unfolded == 0) continue;
    sample.push_back({f, 0, std::min(unfolded, kMostUnfolded)});
    has_one[kind_of(file)] = 1;
  }
  for (std::uint32_t f = 0; f < inputs.files.size(); ++f) {
    const InputFile& file = inputs.files[f];
    if (std::exchange(has_one[kind_of(file)], 1) != 0) continue;
    sample.push_back({f, 0, file.compression == Compression::none ? std::min(file.bytes, kBlockBytes) : kBlockBytes});
  }
  return sample;
}

// A value that a pass groups by, and whether its identity has a valid number.
struct Item {
  std::uint64_t value = 0;
  std::uint64_t valid = 0;
};

// What a pass compares: pairs of two valid numbers are not, but for the numbers themselves.
struct SampledPairs {
  std::uint64_t pairs = 0, largest = 0;
};

SampledPairs pairs_sharing_a_value(std::vector<Item>& items, bool of_numbers) {
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.value < b.value; });
  SampledPairs found;
  for (std::size_t begin = 0; begin < items.size();) {
    std::size_t end = begin;
    std::uint64_t valid = 0;
    for (; end < items.size() && items[end].value == items[begin].value; ++end) valid += items[end].valid;
    const std::uint64_t size = end - begin;
    found.pairs += size * (size - 1) / 2 - (of_numbers || valid == 0 ? 0 : valid * (valid - 1) / 2);
    found.largest = std::max(found.largest, size);
    begin = end;
  }
  return found;
}

// The passes, as the sample sees them.
enum Key : std::size_t { kNumber, kBirth, kPostcode, kKeys };

std::vector<Item> items_of(std::span<const Identity> different, Key key) {
  std::vector<Item> items;
  for (const Identity& identity : different) {
    if (identity.nhs_status() == NhsStatus::one_time) continue;
    const std::uint64_t value = key == kNumber  ? identity.nhs()
                                : key == kBirth ? std::uint64_t{identity.date_of_birth()}
                                                : identity.postcode();
    if (value != 0) items.push_back({value, identity.has_valid_nhs()});
  }
  return items;
}

// Collective.  Among all of the sample's identities.
SampledPairs sampled_pairs(const Communicator& comm, std::span<const Identity> different, Key key) {
  const ShardMap shard_map(comm.size());
  std::vector<Item> mine = shuffle(comm, items_of(different, key), [&](const Item& item) {
                             return shard_map.owner(shard_of(linkage_key(item.value)));
                           }).items;
  const SampledPairs found = pairs_sharing_a_value(mine, key == kNumber);
  return {comm.sum(found.pairs), comm.max(found.largest)};
}

}  // namespace

Estimate estimate(const Communicator& comm, const JobFile& job, const Inputs& inputs) {
  // This rank's part of the sample.
  const std::vector<SamplePart> sample = choose_sample(inputs);
  const Range mine = share_of(sample.size(), comm.rank(), comm.size());
  std::vector<KindSample> kinds(inputs.datasets.size() * kKinds);
  std::vector<Identity> identities;                 // each once for each block that it stands in
  std::array<std::uint64_t, kKeys> pairs_within{};  // blocks
  std::vector<Identity> here;
  const auto end_block = [&] {
    std::sort(here.begin(), here.end());
    here.erase(std::unique(here.begin(), here.end()), here.end());
    for (const Key key : {kNumber, kBirth, kPostcode}) {
      std::vector<Item> items = items_of(here, key);
      pairs_within[key] += pairs_sharing_a_value(items, key == kNumber).pairs;
    }
    identities.insert(identities.end(), here.begin(), here.end());
    here.clear();
  };
  // Each part by itself: neighbours in the sample are no neighbours in the file.
  for (std::uint64_t p = mine.begin; p < mine.end; ++p) {
    Segment segment = sample[p];
    const InputFile& file = inputs.files[segment.file];
    const bool unfolds = file.compression != Compression::none;
    IntakeTuning tuning;
    tuning.piece_bytes = std::size_t{1} << 20;
    if (unfolds) {
      tuning.piece_bytes = kPieceBytes;
      tuning.whole_file_bytes = 0;
      tuning.most_unfolded = std::exchange(segment.end, file.bytes);
    }
    const ShareReader::Consume consume = [&](RowBlock&& block) {
      here.insert(here.end(), block.identities.begin(), block.identities.end());
      if (unfolds && here.size() >= kBlockRows) end_block();
    };
    std::uint64_t bytes = 0;
    const ShareReader::Progress progress = [&](std::uint64_t read) { bytes += read; };
    const RowRules rules;
    ShareReader reader(job, inputs, rules, tuning, {segment}, consume, progress);
    reader.read({});
    end_block();
    KindSample& kind = kinds[kind_of(file)];
    // Of a chunk that was read last half, on average, is not unfolded.
    kind.bytes += bytes < file.bytes && unfolds ? bytes - kPieceBytes / 2 : bytes;
    for (const SegmentReport& report : reader.reports()) {
      kind.rows += report.counts.read;
      kind.kept += report.counts.kept;
    }
  }
  comm.sum(pairs_within);
  Estimate result;
  std::uint64_t sampled_rows = 0;
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    std::array<std::uint64_t, 3> sums{kinds[k].bytes, kinds[k].rows, kinds[k].kept};
    comm.sum(sums);
    double bytes = 0;
    for (const InputFile& file : inputs.files) {
      if (kind_of(file) == k) bytes += static_cast<double>(file.bytes);
    }
    const double scale = sums[0] == 0 ? 0 : bytes / static_cast<double>(sums[0]);
    const DatasetSchema& dataset = inputs.datasets[k / kKinds];
    result.input_bytes += bytes;
    result.rows += scale * static_cast<double>(sums[1]);
    result.kept += scale * static_cast<double>(sums[2]);
    const bool local_ids = std::any_of(job.extracts.begin(), job.extracts.end(), [&](const Extract& extract) {
      return job.use_local_id && extract.dataset == dataset.name && extract.columns.local_id;
    });
    const std::uint64_t row_bytes = dataset.payload_bytes + kRowId + (local_ids ? sizeof(std::uint64_t) : 0);
    result.payload_bytes += scale * static_cast<double>(sums[2] * row_bytes);
    result.event_bytes += scale * static_cast<double>(sums[2] * dataset.payload_bytes);
    sampled_rows += sums[2];
  }

  // Different identities in the sample, and how many of them stand in one segment, in two, and so on.
  const ShardMap shard_map(comm.size());
  identities = shuffle(comm, std::move(identities), [&](const Identity& identity) {
                 return shard_map.owner(shard_of(linkage_key(identity)));
               }).items;
  std::sort(identities.begin(), identities.end());
  std::vector<Identity> different;
  std::array<std::uint64_t, kMostBlocks> standing{};
  for (std::size_t begin = 0; begin < identities.size();) {
    std::size_t end = begin;
    while (end < identities.size() && identities[end] == identities[begin]) ++end;
    if (end - begin <= standing.size()) ++standing[end - begin - 1];
    different.push_back(identities[begin]);
    begin = end;
  }
  comm.sum(standing);
  const double seen = static_cast<double>(comm.sum(std::uint64_t{different.size()}));
  const double share = result.kept == 0 ? 1 : std::min(1.0, static_cast<double>(sampled_rows) / result.kept);
  const double often = seen - static_cast<double>(std::accumulate(standing.begin(), standing.end(), std::uint64_t{0}));
  result.identities = std::min(often + different_in_all(standing, share), std::max(result.kept, seen));

  // Of two that share a value one has no valid number (or they share it), and so mostly a single row, which is seen as
  // often as its block; the other is seen as often as identities are.
  const double unseen_too = seen == 0 ? 0 : result.identities / seen;
  const auto all_pairs = [&](Key key, double& pairs, double* largest) {
    const SampledPairs found = sampled_pairs(comm, different, key);
    const double within = std::min(static_cast<double>(pairs_within[key]), static_cast<double>(found.pairs));
    pairs = within / share + (static_cast<double>(found.pairs) - within) / share * unseen_too;
    if (largest != nullptr) *largest = static_cast<double>(found.largest) * unseen_too;
  };
  all_pairs(kNumber, result.number_pairs, nullptr);
  all_pairs(kBirth, result.birth_pairs, &result.largest_birth);
  all_pairs(kPostcode, result.postcode_pairs, &result.largest_postcode);
  return result;
}

// Bytes each as measured on artificial populations (bench/README.md, "Plan"), where every pass brings all together in
// one round.  The most is held in the survey, by number and by postcode at once.  Each thread has blocks of the input,
// with the rows that were read from it, if there are so many.
double peak_memory(const Estimate& e, double spool_budget, double ranks, double threads) {
  constexpr double kEachRank = 26e6, kEachThread = 32e6, kOfItsInput = 1.3, kEachRow = 4, kEachIdentity = 207;
  const double intake = std::min(kEachThread * threads * ranks, kOfItsInput * e.input_bytes);
  return kEachRank * ranks + intake + std::min(e.payload_bytes, spool_budget) + kEachRow * e.kept +
         kEachIdentity * e.identities;
}

// Measured likewise, from outside.  Intake holds small pieces of the input, however many there are; after it come
// persons and the identities that they are made of, where the ranks themselves hold less.
double least_memory(const Estimate& e, double ranks, double threads) {
  constexpr double kEachRank = 24e6, kIntake = 7e6, kIntakeThread = 1.5e6, kOfItsInput = 1.5;
  constexpr double kEachRankLater = 17e6, kEachRow = 5, kEachIdentity = 119;
  const double intake = std::min((kIntake + kIntakeThread * threads) * ranks, kOfItsInput * e.input_bytes);
  return std::max(kEachRank * ranks + intake,
                  kEachRankLater * ranks + kEachRow * e.kept + kEachIdentity * e.identities);
}

// A block is stored as it was read, row ids of a dozen characters with it; then 4 bytes an identity, the edges, and
// persons with their identities (docs/durability.md).
double scratch_bytes(const Estimate& e, double spool_budget, CheckpointLevel level) {
  constexpr double kRow = 28, kIdentity = 110;
  const double spooled = std::max(0.0, e.payload_bytes - spool_budget);
  return spooled + (level == CheckpointLevel::none ? 0 : e.payload_bytes + kRow * e.kept + kIdentity * e.identities);
}

// Persons take some 75 bytes each, and there are somewhat fewer of them than identities.
double published_bytes(const Estimate& e) {
  return e.event_bytes + 54 * e.identities;
}

// Row ids of a dozen characters, one like the next.
double secure_bytes(const Estimate& e) {
  return 14 * e.kept + 62 * e.identities;
}

}  // namespace ligature
