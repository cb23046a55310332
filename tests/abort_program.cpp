// A job in which one rank fails alone while the others wait for it: what abort_test.sh starts.
//
// abort_program throw: rank 1 throws, as a stage does.  abort_program mpi: an MPI call of rank 1 fails.
#include <cstddef>
#include <exception>
#include <string>

#include "engine/error.hpp"
#include "partition/communicator.hpp"

int main(int argc, char** argv) {
  const ligature::MpiEnvironment environment(argc, argv);
  try {
    const std::string failure = argc > 1 ? argv[1] : "";
    const ligature::Communicator world = ligature::Communicator::world();
    const std::byte nothing{};
    if (world.rank() == 1 && failure == "throw") throw ligature::LimitError("the extract breaks a limit");
    if (world.rank() == 1 && failure == "mpi") {
      ligature::check_mpi(MPI_Send(&nothing, 1, MPI_BYTE, world.size(), 0, world.handle()), "MPI_Send");
    }
    world.barrier();
    return ligature::kExitDone;
  } catch (const ligature::Error& error) {
    ligature::abort_job(error.what(), error.exit_code());
  } catch (const std::exception& error) {
    ligature::abort_job(error.what(), ligature::kExitFailed);
  }
}
