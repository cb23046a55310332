// An MPI whose calls fail, for tests: loaded with LD_PRELOAD, through MPI's profiling interface (MPI 3.1, chapter 14).
//
// LIGATURE_MPI_FAULT=CALL:RANK:AFTER: on that rank the call returns MPI_ERR_OTHER once it went well AFTER times.
#include <cstdlib>
#include <string>

#include <mpi.h>

namespace {

// True if this call is to fail now.  MPI is called from one thread alone.
bool fails(const char* call) {
  static const char* const text = std::getenv("LIGATURE_MPI_FAULT");
  if (text == nullptr) return false;
  static const std::string settings = text;
  static const std::size_t first = settings.find(':'), second = settings.find(':', first + 1);
  if (settings.substr(0, first) != call) return false;
  int rank = 0;
  PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (std::atoi(settings.c_str() + first + 1) != rank) return false;
  static long after = std::atol(settings.c_str() + second + 1);
  return after-- <= 0;
}

}  // namespace

// MPI_NAME(parameters) that fails or passes its arguments on.
#define FAILING(name, parameters, arguments)                            \
  extern "C" int MPI_##name parameters {                                \
    return fails("MPI_" #name) ? MPI_ERR_OTHER : PMPI_##name arguments; \
  }

FAILING(Allreduce, (const void* in, void* out, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm),
        (in, out, count, type, op, comm))
FAILING(Exscan, (const void* in, void* out, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm),
        (in, out, count, type, op, comm))
FAILING(Barrier, (MPI_Comm comm), (comm))
FAILING(Bcast, (void* data, int count, MPI_Datatype type, int root, MPI_Comm comm), (data, count, type, root, comm))
FAILING(Allgather,
        (const void* in, int sent, MPI_Datatype in_type, void* out, int got, MPI_Datatype out_type, MPI_Comm comm),
        (in, sent, in_type, out, got, out_type, comm))
FAILING(Allgatherv,
        (const void* in, int sent, MPI_Datatype in_type, void* out, const int* got, const int* first,
         MPI_Datatype out_type, MPI_Comm comm),
        (in, sent, in_type, out, got, first, out_type, comm))
FAILING(Gather,
        (const void* in, int sent, MPI_Datatype in_type, void* out, int got, MPI_Datatype out_type, int root,
         MPI_Comm comm),
        (in, sent, in_type, out, got, out_type, root, comm))
FAILING(Alltoall,
        (const void* in, int sent, MPI_Datatype in_type, void* out, int got, MPI_Datatype out_type, MPI_Comm comm),
        (in, sent, in_type, out, got, out_type, comm))
FAILING(Isend, (const void* data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm, MPI_Request* request),
        (data, count, type, to, tag, comm, request))
FAILING(Irecv, (void* data, int count, MPI_Datatype type, int from, int tag, MPI_Comm comm, MPI_Request* request),
        (data, count, type, from, tag, comm, request))
FAILING(Waitsome, (int count, MPI_Request* requests, int* done, int* which, MPI_Status* statuses),
        (count, requests, done, which, statuses))
FAILING(Comm_dup, (MPI_Comm comm, MPI_Comm* copy), (comm, copy))
FAILING(Comm_set_errhandler, (MPI_Comm comm, MPI_Errhandler handler), (comm, handler))
FAILING(Finalize, (), ())
