// Faults on demand, for tests: the environment variable LIGATURE_FAULT=PLACE:RANK:ACTION makes that rank do something
// to itself when it comes to a place of a run (docs/durability.md).
#pragma once

#include <string_view>

#include "partition/communicator.hpp"

namespace ligature {

// place: the name of a stage, as it begins, or "checkpoint-NAME", when all of it is on the disk but its name.
void fault_point(const Communicator& comm, std::string_view place);

}  // namespace ligature
