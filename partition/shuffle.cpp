// The exchange itself: counts by one small all-to-all, then chunks by Isend and Irecv.
//
// In step s of p - 1 rank r sends to (r + s) mod p and receives from (r - s) mod p, so that in each step every rank has
// one sender and one receiver.  At most kWindow sends and kWindow receives are under way.  A rank starts its messages
// in the order of steps, and so does its partner: the first message that is not done always has both ends, no deadlock.
#include "partition/shuffle.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "engine/error.hpp"
#include "partition/traffic.hpp"

namespace ligature {

namespace {

constexpr std::size_t kWindow = 4;
constexpr int kTag = 1;  // one tag does: messages between two ranks do not overtake each other (MPI 3.1, section 3.5)

// The chunks that this rank sends, or receives, in the order of the schedule.
class ChunkSchedule {
 public:
  struct Chunk {
    int peer = 0;
    std::uint64_t begin = 0;
    int bytes = 0;
  };

  // direction: 1 to walk the ranks upwards from this one, -1 downwards.  first: ranks + 1 byte offsets by peer.
  ChunkSchedule(const Communicator& comm, int direction, std::span<const std::uint64_t> first, std::size_t chunk_bytes)
      : ranks_(comm.size()), rank_(comm.rank()), direction_(direction), first_(first), chunk_bytes_(chunk_bytes) {
    enter_step();
  }

  bool next(Chunk& chunk) {
    while (step_ < ranks_ && position_ == end_) {
      ++step_;
      enter_step();
    }
    if (step_ == ranks_) return false;
    const std::uint64_t bytes = std::min<std::uint64_t>(chunk_bytes_, end_ - position_);
    chunk = {peer_, position_, static_cast<int>(bytes)};
    position_ += bytes;
    return true;
  }

 private:
  void enter_step() {
    if (step_ == ranks_) return;
    peer_ = (rank_ + direction_ * step_ + ranks_) % ranks_;
    position_ = first_[static_cast<std::size_t>(peer_)];
    end_ = first_[static_cast<std::size_t>(peer_) + 1];
  }

  int ranks_, rank_, direction_;
  std::span<const std::uint64_t> first_;
  std::size_t chunk_bytes_;
  int step_ = 1;
  int peer_ = 0;
  std::uint64_t position_ = 0, end_ = 0;
};

void check_offsets(const Communicator& comm, std::size_t bytes, std::span<const std::uint64_t> first) {
  if (first.size() != static_cast<std::size_t>(comm.size()) + 1 || !std::is_sorted(first.begin(), first.end()) ||
      first.back() > bytes) {
    throw Error("exchange: the offsets by rank do not divide what is to be sent");
  }
}

}  // namespace

std::vector<std::uint64_t> exchange_into(const Communicator& comm, std::span<const std::byte> send,
                                         std::span<const std::uint64_t> send_first,
                                         const std::function<std::byte*(std::size_t)>& receive, OwnPart own,
                                         std::size_t chunk_bytes) {
  check_offsets(comm, send.size(), send_first);
  if (chunk_bytes == 0 || chunk_bytes > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    throw Error("exchange: a chunk must have 1 to 2^31 - 1 bytes");
  }
  const auto ranks = static_cast<std::size_t>(comm.size());
  const auto self = static_cast<std::size_t>(comm.rank());

  std::vector<std::uint64_t> send_counts(ranks), receive_counts(ranks);
  for (std::size_t r = 0; r < ranks; ++r) send_counts[r] = send_first[r + 1] - send_first[r];
  {
    const Waiting waiting("exchange of sizes");
    check_mpi(MPI_Alltoall(send_counts.data(), 1, MPI_UINT64_T, receive_counts.data(), 1, MPI_UINT64_T, comm.handle()),
              "MPI_Alltoall");
  }
  if (own == OwnPart::left) receive_counts[self] = 0;
  std::vector<std::uint64_t> receive_first(ranks + 1, 0);
  for (std::size_t r = 0; r < ranks; ++r) receive_first[r + 1] = receive_first[r] + receive_counts[r];
  std::byte* const target = receive(receive_first.back());
  traffic().bytes_sent += send_first[ranks] - send_first[0] - send_counts[self];
  traffic().bytes_received += receive_first[ranks] - receive_counts[self];

  ChunkSchedule sends(comm, 1, send_first, chunk_bytes);
  ChunkSchedule receives(comm, -1, receive_first, chunk_bytes);
  std::array<MPI_Request, 2 * kWindow> requests;  // receives first, then sends
  requests.fill(MPI_REQUEST_NULL);
  // With messages under way nothing may be thrown: they would arrive in memory that is no longer theirs.
  const auto start = [&](std::size_t slot) {
    ChunkSchedule::Chunk chunk;
    if (slot < kWindow) {
      if (!receives.next(chunk)) return;
      require_mpi(
          MPI_Irecv(target + chunk.begin, chunk.bytes, MPI_BYTE, chunk.peer, kTag, comm.handle(), &requests[slot]),
          "MPI_Irecv");
    } else {
      if (!sends.next(chunk)) return;
      require_mpi(
          MPI_Isend(send.data() + chunk.begin, chunk.bytes, MPI_BYTE, chunk.peer, kTag, comm.handle(), &requests[slot]),
          "MPI_Isend");
    }
  };
  for (std::size_t slot = 0; slot < requests.size(); ++slot) start(slot);

  // This rank's own part, while the first chunks fly.
  if (receive_counts[self] != 0) {
    std::memcpy(target + receive_first[self], send.data() + send_first[self], receive_counts[self]);
  }

  const Waiting waiting("exchange");
  for (;;) {
    int done = 0;
    std::array<int, 2 * kWindow> finished{};
    require_mpi(
        MPI_Waitsome(static_cast<int>(requests.size()), requests.data(), &done, finished.data(), MPI_STATUSES_IGNORE),
        "MPI_Waitsome");
    if (done == MPI_UNDEFINED) break;
    for (int i = 0; i < done; ++i) start(static_cast<std::size_t>(finished[static_cast<std::size_t>(i)]));
  }
  return receive_first;
}

}  // namespace ligature
