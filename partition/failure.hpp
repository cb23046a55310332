// Did every rank fail, or this one alone?  What main asks before it ends a job.
//
// A mistake that all ranks find (a wrong job file, an agreed stage failure) should be printed once and end every rank
// in good order; a rank that fails alone must end the others at once, because they wait for it in a collective.
#pragma once

#include <chrono>
#include <string>

#include "partition/communicator.hpp"

namespace ligature {

class FailureAgreement {
 public:
  // Collective.  Works on a communicator of its own, so that other collectives in flight do not matter.
  explicit FailureAgreement(const Communicator& comm);
  ~FailureAgreement();
  FailureAgreement(const FailureAgreement&) = delete;
  FailureAgreement& operator=(const FailureAgreement&) = delete;

  // Called by a rank that cannot go on.  Waits at most `patience` for all other ranks to call it too.  True: all did.
  // False: they are at work, and the caller must end the job (abort_job), or ask again.
  [[nodiscard]] bool all_failed(std::chrono::milliseconds patience);

  // Collective, after all_failed() gave true.  True on the ranks that should print: rank 0, and those whose message is
  // not rank 0's.
  [[nodiscard]] bool should_print(const std::string& message) const;

 private:
  MPI_Comm handle_ = MPI_COMM_NULL;
  MPI_Request barrier_ = MPI_REQUEST_NULL;
  bool begun_ = false;
  int rank_ = 0;
};

}  // namespace ligature
