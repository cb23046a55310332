// Verify: releases that are still where they were put are what the audit log says that went out, and none was left
// half-made, with what a crash had it write of persons.
//
// The log has the digest of a release's digests.txt, and that the digest of each file (docs/release.md).
#include <cstdint>
#include <exception>
#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.hpp"
#include "engine/sha256.hpp"
#include "io/file_digest.hpp"
#include "io/files.hpp"
#include "jobs/verify/checks.hpp"

namespace ligature {

namespace {

namespace fs = std::filesystem;

struct ReleasedFile {
  std::string path, digest;
};

// What is wrong with a release before its files are read, and the files that its list names.
std::string list_files(const ReleasesHeld::Release& release, std::vector<ReleasedFile>& files) {
  const std::string lists = read_small_file(release.folder / kDigestsFile);
  if (hex(sha256(lists)) != release.output_sha256) return std::string(kDigestsFile) + " is not what the audit log has";
  std::set<std::string> named{std::string(kDigestsFile), std::string(kAccountFile)};
  std::istringstream lines(lists);
  for (std::string digest, name; lines >> digest && std::getline(lines >> std::ws, name);) {
    if (!fs::is_regular_file(release.folder / name)) return name + " is not there";
    named.insert(name);
    files.push_back({(release.folder / name).string(), digest});
  }
  for (const auto& entry : fs::directory_iterator(release.folder)) {
    if (!named.contains(entry.path().filename().string())) {
      return entry.path().filename().string() + " is no part of it";
    }
  }
  return {};
}

}  // namespace

void check_releases(const Communicator& comm, std::span<const ReleasesHeld::Release> releases,
                    std::span<const fs::path> folders, CheckTable& table) {
  std::vector<ReleasedFile> files;
  std::uint64_t violations = 0;
  std::string detail;
  const auto differs = [&](const std::string& what) {
    ++violations;
    if (detail.empty()) detail = what;
  };
  for (const ReleasesHeld::Release& release : releases) {
    try {
      const std::string problem = list_files(release, files);
      if (!problem.empty()) differs(release.folder.string() + ": " + problem);
    } catch (const std::exception& error) {
      differs(error.what());
    }
  }
  // Every rank digests a share of each file.
  std::uint64_t count = files.size();
  comm.broadcast_value(count);
  files.resize(count);
  for (ReleasedFile& file : files) {
    comm.broadcast(file.path);
    try {
      const Sha256 digest = file_digest(comm, file.path);
      if (comm.is_root() && hex(digest) != file.digest) differs(file.path + " is not what was released");
    } catch (const Error& error) {  // the same on all ranks
      if (comm.is_root()) differs(error.what());
    }
  }
  table.add("releases that are still there are what went out", comm.is_root() ? count : 0, violations, detail);

  std::vector<fs::path> unfinished;
  for (const fs::path& folder : comm.is_root() ? folders : std::span<const fs::path>()) {
    for (fs::path& path : unfinished_releases(folder, std::nullopt)) unfinished.push_back(std::move(path));
  }
  table.add(
      "no release was left unfinished", comm.is_root() ? folders.size() : 0, unfinished.size(),
      unfinished.empty() ? std::string() : unfinished.front().string() + ": its agreement's next release removes it");
}

}  // namespace ligature
