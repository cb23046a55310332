// Long buffers travel in pieces of kCollectiveBytes: MPI counts are int, and one piece bounds what MPI buffers.
#include "partition/communicator.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <utility>

#include "engine/error.hpp"
#include "partition/traffic.hpp"

namespace ligature {

namespace {

constexpr std::size_t kCollectiveBytes = std::size_t{16} << 20;

// Narrows a count that its caller has already bounded by kCollectiveBytes.
constexpr int mpi_count(std::size_t count) noexcept {
  return static_cast<int>(count);
}

// Waiting in a collective to which this rank gives, and from which it gets, so many bytes; a rank alone sends nothing.
class Collective : Waiting {
 public:
  Collective(const char* call, const Communicator& comm, std::size_t sent, std::size_t received) noexcept
      : Waiting(call) {
    if (comm.size() == 1) return;
    traffic().bytes_sent += sent;
    traffic().bytes_received += received;
  }
};

template <typename T>
T all_reduce(T value, MPI_Datatype type, MPI_Op operation, const Communicator& comm) {
  const Collective waiting("MPI_Allreduce", comm, sizeof value, sizeof value);
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, &value, 1, type, operation, comm.handle()), "MPI_Allreduce");
  return value;
}

// Ranks of one host need no network, and looking for one is most of Open MPI's start: 0.2 s.  A process alone needs no
// daemon beside it.  What the user has set stands; where another launcher tells less, nothing is set.
void spare_the_network() noexcept {
  const auto value = [](const char* name) {
    const char* const text = std::getenv(name);
    return text == nullptr ? std::string_view() : std::string_view(text);
  };
  const bool is_launched =
      std::ranges::any_of(std::array{"OMPI_COMM_WORLD_SIZE", "PMIX_NAMESPACE", "PMI_RANK", "PMI_FD", "SLURM_PROCID"},
                          [&](const char* name) { return !value(name).empty(); });
  const std::string_view ranks = value("OMPI_COMM_WORLD_SIZE");
  if (is_launched && (ranks.empty() || ranks != value("OMPI_COMM_WORLD_LOCAL_SIZE"))) return;
  if (value("OMPI_MCA_mtl").empty() && value("OMPI_MCA_btl").empty()) ::setenv("OMPI_MCA_pml", "ob1", 0);
  if (!is_launched) ::setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
}

bool mpi_is_running() noexcept {
  int initialised = 0, finalised = 0;
  MPI_Initialized(&initialised);
  MPI_Finalized(&finalised);
  return initialised != 0 && finalised == 0;
}

}  // namespace

void check_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING + 1> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw Error(std::string(call) + " failed: " + std::string(text.data(), static_cast<std::size_t>(length)));
}

void require_mpi(int code, const char* call) noexcept {
  try {
    check_mpi(code, call);
  } catch (const std::exception& error) {
    abort_job(error.what(), kExitFailed);
  }
}

MpiEnvironment::MpiEnvironment(int& argc, char**& argv) {
  spare_the_network();
  int provided = MPI_THREAD_SINGLE;
  if (MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS || provided < MPI_THREAD_FUNNELED) {
    abort_job("this MPI library does not allow threads beside the one that communicates (MPI_THREAD_FUNNELED)",
              kExitFailed);
  }
  // The default handler would end the job without saying what the engine was doing; communicators split from the world
  // inherit this one.
  require_mpi(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
}

MpiEnvironment::~MpiEnvironment() {
  // A rank that fails alone must not wait here for ranks that wait for it elsewhere: whoever catches calls abort_job.
  if (std::uncaught_exceptions() != 0 || !mpi_is_running()) return;
  if (MPI_Finalize() == MPI_SUCCESS) return;
  // MPI can no longer be asked to end the others; the launcher does so when a rank ends like this.
  std::fputs("ligature: MPI_Finalize failed\n", stderr);
  std::_Exit(kExitFailed);
}

void abort_job(const std::string& message, int exit_code) {
  const bool running = mpi_is_running();
  int rank = 0;
  if (running) MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  // One write, so that lines of ranks that fail together do not mix.
  const std::string line = "ligature: rank " + std::to_string(rank) + ": " + message + "\n";
  std::fflush(stdout);
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
  if (running) MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);  // MPI_Abort may return by the standard's letter
}

