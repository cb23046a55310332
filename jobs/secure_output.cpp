#include "jobs/secure_output.hpp"

#include <sys/stat.h>

#include "engine/error.hpp"
#include "io/files.hpp"
#include "io/part_files.hpp"
#include "io/progress.hpp"

namespace ligature {

namespace {

// The folder's real path, with links resolved and a slash at its end: one lies in another if it begins with it.
std::string real_folder(const std::filesystem::path& folder) {
  return std::filesystem::weakly_canonical(std::filesystem::absolute(folder)).string() + "/";
}

}  // namespace

std::filesystem::path output_path(const std::filesystem::path& out, const std::string& option) {
  const std::filesystem::path target = std::filesystem::absolute(out);
  std::error_code ignored;
  if (target.filename().empty() || std::filesystem::is_directory(target, ignored)) {
    throw UsageError(option + " names a folder; give the file to write: " + out.string());
  }
  if (!std::filesystem::is_directory(target.parent_path(), ignored)) {
    throw UsageError(option + ": there is no folder " + target.parent_path().string());
  }
  return target;
}

std::filesystem::path secure_output_path(const std::filesystem::path& publish, const std::filesystem::path& out,
                                         const std::string& option) {
  const std::filesystem::path target = output_path(out, option);
  // The folder decides: the file's own name, were it a link, is replaced by the rename.
  if (real_folder(target.parent_path()).starts_with(real_folder(publish))) {
    throw UsageError(option + " must not lie in the publish folder: " + out.string());
  }
  return target;
}

void keep_private(const Communicator& comm, const std::filesystem::path& secure) {
  bool was_open = false;
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    struct stat status {};
    if (::stat(secure.c_str(), &status) != 0) throw Error("there is no secure folder of the run: " + secure.string());
    was_open = (status.st_mode & 07777U) != S_IRWXU;
    if (was_open) make_private_directory(secure);
  });
  if (was_open) {
    log_warning(comm, "the mode of " + secure.string() + " was not 0700, and is now: others may have been there");
  }
}

void warn_if_not_held(const Communicator& comm, const RunLock& lock, const std::filesystem::path& folder) {
  if (lock.is_held()) return;
  log_warning(comm, "the file system of " + folder.string() +
                        " keeps no locks: nothing stops another run from working in this folder");
}

std::optional<RunLock> lock_run(const Communicator& comm, const std::filesystem::path& secure) {
  std::optional<RunLock> lock;
  agreed_step(comm, [&] {
    if (comm.is_root()) lock.emplace(secure);
  });
  if (comm.is_root()) warn_if_not_held(comm, *lock, secure);
  return lock;
}

}  // namespace ligature
