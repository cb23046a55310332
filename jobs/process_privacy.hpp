// What the system would otherwise keep or show of a process that holds identifiers: core files, and files open to all.
#pragma once

namespace ligature {

// Called first of all on every rank, before a second thread starts.
//   umask        nothing that is created can be written by the group or by others; secure files set stricter modes
//   core files   none is written, and no memory of the process is given to a core handler
// A limit that the system refuses to set is left as it is: the job runs, docs/confidentiality.md says what to check.
void keep_process_private() noexcept;

}  // namespace ligature