Communicator::Communicator(MPI_Comm handle, bool owned) : handle_(handle), owned_(owned) {
  check_mpi(MPI_Comm_rank(handle_, &rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(handle_, &size_), "MPI_Comm_size");
}

Communicator Communicator::world() {
  return {MPI_COMM_WORLD, false};
}

Communicator Communicator::split(int colour) const {
  MPI_Comm part = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(handle_, colour, rank_, &part), "MPI_Comm_split");
  return {part, true};
}

Communicator::Communicator(Communicator&& other) noexcept
    : handle_(std::exchange(other.handle_, MPI_COMM_NULL)),
      owned_(std::exchange(other.owned_, false)),
      rank_(other.rank_),
      size_(other.size_) {}

Communicator::~Communicator() {
  // MPI_Comm_free is collective: while unwinding, the other ranks do not come.
  if (owned_ && std::uncaught_exceptions() == 0 && mpi_is_running()) {
    require_mpi(MPI_Comm_free(&handle_), "MPI_Comm_free");
  }
}

void Communicator::barrier() const {
  const Collective waiting("MPI_Barrier", *this, 0, 0);
  check_mpi(MPI_Barrier(handle_), "MPI_Barrier");
}

void Communicator::sum(std::span<std::uint64_t> values) const {
  const Collective waiting("MPI_Allreduce", *this, values.size_bytes(), values.size_bytes());
  constexpr std::size_t kPiece = kCollectiveBytes / sizeof(std::uint64_t);
  for (std::size_t begin = 0; begin < values.size(); begin += kPiece) {
    const std::size_t count = std::min(kPiece, values.size() - begin);
    check_mpi(MPI_Allreduce(MPI_IN_PLACE, values.data() + begin, mpi_count(count), MPI_UINT64_T, MPI_SUM, handle_),
              "MPI_Allreduce");
  }
}

std::uint64_t Communicator::sum(std::uint64_t value) const {
  return all_reduce(value, MPI_UINT64_T, MPI_SUM, *this);
}
std::uint64_t Communicator::max(std::uint64_t value) const {
  return all_reduce(value, MPI_UINT64_T, MPI_MAX, *this);
}
std::uint64_t Communicator::min(std::uint64_t value) const {
  return all_reduce(value, MPI_UINT64_T, MPI_MIN, *this);
}
double Communicator::max(double value) const {
  return all_reduce(value, MPI_DOUBLE, MPI_MAX, *this);
}
bool Communicator::any(bool value) const {
  return max(std::uint64_t{value ? 1U : 0U}) != 0;
}

std::uint64_t Communicator::exclusive_sum(std::uint64_t value) const {
  const Collective waiting("MPI_Exscan", *this, sizeof value, sizeof value);
  std::uint64_t before = 0;
  check_mpi(MPI_Exscan(&value, &before, 1, MPI_UINT64_T, MPI_SUM, handle_), "MPI_Exscan");
  return rank_ == 0 ? 0 : before;  // MPI leaves rank 0's result undefined
}

std::vector<std::uint64_t> Communicator::all_gather(std::uint64_t value) const {
  std::vector<std::uint64_t> values(static_cast<std::size_t>(size_));
  const Collective waiting("MPI_Allgather", *this, sizeof value, values.size() * sizeof value);
  check_mpi(MPI_Allgather(&value, 1, MPI_UINT64_T, values.data(), 1, MPI_UINT64_T, handle_), "MPI_Allgather");
  return values;
}

