#include "jobs/rebuild/fault_point.hpp"

#include <charconv>
#include <csignal>
#include <cstdlib>

#include "engine/error.hpp"

namespace ligature {

void fault_point(const Communicator& comm, std::string_view place) {
  const char* const variable = std::getenv("LIGATURE_FAULT");
  if (variable == nullptr) return;
  const std::string_view fault = variable;
  const std::size_t first = fault.find(':'), second = fault.find(':', first + 1);
  if (second == std::string_view::npos) throw UsageError("LIGATURE_FAULT must be PLACE:RANK:ACTION");
  int rank = -1;
  std::from_chars(fault.data() + first + 1, fault.data() + second, rank);
  if (fault.substr(0, first) != place || rank != comm.rank()) return;
  const std::string_view action = fault.substr(second + 1);
  if (action == "kill") std::raise(SIGKILL);
  if (action == "term") std::raise(SIGTERM);
  if (action == "stop") std::raise(SIGSTOP);
  if (action == "fail") throw Error("LIGATURE_FAULT asked for a failure");
}

}  // namespace ligature
