#include "jobs/rebuild/run_terms.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>
#include <sys/stat.h>

#include "io/files.hpp"
#include "io/part_files.hpp"
#include "io/progress.hpp"

namespace ligature {

namespace {

constexpr std::size_t kMostNamed = 3;

// Keys and sections that a run may change and still go on.
constexpr std::array<std::string_view, 7> kFree{"job.name",
                                                "job.memory",
                                                "job.threads",
                                                "durability",
                                                "limits.max_quarantined_share",
                                                "consent.acknowledge",
                                                "limits.max_unusable_objections"};

bool is_free(std::string_view key) {
  return std::any_of(kFree.begin(), kFree.end(), [&](std::string_view free) {
    return key.starts_with(free) && (key.size() == free.size() || key[free.size()] == '.');
  });
}

std::string state_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return "not there";
  return fmt::format("{} bytes written at {}.{:09}", with_commas(static_cast<std::uint64_t>(status.st_size)),
                     status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

}  // namespace

RunTerms run_terms(const Communicator& comm, const JobFile& job, const Inputs& inputs, const std::string& key_id) {
  RunTerms terms;
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    terms.emplace_back("the version of ligature", LIGATURE_VERSION);
    terms.emplace_back("the key", "id " + key_id);
    for (const auto& [key, value] : job.stated) {
      if (!is_free(key)) terms.emplace_back(key + " of the job file", value);
    }
    const auto add_file = [&](const std::string& path) { terms.emplace_back(path, state_of(path)); };
    for (const InputFile& file : inputs.files) add_file(file.path);
    for (const std::string& pattern : job.consent.objections) {
      for (const std::string& path : expand_glob(pattern)) add_file(path);
    }
    for (const auto& path : {job.superseded, job.practices}) {
      if (path) add_file(path->string());
    }
    std::sort(terms.begin(), terms.end());
  });
  return terms;
}

std::string difference(const RunTerms& then, const RunTerms& now) {
  std::vector<std::string> found;
  auto a = then.begin(), b = now.begin();
  while (a != then.end() || b != now.end()) {
    const bool gone = b == now.end() || (a != then.end() && a->first < b->first);
    const bool added = a == then.end() || (b != now.end() && b->first < a->first);
    if (gone) {
      found.push_back(fmt::format("{} was {} and is not there", a->first, a->second));
    } else if (added) {
      found.push_back(fmt::format("{} is {} and was not there", b->first, b->second));
    } else if (a->second != b->second) {
      found.push_back(fmt::format("{} was {} and is {}", a->first, a->second, b->second));
    }
    if (!added) ++a;
    if (!gone) ++b;
  }
  if (found.empty()) return {};
  std::string text = fmt::format(
      "{}",
      fmt::join(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(std::min(found.size(), kMostNamed)), "; "));
  if (found.size() > kMostNamed) text += fmt::format("; and {} more", found.size() - kMostNamed);
  return text;
}

}  // namespace ligature
