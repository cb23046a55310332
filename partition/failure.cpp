// A non-blocking barrier (MPI 3.1, section 5.12.1) on a duplicated communicator tells whether all ranks have arrived.
#include "partition/failure.hpp"

#include <cstdint>
#include <thread>
#include <vector>

namespace ligature {

FailureAgreement::FailureAgreement(const Communicator& comm) : rank_(comm.rank()) {
  check_mpi(MPI_Comm_dup(comm.handle(), &handle_), "MPI_Comm_dup");
}

FailureAgreement::~FailureAgreement() {
  require_mpi(MPI_Comm_free(&handle_), "MPI_Comm_free");
}

bool FailureAgreement::all_failed(std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  if (!begun_) check_mpi(MPI_Ibarrier(handle_, &barrier_), "MPI_Ibarrier");
  begun_ = true;
  for (;;) {
    int arrived = 0;
    check_mpi(MPI_Test(&barrier_, &arrived, MPI_STATUS_IGNORE), "MPI_Test");
    if (arrived != 0) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

bool FailureAgreement::should_print(const std::string& message) const {
  std::vector<char> first(message.begin(), message.end());
  std::uint64_t length = first.size();
  check_mpi(MPI_Bcast(&length, 1, MPI_UINT64_T, 0, handle_), "MPI_Bcast");
  constexpr std::uint64_t kEnough = 65536;  // messages that agree this far agree
  first.resize(length < kEnough ? length : kEnough);
  check_mpi(MPI_Bcast(first.data(), static_cast<int>(first.size()), MPI_CHAR, 0, handle_), "MPI_Bcast");
  if (rank_ == 0) return true;
  return message.size() != length || message.compare(0, first.size(), first.data(), first.size()) != 0;
}

}  // namespace ligature
