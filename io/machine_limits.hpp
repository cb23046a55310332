// What this host lets the job have: memory by the control group or the scheduler, and room on a disk.
#pragma once

#include <cstdint>
#include <filesystem>

namespace ligature {

struct MemoryLimit {
  std::uint64_t bytes = 0;  // on this host, for all ranks together
  bool allotted = false;    // by a control group or by Slurm, and so not shared with others
};

// The least of the host's memory, what its control groups allow (cgroup v2 memory.max, v1 memory.limit_in_bytes), and
// Slurm's allocation (SLURM_MEM_PER_NODE).
MemoryLimit host_memory();

// Bytes that this process holds now and no file backs: its own and what it shares with others (RssAnon, RssShmem); 0
// where the system does not say.
std::uint64_t resident_memory();

// Bytes that this user can still write below a folder that exists; the largest number where that is not known.
std::uint64_t free_space(const std::filesystem::path& folder);

}  // namespace ligature
