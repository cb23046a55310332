#include "io/machine_limits.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <sys/statvfs.h>
#include <unistd.h>

namespace ligature {

namespace {

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end != text.data() ? std::optional(value) : std::nullopt;
}

// The number that a file of one line holds; nothing for "max".
std::optional<std::uint64_t> number_in(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  return std::getline(file, line) ? number_of(line) : std::nullopt;
}

// The least limit of this process's control group and those above it.
std::optional<std::uint64_t> group_limit() {
  std::optional<std::uint64_t> least;
  const auto hold = [&](const std::optional<std::uint64_t>& limit) {
    if (limit && (!least || *limit < *least)) least = limit;
  };
  std::ifstream groups("/proc/self/cgroup");  // lines "hierarchy:controllers:path"
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool unified = controllers.empty();
    if (!unified && controllers != "memory") continue;
    const std::filesystem::path root = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    const char* const file = unified ? "memory.max" : "memory.limit_in_bytes";
    std::filesystem::path group = line.substr(second + 1);
    // In a container the path may be the host's; its own groups are then at the root.
    for (;; group = group.parent_path()) {
      hold(number_in(root / group.relative_path() / file));
      if (group.empty() || group == group.parent_path()) break;
    }
  }
  return least;
}

}  // namespace

MemoryLimit host_memory() {
  MemoryLimit limit{
      static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)),
      false};
  const auto hold = [&](const std::optional<std::uint64_t>& bytes) {
    if (bytes && *bytes > 0 && *bytes < limit.bytes) limit = {*bytes, true};
  };
  hold(group_limit());
  if (const char* const slurm = std::getenv("SLURM_MEM_PER_NODE")) {
    if (const auto mebibytes = number_of(slurm); mebibytes && *mebibytes < (std::uint64_t{1} << 40)) {
      hold(*mebibytes << 20);
    }
  }
  return limit;
}

std::uint64_t resident_memory() {
  std::ifstream status("/proc/self/status");  // lines "RssAnon:  1234 kB"
  std::uint64_t kibibytes = 0;
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("RssAnon:") && !line.starts_with("RssShmem:")) continue;
    const std::size_t digits = line.find_first_of("0123456789");
    if (digits != std::string::npos) kibibytes += number_of(std::string_view(line).substr(digits)).value_or(0);
  }
  return kibibytes << 10;
}

std::uint64_t free_space(const std::filesystem::path& folder) {
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0) return std::numeric_limits<std::uint64_t>::max();
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}

}  // namespace ligature
