#include "jobs/rebuild/account.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <sys/resource.h>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/pair_kernel.hpp"
#include "engine/parallel.hpp"
#include "engine/pseudonym.hpp"
#include "io/audit_log.hpp"
#include "io/files.hpp"
#include "io/progress.hpp"
#include "jobs/rebuild/secure_files.hpp"
#include "jobs/run_account.hpp"

namespace ligature {

namespace {

// Of overrides, in an entry of the audit log, which must stay shorter than kMostAuditLine however it is escaped.
constexpr std::size_t kMostOverrides = kMostAuditLine / 16;
constexpr std::size_t kIdentitiesPerTask = std::size_t{1} << 14;

}  // namespace

RowCounts total_rows(const JobFile& job, const Inputs& inputs, const IntakeReport& intake) {
  std::vector<RowCounts> of_dataset(inputs.datasets.size());
  for (std::size_t f = 0; f < inputs.files.size(); ++f) {
    of_dataset[inputs.files[f].dataset] += intake.files[f].counts;
  }
  RowCounts total;
  for (std::size_t d = 0; d < of_dataset.size(); ++d) {
    const RowCounts& counts = of_dataset[d];
    std::uint64_t quarantined = 0;
    for (const std::uint64_t rows : counts.quarantined) quarantined += rows;
    if (static_cast<double>(quarantined) > job.max_quarantined_share * static_cast<double>(counts.read)) {
      throw LimitError("dataset '" + inputs.datasets[d].name + "': " + with_commas(quarantined) + " of " +
                       with_commas(counts.read) +
                       " rows are quarantined, more than limits.max_quarantined_share allows; see " +
                       unnamed_list(job.secure / "quarantine.csv").string());
    }
    total += counts;
  }
  return total;
}

void identify_run(const JobFile& job, const Inputs& inputs, std::span<const std::byte> key, Manifest& manifest) {
  const auto digest_of = [](const std::string& text) { return hex(digest(std::as_bytes(std::span(text)))); };
  manifest.job_file_digest = job.text_digest;
  std::vector<std::string> files;
  for (std::size_t f = 0; f < inputs.files.size(); ++f) {
    files.push_back(inputs.datasets[inputs.files[f].dataset].name + " " + hex(manifest.file_reports[f].digest) + "\n");
  }
  std::sort(files.begin(), files.end());
  std::string all_files;
  for (const std::string& file : files) all_files += file;
  manifest.input_digest = digest_of(all_files);
  manifest.model_digest = hex(digest(std::as_bytes(std::span(&manifest.model, 1))));
  manifest.key_id = Pseudonymiser(key).key_id();
  manifest.run_id =
      digest_of(manifest.job_file_digest + manifest.input_digest + manifest.model_digest + manifest.key_id)
          .substr(0, 16);
}

void log_key_use(const Communicator& comm, const JobFile& job, const Manifest& manifest) {
  AuditEvent event = making_of(manifest);
  if (!job.overrides.empty()) event.fields.emplace_back("overrides", job.overrides.substr(0, kMostOverrides));
  append_audit(comm, manifest.secure, event);
}

void count_identities(const Communicator& comm, const Identities& identities, Manifest& manifest) {
  PerThread<std::array<std::uint64_t, 2>> counts;
  for_blocks(identities.owned.size(), kIdentitiesPerTask, [&](std::size_t begin, std::size_t end) {
    std::array<std::uint64_t, 2>& here = counts.local();
    for (std::size_t i = begin; i < end; ++i) {
      if (is_suppressed(identities.owned[i])) continue;
      ++here[0];
      here[1] += identities.owned[i].identity.nhs_status() != NhsStatus::one_time;
    }
  });
  std::array<std::uint64_t, 2> kept{};
  counts.for_each([&](const std::array<std::uint64_t, 2>& here) {
    kept[0] += here[0];
    kept[1] += here[1];
  });
  comm.sum(kept);
  manifest.identities = kept[0];
  manifest.linkable_identities = kept[1];
}

void note_objectors(const ObjectorReport& found, ConsentReport& report) noexcept {
  report.rows_by_linkage = found.rows;
  report.identities_barred = found.suppressed;
  report.identities_dropped = found.identities;
  report.identities_apart = found.ambiguous;
}

void copy_stages(const StageClock& clock, Manifest& manifest) {
  manifest.stages.clear();
  for (const StagePerformance& stage : clock.stages()) {
    manifest.stages.push_back({stage.name, stage.seconds, stage.items, stage.unit});
  }
  manifest.total_seconds = clock.total_seconds();
}

Performance measured_performance(const Communicator& comm, const StageClock& clock, const std::optional<Bounds>& bounds,
                                 const Placement& placement, std::uint64_t input_bytes, const Manifest& manifest) {
  Performance performance;
  performance.software_version = manifest.software_version;
  performance.run_id = manifest.run_id;
  performance.started_utc = manifest.started_utc;
  performance.simd = pair_kernel_target();
  performance.warning = placement_warning(placement, manifest.threads_per_rank);
  performance.hosts = placement.hosts;
  performance.ranks = comm.size();
  performance.threads_per_rank = manifest.threads_per_rank;
  performance.cpus_per_rank = placement.rank_cpus;
  performance.cpus_per_host = placement.usable_cpus;
  performance.input_bytes = input_bytes;
  performance.rows = manifest.rows.read;
  performance.rows_kept = manifest.rows.kept;
  performance.identities = manifest.identity_records;
  for (const PassReport& pass : manifest.passes) performance.pairs += pass.pairs_compared;
  performance.persons = manifest.persons;
  performance.launch_seconds = clock.launch_seconds();
  performance.total_seconds = clock.total_seconds();
  performance.fault_seconds = clock.fault_seconds();
  performance.stages = clock.gather(bounds, placement.hosts, comm.size() * manifest.threads_per_rank);
  return performance;
}

std::uint64_t peak_memory(const Communicator& comm) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return comm.sum(static_cast<std::uint64_t>(usage.ru_maxrss) * 1024);
}

}  // namespace ligature
