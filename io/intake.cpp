#include "io/intake.hpp"

#include <algorithm>
#include <bit>
#include <optional>
#include <span>
#include <utility>

#include "engine/parallel.hpp"
#include "io/part_files.hpp"
#include "io/share_reader.hpp"

namespace ligature {

namespace {

using Counters = std::array<std::uint64_t, kRowCounters>;
static_assert(sizeof(RowCounts) == sizeof(Counters));

// A rank's part of a file that other ranks read as well.
struct Seam {
  std::uint32_t file = 0;
  std::uint32_t rank = 0;
  std::uint64_t first_record = 0, next_record = 0;  // as in SegmentReport
  std::uint64_t lines = 0;
};

// Collective.  The seams of all ranks, by file and rank.
std::vector<Seam> gather_seams(const Communicator& comm, const Inputs& inputs, const ShareReader& reader) {
  std::vector<Seam> mine;
  for (std::size_t s = 0; s < reader.segments().size(); ++s) {
    const Segment& segment = reader.segments()[s];
    if (segment.begin == 0 && segment.end == inputs.files[segment.file].bytes) continue;
    const SegmentReport& report = reader.reports()[s];
    mine.push_back(
        {segment.file, static_cast<std::uint32_t>(comm.rank()), report.first_record, report.next_record, report.lines});
  }
  std::vector<Seam> seams = comm.all_gather(std::span<const Seam>(mine));
  std::stable_sort(seams.begin(), seams.end(), [](const Seam& a, const Seam& b) { return a.file < b.file; });
  return seams;
}

// A block's digest on its way to all ranks.
struct BlockDigest {
  std::uint64_t file = 0;
  Digest digest;
};

Digest file_digest(const std::vector<Digest>& blocks) {
  return digest(std::as_bytes(std::span(blocks)));
}

// Collective.  The reports of all files, from what each rank read of them.
std::vector<FileReport> combine_reports(const Communicator& comm, const Inputs& inputs, const ShareReader& reader) {
  const std::size_t files = inputs.files.size();
  std::vector<std::uint64_t> counters(files * kRowCounters), digests(files * 2);
  std::vector<BlockDigest> split;
  for (std::size_t s = 0; s < reader.segments().size(); ++s) {
    const Segment& segment = reader.segments()[s];
    const SegmentReport& report = reader.reports()[s];
    const auto counts = std::bit_cast<Counters>(report.counts);
    std::copy(counts.begin(), counts.end(),
              counters.begin() + static_cast<std::ptrdiff_t>(segment.file * kRowCounters));
    if (segment.begin == 0 && segment.end == inputs.files[segment.file].bytes) {
      const Digest whole = file_digest(report.block_digests);
      digests[segment.file * 2] = whole.high;
      digests[segment.file * 2 + 1] = whole.low;
    } else {
      for (const Digest& block : report.block_digests) split.push_back({segment.file, block});
    }
  }
  comm.sum(counters);
  comm.sum(digests);
  std::vector<BlockDigest> all_split = comm.all_gather(std::span<const BlockDigest>(split));

  std::vector<FileReport> reports(files);
  for (std::size_t f = 0; f < files; ++f) {
    Counters counts;
    std::copy_n(counters.begin() + static_cast<std::ptrdiff_t>(f * kRowCounters), kRowCounters, counts.begin());
    reports[f].counts = std::bit_cast<RowCounts>(counts);
    reports[f].digest = {digests[f * 2], digests[f * 2 + 1]};
  }
  // Rank order is block order, file by file.
  std::stable_sort(all_split.begin(), all_split.end(),
                   [](const BlockDigest& a, const BlockDigest& b) { return a.file < b.file; });
  for (std::size_t begin = 0; begin < all_split.size();) {
    const std::uint64_t file = all_split[begin].file;
    std::vector<Digest> blocks;
    for (; begin < all_split.size() && all_split[begin].file == file; ++begin)
      blocks.push_back(all_split[begin].digest);
    reports[file].digest = file_digest(blocks);
  }
  return reports;
}

}  // namespace

RowCounts& operator+=(RowCounts& sum, const RowCounts& part) noexcept {
  auto total = std::bit_cast<Counters>(sum);
  const auto more = std::bit_cast<Counters>(part);
  for (std::size_t i = 0; i < kRowCounters; ++i) total[i] += more[i];
  return sum = std::bit_cast<RowCounts>(total);
}

IdentifierStates states_of(const Identity& identity) noexcept {
  const NhsStatus status = identity.written_nhs_status();
  const Gender gender = identity.gender();
  IdentifierStates states;
  states.nhs_valid = status == NhsStatus::valid;
  states.nhs_invalid = status == NhsStatus::invalid;
  states.birth_placeholder = identity.placeholder_birth();
  states.birth_missing = !states.birth_placeholder && identity.date_of_birth() == kMissingDay;
  states.postcode_pseudo = identity.postcode_flag() != PostcodeFlag::none;
  states.postcode_missing = !states.postcode_pseudo && identity.postcode() == 0;
  states.gender_missing = gender != Gender::male && gender != Gender::female;
  states.one_time = identity.nhs_status() == NhsStatus::one_time;
  return states;
}

void uncount_identifiers(IdentifierStates states, RowCounts& counts) noexcept {
  counts.nhs_valid -= states.nhs_valid;
  counts.nhs_invalid -= states.nhs_invalid;
  counts.nhs_missing -= !states.nhs_valid && !states.nhs_invalid;
  counts.birth_placeholder -= states.birth_placeholder;
  counts.birth_missing -= states.birth_missing;
  counts.postcode_pseudo -= states.postcode_pseudo;
  counts.postcode_missing -= states.postcode_missing;
  counts.gender_missing -= states.gender_missing;
  counts.one_time -= states.one_time;
}

ProviderCounts& operator+=(ProviderCounts& sum, const ProviderCounts& part) noexcept {
  using Fields = std::array<std::uint64_t, sizeof(ProviderCounts) / sizeof(std::uint64_t)>;
  auto total = std::bit_cast<Fields>(sum);
  const auto more = std::bit_cast<Fields>(part);
  for (std::size_t i = 0; i + 1 < total.size(); ++i) total[i] += more[i];
  total.back() = std::max(total.back(), more.back());
  return sum = std::bit_cast<ProviderCounts>(total);
}

void RowBlock::clear() noexcept {
  file = 0;
  lines = 0;
  identities.clear();
  payload.clear();
  row_ids.clear();
  row_id_end.clear();
  row_line.clear();
  local_keys.clear();
  providers.clear();
  extracted.clear();
  barred.clear();
  coded.clear();
  coded_providers.clear();
  dictionaries.clear();
  quarantined.clear();
  counts = RowCounts();
}

std::string_view quarantine_reason_name(QuarantineReason reason) noexcept {
  switch (reason) {
    case QuarantineReason::column_count:
      return "column_count";
    case QuarantineReason::bad_utf8:
      return "bad_utf8";
    case QuarantineReason::nul_byte:
      return "nul_byte";
    case QuarantineReason::unterminated_quote:
      return "unterminated_quote";
    case QuarantineReason::malformed_quote:
      return "malformed_quote";
    case QuarantineReason::too_long:
      break;
  }
  return "too_long";
}

IntakeReport read_extracts(const Communicator& comm, const JobFile& job, const Inputs& inputs, const RowRules& rules,
                           const std::function<void()>& restart, const std::function<void(RowBlock&&)>& consume,
                           const std::function<void(std::uint64_t)>& progress, const IntakeTuning& tuning,
                           const std::optional<Range>& files) {
  ShareReader reader(job, inputs, rules, tuning,
                     share_of_inputs(inputs, comm.rank(), comm.size(), tuning.block_bytes,
                                     files.value_or(Range{0, inputs.files.size()})),
                     consume, progress);
  const auto rank = static_cast<std::uint32_t>(comm.rank());
  std::vector<Seam> seams;
  // The part that begins a file is right; each round makes at least the next wrong one right.
  ShareReader::Starts starts(reader.segments().size());
  for (bool read_again = true, settled = false; !settled;) {
    if (read_again) {
      restart();
      reader.read(starts);
    }
    seams = gather_seams(comm, inputs, reader);
    read_again = false;
    settled = true;
    for (std::size_t i = 1; i < seams.size(); ++i) {
      const Seam &before = seams[i - 1], &seam = seams[i];
      if (seam.file != before.file || seam.first_record == before.next_record) continue;
      settled = false;
      if (seam.rank != rank) continue;
      for (std::size_t s = 0; s < starts.size(); ++s) {
        if (reader.segments()[s].file == seam.file) starts[s] = before.next_record;
      }
      read_again = true;
    }
  }

  agreed_step(comm, [&] {
    const std::vector<Segment>& segments = reader.segments();
    for_each_item(segments.size(), [&](std::size_t s) { check_unchanged(inputs.files[segments[s].file]); });
  });
  IntakeReport report;
  report.files = combine_reports(comm, inputs, reader);
  std::uint64_t lines = 0;
  for (std::size_t i = 0; i < seams.size(); ++i) {
    if (i > 0 && seams[i].file != seams[i - 1].file) lines = 0;
    if (seams[i].rank == rank && lines != 0) report.lines_before[seams[i].file] = lines;
    lines += seams[i].lines;
  }
  for (const InputFile& file : inputs.files) report.bytes += file.bytes;
  return report;
}

IntakeReport read_extracts(const Communicator& comm, const JobFile& job, const Inputs& inputs, const RowRules& rules,
                           const std::function<void()>& restart, const std::function<void(RowBlock&&)>& consume,
                           const std::function<void(std::uint64_t)>& progress) {
  return read_extracts(comm, job, inputs, rules, restart, consume, progress, IntakeTuning());
}

}  // namespace ligature