std::vector<std::byte> Communicator::all_gather_bytes(std::span<const std::byte> bytes) const {
  const std::vector<std::uint64_t> lengths = all_gather(bytes.size());
  const auto ranks = static_cast<std::size_t>(size_);
  std::vector<std::uint64_t> first(ranks + 1, 0);
  for (std::size_t r = 0; r < ranks; ++r) first[r + 1] = first[r] + lengths[r];
  std::vector<std::byte> all(first.back());

  // Rounds of at most kCollectiveBytes over all ranks, so that neither counts nor displacements leave an int.
  const std::size_t quota = std::max(std::size_t{1}, kCollectiveBytes / ranks);
  const std::uint64_t longest = *std::max_element(lengths.begin(), lengths.end());
  std::vector<std::byte> piece;
  std::vector<int> counts(ranks), displacements(ranks);
  for (std::uint64_t done = 0; done < longest; done += quota) {
    std::size_t total = 0;
    for (std::size_t r = 0; r < ranks; ++r) {
      const std::uint64_t count = lengths[r] <= done ? 0 : std::min<std::uint64_t>(quota, lengths[r] - done);
      counts[r] = mpi_count(count);
      displacements[r] = mpi_count(total);
      total += count;
    }
    piece.resize(total);
    const int mine = counts[static_cast<std::size_t>(rank_)];
    const Collective waiting("MPI_Allgatherv", *this, static_cast<std::size_t>(mine), total);
    check_mpi(MPI_Allgatherv(mine == 0 ? nullptr : bytes.data() + done, mine, MPI_BYTE, piece.data(), counts.data(),
                             displacements.data(), MPI_BYTE, handle_),
              "MPI_Allgatherv");
    for (std::size_t r = 0; r < ranks; ++r) {
      std::copy_n(piece.begin() + displacements[r], counts[r],
                  all.begin() + static_cast<std::ptrdiff_t>(first[r] + done));
    }
  }
  return all;
}

std::vector<std::byte> Communicator::gather_bytes(std::span<const std::byte> bytes) const {
  const auto ranks = static_cast<std::size_t>(size_);
  // A collective whose ranks disagree on sizes hangs or cuts short: it must not begin.
  const std::uint64_t most = max(std::uint64_t{bytes.size()});
  if (min(std::uint64_t{bytes.size()}) != most) throw Error("gather: ranks give records of different sizes");
  if (most > kCollectiveBytes) throw Error("gather: more than a small record of each rank");
  std::vector<std::byte> all(is_root() ? ranks * bytes.size() : 0);
  const Collective waiting("MPI_Gather", *this, bytes.size(), all.size());
  check_mpi(MPI_Gather(bytes.data(), mpi_count(bytes.size()), MPI_BYTE, all.data(), mpi_count(bytes.size()), MPI_BYTE,
                       0, handle_),
            "MPI_Gather");
  return all;
}

void Communicator::broadcast_raw(void* data, std::size_t bytes, int root) const {
  const Collective waiting("MPI_Bcast", *this, rank_ == root ? bytes : 0, rank_ == root ? 0 : bytes);
  auto* position = static_cast<std::byte*>(data);
  for (std::size_t done = 0; done < bytes; done += kCollectiveBytes) {
    const std::size_t count = std::min(kCollectiveBytes, bytes - done);
    check_mpi(MPI_Bcast(position + done, mpi_count(count), MPI_BYTE, root, handle_), "MPI_Bcast");
  }
}

void Communicator::broadcast(std::vector<std::byte>& bytes, int root) const {
  std::uint64_t length = bytes.size();
  broadcast_value(length, root);
  bytes.resize(length);
  broadcast_raw(bytes.data(), bytes.size(), root);
}

void Communicator::broadcast(std::string& text, int root) const {
  std::uint64_t length = text.size();
  broadcast_value(length, root);
  text.resize(length);
  broadcast_raw(text.data(), text.size(), root);
}

void Communicator::agree(const std::optional<std::string>& problem, int exit_code) const {
  const auto none = static_cast<std::uint64_t>(size_);
  const std::uint64_t speaker = min(problem ? static_cast<std::uint64_t>(rank_) : none);
  if (speaker == none) return;
  std::string message = problem.value_or(std::string());
  broadcast(message, static_cast<int>(speaker));
  broadcast_value(exit_code, static_cast<int>(speaker));
  throw Error(message, exit_code);
}

}  // namespace ligature
