// MPI behind RAII: the environment, a communicator, and the few collectives that the engine needs, with 64-bit counts.
//
// The only folder that calls MPI is this one.  MPI is called from the main thread alone (MPI_THREAD_FUNNELED), never
// inside a parallel region.  A failing MPI call throws; an exception that reaches main ends all ranks (abort_job).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <mpi.h>

namespace ligature {

// Initialises MPI; the first object in main, so that it dies last.  Refuses a library without MPI_THREAD_FUNNELED.
// Sets Open MPI's settings for ranks of one host (docs/tuning.md) in the environment, so no thread may run yet.
class MpiEnvironment {
 public:
  MpiEnvironment(int& argc, char**& argv);
  ~MpiEnvironment();
  MpiEnvironment(const MpiEnvironment&) = delete;
  MpiEnvironment& operator=(const MpiEnvironment&) = delete;
};

// Prints "ligature: rank R: message" to standard error and ends every rank of the job with exit_code.  Does not return.
[[noreturn]] void abort_job(const std::string& message, int exit_code);

// A group of ranks.  Not owned: the world communicator, or a split of it that this object frees.
class Communicator {
 public:
  static Communicator world();
  // Collective.  The ranks that give the same colour (0 or more), in the order of their ranks here.
  [[nodiscard]] Communicator split(int colour) const;
  Communicator(Communicator&& other) noexcept;
  Communicator& operator=(Communicator&&) = delete;
  Communicator(const Communicator&) = delete;
  ~Communicator();

  [[nodiscard]] int rank() const noexcept { return rank_; }
  [[nodiscard]] int size() const noexcept { return size_; }
  [[nodiscard]] bool is_root() const noexcept { return rank_ == 0; }
  [[nodiscard]] MPI_Comm handle() const noexcept { return handle_; }

  // Collective.
  void barrier() const;

  // Collective.  Element-wise over all ranks; every rank gets the result.  Integers only: exact in any order.
  void sum(std::span<std::uint64_t> values) const;
  [[nodiscard]] std::uint64_t sum(std::uint64_t value) const;
  [[nodiscard]] std::uint64_t max(std::uint64_t value) const;
  [[nodiscard]] std::uint64_t min(std::uint64_t value) const;
  [[nodiscard]] double max(double value) const;
  [[nodiscard]] bool any(bool value) const;

  // Collective.  The sum of value over the ranks before this one (0 on rank 0).
  [[nodiscard]] std::uint64_t exclusive_sum(std::uint64_t value) const;

  // Collective.  One value of each rank, in rank order, on every rank.
  [[nodiscard]] std::vector<std::uint64_t> all_gather(std::uint64_t value) const;

  // Collective.  The concatenation over ranks, in rank order, on every rank.  For metadata: keep it small.
  template <typename T>
  [[nodiscard]] std::vector<T> all_gather(std::span<const T> values) const {
    static_assert(std::is_trivially_copyable_v<T>);
    const std::vector<std::byte> bytes = all_gather_bytes(std::as_bytes(values));
    std::vector<T> result(bytes.size() / sizeof(T));
    if (!bytes.empty()) std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
  }
  [[nodiscard]] std::vector<std::byte> all_gather_bytes(std::span<const std::byte> bytes) const;

  // Collective.  As many values of every rank, or all throw Error; in rank order on the root, nothing on the others.
  template <typename T>
  [[nodiscard]] std::vector<T> gather(std::span<const T> values) const {
    static_assert(std::is_trivially_copyable_v<T>);
    const std::vector<std::byte> bytes = gather_bytes(std::as_bytes(values));
    std::vector<T> result(bytes.size() / sizeof(T));
    if (!bytes.empty()) std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
  }

  // Collective.  root's bytes on every rank; any length.
  void broadcast(std::vector<std::byte>& bytes, int root = 0) const;
  void broadcast(std::string& text, int root = 0) const;
  template <typename T>
  void broadcast_value(T& value, int root = 0) const {
    static_assert(std::is_trivially_copyable_v<T>);
    broadcast_raw(&value, sizeof(T), root);
  }

  // Collective.  Throws the same Error on every rank (that of the lowest rank that has one) if any rank gives a
  // message; returns on every rank if none does.  The agreement point of a stage whose ranks may fail alone.
  void agree(const std::optional<std::string>& problem, int exit_code = 1) const;

 private:
  Communicator(MPI_Comm handle, bool owned);
  [[nodiscard]] std::vector<std::byte> gather_bytes(std::span<const std::byte> bytes) const;
  void broadcast_raw(void* data, std::size_t bytes, int root) const;
  MPI_Comm handle_;
  bool owned_;
  int rank_ = 0;
  int size_ = 1;
};

// Throws Error with MPI's own text if code is not MPI_SUCCESS.
void check_mpi(int code, const char* call);
// The same where nothing can be thrown: ends the job (abort_job).
void require_mpi(int code, const char* call) noexcept;

}  // namespace ligature
