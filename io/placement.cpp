// Affinity masks by sched_getaffinity(2), gathered over ranks.  A mask is kept as 64-bit words of up to 1,024 CPUs.
#include "io/placement.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

namespace ligature {
namespace {

constexpr std::size_t kMaskWords = CPU_SETSIZE / 64;
using Mask = std::array<std::uint64_t, kMaskWords>;

int count(const Mask& mask) noexcept {
  int cpus = 0;
  for (const std::uint64_t word : mask) cpus += std::popcount(word);
  return cpus;
}

Mask affinity_of_this_thread() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  Mask mask{};
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) CPU_SET(0, &set);
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) mask[cpu / 64] |= std::uint64_t{1} << (cpu % 64);
  }
  return mask;
}

// The CPUs that the operating system would allow: a thread of its own asks for all, and gets those of the cpuset.
Mask usable_by_this_process() {
  Mask mask{};
  std::thread([&mask] {
    cpu_set_t all;
    CPU_ZERO(&all);
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) CPU_SET(cpu, &all);
    static_cast<void>(::sched_setaffinity(0, sizeof(all), &all));  // refused: the mask stays what it was
    mask = affinity_of_this_thread();
  }).join();
  return mask;
}

// What a rank tells the others.
struct RankPlace {
  std::uint64_t host = 0;
  Mask allowed{};
  Mask usable{};
};

RankPlace place_of_this_rank() {
  RankPlace place;
  std::array<char, 256> name{};
  static_cast<void>(::gethostname(name.data(), name.size() - 1));
  std::uint64_t hash = 14695981039346656037U;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  place.host = hash;
  place.allowed = affinity_of_this_thread();
  place.usable = usable_by_this_process();
  return place;
}

struct Host {
  int ranks = 0;
  int fewest = CPU_SETSIZE;
  Mask covered{};
  Mask usable{};
};

}  // namespace

Placement examine_placement(const Communicator& comm) {
  const RankPlace mine = place_of_this_rank();
  const std::vector<RankPlace> all = comm.all_gather(std::span<const RankPlace>(&mine, 1));
  std::map<std::uint64_t, Host> hosts;
  std::map<std::size_t, int> sharers;  // CPU -> ranks of this host that may use it
  for (const RankPlace& place : all) {
    Host& host = hosts[place.host];
    ++host.ranks;
    host.fewest = std::min(host.fewest, count(place.allowed));
    for (std::size_t w = 0; w < kMaskWords; ++w) {
      host.covered[w] |= place.allowed[w];
      host.usable[w] |= place.usable[w] | place.allowed[w];
    }
    if (place.host != mine.host) continue;
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if ((place.allowed[cpu / 64] >> (cpu % 64) & 1U) != 0) ++sharers[cpu];
    }
  }
  Placement result;
  result.hosts = static_cast<int>(hosts.size());
  result.ranks = comm.size();
  int most_idle = -1;
  for (const auto& [name, host] : hosts) {
    const int idle = count(host.usable) - count(host.covered);
    if (idle < most_idle || (idle == most_idle && host.ranks <= result.ranks_on_host)) continue;
    most_idle = idle;
    result.ranks_on_host = host.ranks;
    result.usable_cpus = count(host.usable);
    result.covered_cpus = count(host.covered);
    result.rank_cpus = host.fewest;
  }
  double share = 0;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if ((mine.allowed[cpu / 64] >> (cpu % 64) & 1U) != 0) share += 1.0 / sharers[cpu];
  }
  constexpr double kRounding = 1e-6;
  result.fair_threads = std::max(1, static_cast<int>(share + kRounding));
  return result;
}

std::string describe(const Placement& p) {
  const auto plural = [](int number) { return number == 1 ? "" : "s"; };
  return fmt::format("{} rank{} on {} host{}, {} CPU{} each of {}", p.ranks, plural(p.ranks), p.hosts, plural(p.hosts),
                     p.rank_cpus, plural(p.rank_cpus), p.usable_cpus);
}

std::string placement_warning(const Placement& p, int threads_per_rank) {
  if (p.covered_cpus < p.usable_cpus) {
    return fmt::format(
        "{} of {} CPUs are idle: the {} rank(s) of a host are bound to {} of them; start mpirun with --bind-to none, "
        "or "
        "with --map-by slot:PE={} --bind-to core",
        p.usable_cpus - p.covered_cpus, p.usable_cpus, p.ranks_on_host, p.covered_cpus,
        std::max(1, p.usable_cpus / p.ranks_on_host));
  }
  if (threads_per_rank > p.rank_cpus) {
    return fmt::format("{} threads a rank on {} CPU(s): set job.threads to {} or bind ranks to more CPUs",
                       threads_per_rank, p.rank_cpus, p.rank_cpus);
  }
  if (const int threads = p.ranks_on_host * threads_per_rank; threads > p.covered_cpus) {
    const int fair = p.covered_cpus / p.ranks_on_host;
    return fmt::format("{} threads of {} rank(s) share {} CPU(s) of a host: {}", threads, p.ranks_on_host,
                       p.covered_cpus, fair > 0 ? fmt::format("set job.threads to {}", fair) : "run fewer ranks on it");
  }
  return {};
}

}  // namespace ligature
