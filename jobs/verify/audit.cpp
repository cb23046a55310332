// Verify: the audit log's chain is whole, and the dataset can be made again: what went into it is still what it was.
//
// Input files that are no longer where they were cannot be examined; they are counted by their absence from the column
// "examined".  Their digests are XXH3-128 of the digests of their blocks of 8 MiB, as intake takes them.
#include <algorithm>
#include <filesystem>
#include <span>
#include <vector>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "io/audit_log.hpp"
#include "io/files.hpp"
#include "io/job_file.hpp"
#include "io/share_reader.hpp"
#include "jobs/rebuild/reconciliation.hpp"
#include "jobs/run_account.hpp"
#include "jobs/verify/checks.hpp"

namespace ligature {

namespace {

// A block of an input file on its way to the rank that compares the file's digest.
struct BlockDigest {
  std::uint64_t file = 0, block = 0;
  Digest digest;
};

std::uint64_t blocks_of(std::uint64_t bytes, std::size_t block_bytes) {
  return (bytes + block_bytes - 1) / block_bytes;
}

// True if the file is there to be examined.
bool is_there(const InputFile& file) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(file.path, ignored);
}

// Where releases were put, as far as the job file that made the run is still there to say so.
std::vector<std::filesystem::path> release_folders(const RunFiles& run) {
  std::vector<std::filesystem::path> folders = {run.secure / kSecureReleases};
  try {
    const JobFile job = load_job_file(run.manifest.job_file);
    if (job.release_folder) folders.push_back(*job.release_folder);
  } catch (const Error&) {  // it is gone, or another file has its name
  }
  return folders;
}

void check_chain(const Communicator& comm, const RunFiles& run, CheckTable& table) {
  std::uint64_t entries = 0, violations = 0;
  MakingSought making(run.manifest);
  std::string detail, not_held;
  ReleasesHeld held;
  std::vector<ReleasesHeld::Release> releases;
  const std::vector<std::filesystem::path> folders = release_folders(run);
  if (comm.is_root()) {
    try {
      const AuditChain chain = read_audit_log(run.secure, [&](const AuditEntry& entry) {
        ++entries;
        held.take(entry);
        making.take(entry);
      });
      if (chain.torn_bytes > 0) {
        violations = 1;
        detail = "its last " + std::to_string(chain.torn_bytes) +
                 " bytes are no entry: a job was cut short while it wrote; the next entry will account for them";
      }
    } catch (const Error& error) {
      violations = 1;
      detail = error.what();
    }
    try {
      releases = held.check(folders);
    } catch (const Error& error) {
      not_held = error.what();
    }
  }
  table.add("audit log is one unbroken chain", entries, violations, detail);
  table.add("audit log has the making of this run", comm.is_root() ? 1 : 0, comm.is_root() && !making.found() ? 1 : 0,
            "it was cut off, replaced or lost, or the manifest was");
  table.add("audit log has the releases that are still there", releases.size(), not_held.empty() ? 0 : 1, not_held);
  check_releases(comm, releases, folders, table);
}

void check_ledger(const Communicator& comm, const RunFiles& run, CheckTable& table) {
  std::uint64_t entries = 0;
  std::string problem;
  try {
    if (comm.is_root()) {
      const auto ledger = read_ledger_of_run(run.secure, run.manifest, LedgerSources().max_record_bytes);
      if (ledger) entries = ledger->counts.rows;
    }
  } catch (const Error& error) {
    problem = error.what();
  }
  table.add("ledger of objections is what the run was made with", entries, !problem.empty() && comm.is_root() ? 1 : 0,
            problem);
}

// What the next run is held against.  Runs of earlier versions have no digest of it.
void check_counts_of_objections(const Communicator& comm, const RunFiles& run, CheckTable& table) {
  const std::string& written = run.manifest.consent.counts_digest;
  const bool examined = comm.is_root() && !written.empty();
  std::string problem;
  try {
    if (examined && digest_of_counts(run.secure) != written) problem = "it was changed, or is of another run";
  } catch (const Error& error) {
    problem = error.what();
  }
  table.add("objections by practice are what the run counted", examined ? 1 : 0, problem.empty() ? 0 : 1, problem);
}

// Every rank digests a share of all blocks; a file whose blocks lie on several ranks is put together on all of them.
void check_inputs(const Communicator& comm, const RunFiles& run, CheckTable& table) {
  const std::size_t block_bytes = IntakeTuning().block_bytes;
  const std::vector<InputFile>& files = run.manifest.files;
  std::uint64_t examined = 0, violations = 0;
  std::string detail;
  const auto differs = [&](const InputFile& file) {
    ++violations;
    if (detail.empty()) detail = std::filesystem::path(file.path).filename().string() + " is not what was read";
  };
  // Which files there are, as rank 0 sees them.
  std::vector<std::byte> there(files.size());
  if (comm.is_root()) {
    for (std::size_t f = 0; f < files.size(); ++f) {
      if (!is_there(files[f])) continue;
      std::error_code ignored;
      const bool same_size = std::filesystem::file_size(files[f].path, ignored) == files[f].bytes;
      ++examined;
      there[f] = std::byte{same_size};
      if (!same_size) differs(files[f]);
    }
  }
  comm.broadcast(there);
  std::uint64_t blocks = 0;
  for (std::size_t f = 0; f < files.size(); ++f) {
    if (there[f] != std::byte{0}) blocks += blocks_of(files[f].bytes, block_bytes);
  }
  const Range share = share_of(blocks, comm.rank(), comm.size());
  std::vector<BlockDigest> mine, split;
  std::uint64_t first = 0;
  for (std::size_t f = 0; f < files.size() && first < share.end; ++f) {
    if (there[f] == std::byte{0}) continue;
    const std::uint64_t count = blocks_of(files[f].bytes, block_bytes);
    const std::uint64_t begin = std::max(first, share.begin), end = std::min(first + count, share.end);
    for (std::uint64_t block = begin; block < end; ++block) mine.push_back({f, block - first, {}});
    first += count;
  }
  std::string unreadable;
  try {
    for_each_item(mine.size(), [&](std::size_t i) {
      const InputFile& input = files[mine[i].file];
      const std::uint64_t offset = mine[i].block * block_bytes;
      std::vector<std::byte> bytes(std::min<std::uint64_t>(block_bytes, input.bytes - offset));
      File::open_read(input.path).read_exactly_at(offset, bytes);
      mine[i].digest = digest(bytes);
    });
  } catch (const Error& error) {
    unreadable = error.what();
  }
  if (!unreadable.empty()) {
    ++violations;
    if (detail.empty()) detail = unreadable;
  }
  // Whole files are judged here; the parts of others by rank 0.
  const auto judge = [&](std::span<const BlockDigest> of) {
    std::vector<Digest> digests;
    for (const BlockDigest& block : of) digests.push_back(block.digest);
    const Digest whole = digest(std::as_bytes(std::span(digests)));
    if (whole != run.manifest.file_reports[of.front().file].digest) differs(files[of.front().file]);
  };
  const auto for_each_file = [&](std::span<const BlockDigest> all, const auto& visit) {
    for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
      while (end < all.size() && all[end].file == all[begin].file) ++end;
      visit(all.subspan(begin, end - begin));
    }
  };
  if (!unreadable.empty()) mine.clear();
  for_each_file(mine, [&](std::span<const BlockDigest> of) {
    if (of.size() == blocks_of(files[of.front().file].bytes, block_bytes)) {
      judge(of);
    } else {
      split.insert(split.end(), of.begin(), of.end());
    }
  });
  const std::vector<BlockDigest> parts = comm.all_gather(std::span<const BlockDigest>(split));
  if (comm.is_root()) for_each_file(parts, judge);
  table.add("inputs that are still there are what was read", examined, violations, detail);
}

}  // namespace

void check_account(const Communicator& comm, const RunFiles& run, CheckTable& table) {
  check_chain(comm, run, table);
  check_ledger(comm, run, table);
  check_counts_of_objections(comm, run, table);
  check_inputs(comm, run, table);
}

}  // namespace ligature
