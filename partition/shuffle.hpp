// The shuffle: items to the ranks that own them, in bounded memory, with any number of bytes between two ranks.
//
// Messages are cut into chunks (kChunkBytes) sent in rounds of point-to-point calls, so no count nears 2^31 and MPI
// buffers little: MPI_Alltoallv's int displacements and 4.1.4's known overflow in large alltoalls are never met.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <type_traits>
#include <vector>

#include "engine/raw_vector.hpp"
#include "partition/communicator.hpp"

namespace ligature {

inline constexpr std::size_t kChunkBytes = std::size_t{4} << 20;

// What this rank got: items in the order of the source ranks, first[r] .. first[r+1] from rank r, in its order.
template <typename T, typename Allocator = std::allocator<T>>
struct Received {
  std::vector<T, Allocator> items;
  std::vector<std::uint64_t> first;  // ranks + 1 entries
};

// Bytes of each source, back to back.  send_first: ranks + 1 offsets into send.
struct ReceivedBytes {
  std::vector<std::byte> bytes;
  std::vector<std::uint64_t> first;
};

// Whether what a rank sends to itself is received too, or left where it is.
enum class OwnPart : bool { received, left };

// Collective.  Receives directly into receive(total_bytes), which must return room for that many bytes.
// Returns ranks + 1 byte offsets by source.  chunk_bytes: kChunkBytes but in tests; it and own the same on every rank.
std::vector<std::uint64_t> exchange_into(const Communicator& comm, std::span<const std::byte> send,
                                         std::span<const std::uint64_t> send_first,
                                         const std::function<std::byte*(std::size_t)>& receive,
                                         OwnPart own = OwnPart::received, std::size_t chunk_bytes = kChunkBytes);

// Collective.  Sends items [send_first[r], send_first[r+1]) to rank r.
template <typename T>
Received<T> exchange(const Communicator& comm, std::span<const T> items, std::span<const std::uint64_t> send_first);

// Collective.  The same for items without initial values; they are freed when they are sent.
template <typename T>
Received<T, WithoutInitialValue<T>> exchange_raw(const Communicator& comm, RawVector<T>&& items,
                                                 std::span<const std::uint64_t> send_first);

// Collective.  Sends each item to rank destination(item); items of one source keep their order.  Items are consumed.
// destination: a pure function, called from several threads and more than once an item.
// Memory: the input and one copy sorted by destination; then that copy and what is received.  With a route, items that
// come in the order of their destinations are sent from where they are.  Of a RawVector, a RawVector comes: many items
// are better off without initial values.
template <typename T, typename Allocator, typename Destination>
Received<T, Allocator> shuffle(const Communicator& comm, std::vector<T, Allocator>&& items,
                               const Destination& destination);

// The way back of a shuffle: one reply for each item received, in order of receipt, goes to the rank that sent the
// item; each rank gets its replies in the order in which its items were given to shuffle.
class ReturnRoute;
template <typename T, typename Allocator, typename Destination>
Received<T, Allocator> shuffle(const Communicator& comm, std::vector<T, Allocator>&& items,
                               const Destination& destination, ReturnRoute& route);

// A reply to one of many items: in a reply its place among those received, in an answer among those given to shuffle.
template <typename R>
struct ReplyTo {
  std::uint64_t item = 0;
  R reply{};
};

class ReturnRoute {
 public:
  // Collective.
  template <typename R>
  std::vector<R> reply(const Communicator& comm, std::span<const R> replies) const;
  // The same of replies that are not needed any more: on one rank they stay where they are.
  template <typename R, typename Allocator>
  std::vector<R, Allocator> reply(const Communicator& comm, std::vector<R, Allocator>&& replies) const;
  // Collective.  Replies to some items only, ascending; of one item there may be several.  Returns them ascending.
  template <typename R, typename Allocator>
  std::vector<ReplyTo<R>, Allocator> reply_to_some(const Communicator& comm,
                                                   std::vector<ReplyTo<R>, Allocator>&& replies) const;
  [[nodiscard]] std::uint64_t items() const noexcept { return sent_; }  // that were given to shuffle

 private:
  template <typename T, typename Allocator, typename Destination>
  friend Received<T, Allocator> shuffle(const Communicator&, std::vector<T, Allocator>&&, const Destination&,
                                        ReturnRoute&);
  std::vector<std::uint64_t> received_first_;  // by source, in items
  std::vector<std::uint64_t> sent_first_;      // by destination, in items
  std::uint64_t sent_ = 0;                     // items given to shuffle
  std::vector<std::uint32_t> sent_to_;         // destination rank of each; none if they were in the order of ranks
};

// Collective.  A stream of batches: each round every rank offers a batch (empty when it has no more), the round's items
// are exchanged, and deliver(items, source), items a std::span<T>, is called for each source in rank order, also when
// it sent nothing.  next() gives a std::vector<T> or RawVector<T>; the stream ends when it is empty on all ranks.
// Memory: one batch sent and what one round brings.  The interleaving of rounds depends on the number of ranks: what
// must not depend on it has to be sorted by content afterwards.
template <typename T, typename Next, typename Destination, typename Deliver>
void shuffle_stream(const Communicator& comm, const Next& next, const Destination& destination, const Deliver& deliver);

}  // namespace ligature

#include "partition/shuffle_impl.hpp"
