// The [model] section of a job file, with its [[model.level]] tables.
#pragma once

#include "io/job_file.hpp"
#include "io/table_reader.hpp"

namespace ligature {

void read_model(TableReader table, JobFile& job, Mistakes& mistakes);

}  // namespace ligature
