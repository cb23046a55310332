#include "jobs/rebuild/setup.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "engine/trace.hpp"
#include "io/audit_log.hpp"
#include "io/clock.hpp"
#include "io/direct_writer.hpp"
#include "io/files.hpp"
#include "io/key_file.hpp"
#include "io/part_files.hpp"
#include "io/progress.hpp"
#include "io/reference_file.hpp"
#include "jobs/rebuild/coverage.hpp"
#include "jobs/rebuild/reconciliation.hpp"
#include "jobs/secure_output.hpp"

namespace ligature {

namespace {

// Takes from group and others what lets them write in a folder.  True if that was anything.
bool keep_others_from_writing(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  constexpr fs::perms kOthersWrite = fs::perms::group_write | fs::perms::others_write;
  if ((fs::status(folder).permissions() & kOthersWrite) == fs::perms::none) return false;
  std::error_code failed;
  fs::permissions(folder, kOthersWrite, fs::perm_options::remove, failed);
  if (failed) {
    throw UsageError("publish: others can write in " + folder.string() + " (" + failed.message() +
                     " when that was to be changed): let its owner run chmod go-w on it, or choose another folder");
  }
  return true;
}

}  // namespace

SecretBytes load_key(const Communicator& comm, const JobFile& job) {
  SecretBytes key;
  std::optional<std::string> problem;
  try {
    key = load_key_file(job.key);
  } catch (const Error& error) {
    problem = error.what();
  }
  comm.agree(problem, kExitWrongUse);
  return key;
}

void check_references(const Communicator& comm, const JobFile& job) {
  const auto check = [](const std::string& key, const auto& look) {
    try {
      look();
    } catch (const Error& error) {
      throw Error(key + ": " + error.what(), error.exit_code());
    }
  };
  const auto check_file = [&](const std::string& key, const std::string& path, std::vector<std::string> columns) {
    check(key, [&] {
      read_each({path}, [&](const std::string&) {
        check_reference_file(path, job.max_record_bytes, columns_named(std::move(columns)));
      });
    });
  };
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    if (job.superseded) check_file("reference.superseded", *job.superseded, {"old_nhs_number", "new_nhs_number"});
    if (job.practices) check_file("reference.practices", *job.practices, {});
    for (const std::string& pattern : job.consent.objections) {
      const std::vector<std::string> paths = expand_glob(pattern);
      if (paths.empty()) throw UsageError("consent.objections: " + pattern + ": no such file");
      for (const std::string& path : paths) check_file("consent.objections", path, {"nhs_number", "kind", "date"});
    }
    if (job.consent.previous) {
      check("consent.previous", [&] {
        static_cast<void>(previous_counts(job));
        static_cast<void>(previous_rows(job));
      });
    }
  });
}

std::vector<RunLock> take_folders(const Communicator& comm, const JobFile& job) {
  agreed_step(comm, [&] {
    if (comm.is_root()) make_private_directory(job.secure);
  });
  std::vector<RunLock> locks;
  if (std::optional<RunLock> lock = lock_run(comm, job.secure)) locks.push_back(std::move(*lock));
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    check_audit_end(job.secure);
    make_private_directory(job.secure / "scratch");
    const bool is_new = std::filesystem::create_directories(job.publish);
    if (keep_others_from_writing(job.publish) && !is_new) {
      log_warning(comm, "publish: others could write in " + job.publish.string() + "; now its owner alone can");
    }
    locks.push_back(RunLock::of_folder(job.publish));
  });
  if (comm.is_root()) warn_if_not_held(comm, locks.back(), job.publish);
  return locks;
}

void refuse_key_of_agreement(const Communicator& comm, const JobFile& job, const std::string& key_id) {
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    read_audit_log(job.secure, [&](const AuditEntry& entry) {
      if (entry.action != "release" || entry.text("key_id") != key_id) return;
      throw UsageError(fmt::format(
          "{}: 'key' in [job] is the key of agreement {} (entry {} of the audit log), and who holds it could name the "
          "persons of both; the dataset needs one of its own: ligature key new FILE",
          job.path.string(), entry.text("agreement"), entry.sequence));
    });
  });
}

void remove_scratch(const Communicator& comm, const std::filesystem::path& folder, bool scrub) {
  namespace fs = std::filesystem;
  std::string names;  // each ended by a null byte
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file()) names.append(entry.path().string()).push_back('\0');
    }
  });
  comm.broadcast(names);
  std::vector<fs::path> files;
  for (std::size_t begin = 0, end = 0; begin < names.size(); begin = end + 1) {
    end = names.find('\0', begin);
    files.emplace_back(names.substr(begin, end - begin));
  }
  std::sort(files.begin(), files.end());

  const auto ranks = static_cast<std::size_t>(comm.size()), rank = static_cast<std::size_t>(comm.rank());
  agreed_step(comm, [&] {
    for_each_item((files.size() + ranks - 1 - rank) / ranks, [&](std::size_t i) {
      const fs::path& path = files[i * ranks + rank];
      if (scrub) scrub_file(path);
      fs::remove(path);
    });
  });
  if (comm.is_root()) fs::remove_all(folder);
}

void check_environment(const Communicator& comm) {
  std::optional<std::string> problem;
  try {
    static_cast<void>(write_strategy());
  } catch (const UsageError& error) {
    problem = error.what();
  }
  comm.agree(problem, kExitWrongUse);
}

std::optional<Bounds> load_bounds(const Communicator& comm, const RebuildOptions& options) {
  std::optional<Bounds> bounds;
  std::optional<std::string> problem;
  if (comm.is_root()) {
    try {
      if (options.bounds) bounds = read_bounds(*options.bounds);
      if (options.trace) File::create(*options.trace, 0600).close();
    } catch (const Error& error) {
      problem = error.what();
    }
  }
  comm.agree(problem, kExitWrongUse);
  return bounds;
}

Manifest new_manifest(const Communicator& comm, const JobFile& job, const Inputs& inputs, DayNumber as_at) {
  Manifest manifest;
  manifest.software_version = LIGATURE_VERSION;
  manifest.job_name = job.name;
  manifest.job_file = job.path.string();
  manifest.started_utc = utc_now();
  manifest.secure = job.secure.string();
  manifest.publish = job.publish.string();
  manifest.as_at = iso_date(as_at);
  manifest.ranks = comm.size();
  manifest.threads_per_rank = num_threads();
  manifest.files = inputs.files;
  manifest.file_reports.resize(inputs.files.size());
  for (const DatasetSchema& dataset : inputs.datasets) manifest.datasets.push_back({dataset.name, 0});
  return manifest;
}

void report_reference(const Communicator& comm, const std::string& name, const ReferenceCounts& counts) {
  if (counts.rows > 0) log_info(comm, name + ": " + with_commas(counts.rows) + " rows");
  if (counts.malformed > 0) {
    log_warning(comm, name + ": " + with_commas(counts.malformed) + " rows are malformed and have no effect");
  }
}

}  // namespace ligature
