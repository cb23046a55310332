// verify --leaks: what the search for leaks found, and whether files are open to others who should not be.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include <sys/stat.h>

#include "engine/error.hpp"
#include "io/part_files.hpp"
#include "io/progress.hpp"
#include "jobs/jobs.hpp"
#include "jobs/verify/checks.hpp"
#include "jobs/verify/leak_search.hpp"

namespace ligature {

namespace {

constexpr std::size_t kPlacesShown = 100;

// Folders and files under secure/ that others may read.
std::vector<std::string> open_secure_files(const std::filesystem::path& secure) {
  std::vector<std::string> open;
  const auto look = [&](const std::filesystem::path& path, mode_t allowed) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0 && !S_ISLNK(status.st_mode) && (status.st_mode & 07777U & ~allowed) != 0) {
      open.push_back(path.string());
    }
  };
  look(secure, S_IRWXU);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(secure)) {
    look(entry.path(), entry.is_directory() ? S_IRWXU : S_IRUSR | S_IWUSR);
  }
  return open;
}

std::string lines(const char* title, const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kPlacesShown); ++i) text += title + names[i] + "\n";
  if (names.size() > kPlacesShown) text += "and " + std::to_string(names.size() - kPlacesShown) + " more\n";
  return text;
}

std::string decimal(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f", value);
  return text.data();
}

// The report, and whether nothing leaks.
std::string report(const LeakFindings& findings, const std::vector<std::string>& open_secure, bool& sound) {
  std::vector<std::vector<std::string>> rows{
      {"place", "what", "first at", "hits", "different", "looked like it", "by chance", "verdict"}};
  std::uint64_t leaks = 0, chances = 0;
  for (const auto& [place, counts] : findings.table) {
    if (counts.hits == 0) continue;
    const IdentifierForm form = LeakFindings::form(place);
    const LeakSource& source = findings.source(place);
    const bool leak = findings.is_leak(place, counts), may_be_chance = !is_certain(form) || source.by_accident(form);
    (leak ? leaks : chances) += 1;
    if (rows.size() > kPlacesShown) continue;
    const bool in_rows = !source.object.empty();
    rows.push_back(
        {source.place(), std::string(kFormNames[place % kIdentifierForms]),
         (in_rows ? "row " : "byte ") + with_commas(counts.first), with_commas(counts.hits),
         with_commas(static_cast<std::uint64_t>(std::max(1.0, std::round(counts.different_hits.estimate())))),
         with_commas(counts.candidates), may_be_chance ? decimal(counts.expected()) : "0", leak ? "LEAK" : "chance?"});
  }
  std::string text = rows.size() > 1 ? text_table(rows) : std::string();
  text += lines("cannot be searched: ", findings.searched.not_searched);
  text += lines("anybody may write: ", findings.searched.open_to_all);
  text += lines("others may read: ", open_secure);
  if (chances > 0) {
    text +=
        std::to_string(chances) +
        " kinds of hits are as many as chance gives among so many numbers: a single identifier among them cannot be "
        "told from chance\n";
  }
  sound = leaks == 0 && findings.searched.not_searched.empty() && findings.searched.open_to_all.empty() &&
          open_secure.empty();
  text += leaks > 0 ? std::to_string(leaks) + " places and spellings LEAK identifiers\n"
          : sound   ? "no identifier of the input is published\n"
                    : "no identifier was found, but not all is as it must be\n";
  return text;
}

void require_paths(const std::string& option, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) throw UsageError(option + ": there is no " + path);
  }
}

}  // namespace

int verify_leaks(const Communicator& comm, const LeakArguments& arguments) {
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    require_paths("--in", arguments.searched);
    require_paths("--also", arguments.also);
  });
  std::filesystem::path secure;
  Manifest manifest;
  std::vector<std::filesystem::path> paths;
  {
    const RunFiles run(arguments.run);
    paths = {run.publish};
    secure = run.secure;
    manifest = run.manifest;
  }
  paths.insert(paths.end(), arguments.searched.begin(), arguments.searched.end());
  const LeakFindings findings = search_for_leaks(comm, secure, manifest, paths, arguments.also);
  std::uint64_t sound = 0;
  if (comm.is_root()) {
    bool all_sound = false;
    const std::string text = "searched " + std::to_string(findings.searched.sources.size()) + " files and tables, " +
                             with_commas(findings.bytes) + " bytes decompressed, for " +
                             with_commas(findings.identifiers) + " identifiers\n" +
                             report(findings, open_secure_files(secure), all_sound);
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
    sound = all_sound ? 1 : 0;
  }
  comm.broadcast_value(sound);
  return sound != 0 ? kExitDone : kExitFailed;
}

}  // namespace ligature
