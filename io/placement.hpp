// Where the ranks of a job stand on their hosts: which CPUs each may use, and which nobody uses.
//
// mpirun binds each rank to one core unless told otherwise, so that all threads of a rank share that core: the
// commonest way to lose most of a machine.  The run header says so.
#pragma once

#include <string>

#include "partition/communicator.hpp"

namespace ligature {

struct Placement {
  int hosts = 1;
  int ranks = 1;
  // Of the host of this rank, or after examine_placement of the worst host: the one that leaves most CPUs idle.
  int ranks_on_host = 1;
  int usable_cpus = 1;   // what the host's operating system lets this job use (its cpuset)
  int covered_cpus = 1;  // of them, those that any rank on the host may use
  int rank_cpus = 1;     // the fewest that one rank may use
  // Of this rank: the CPUs it may use, shared fairly with the ranks that may use the same ones; at least 1.
  int fair_threads = 1;
};

// Collective.  Every rank gets the same figures, except fair_threads.
Placement examine_placement(const Communicator& comm);

// "2 ranks on 1 host, 2 CPUs each of 2".
std::string describe(const Placement& placement);

// What is wrong with the placement when each rank runs this many threads, and what to do about it; empty if nothing is.
std::string placement_warning(const Placement& placement, int threads_per_rank);

}  // namespace ligature
