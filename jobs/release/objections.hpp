// The objections that bind a release.
#pragma once

#include <string>

#include "engine/date.hpp"
#include "io/job_file.hpp"
#include "jobs/objectors.hpp"
#include "jobs/release/source.hpp"
#include "jobs/release/terms.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// The objections that a release leaves out, and the list that they are from.
struct Objections {
  Objectors found;
  std::string list_version;
  DayNumber as_at = kMissingDay;
};

// Collective.  Objections as they stand today, not as they stood when the dataset was made.
Objections find_objections(const Communicator& comm, const JobFile& job, const ReleaseSource& source,
                           const Terms& terms);

}  // namespace ligature
