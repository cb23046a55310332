// Rows to identities: equal rows collapse on the rank that read them, then on the rank that owns the identity's shard.
//
// Everything quadratic afterwards runs on identities.  They are numbered over all ranks in the order of shard, then
// content, so an identity has the same number on any number of ranks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/clustering.hpp"
#include "engine/collapse.hpp"
#include "engine/gather_blocks.hpp"
#include "engine/parallel.hpp"
#include "engine/raw_vector.hpp"
#include "io/row_store.hpp"
#include "partition/communicator.hpp"
#include "partition/shuffle.hpp"
#include "partition/spans_by_number.hpp"

namespace ligature {

// An identity that only rows have which an objection bars.  It takes part in pairs and clusters so that its person's
// other rows are recognised (objectors.hpp), counts nowhere, and ends in no person.  Datasets are of kept rows.
constexpr bool is_suppressed(const CountedIdentity& counted) noexcept {
  return counted.datasets == 0;
}

// The local patient id of a barred row, and its different identity on this rank.
struct SuppressedKey {
  std::uint64_t key = 0;
  std::uint32_t local = 0;
  std::uint32_t unused = 0;
};

inline constexpr std::size_t kToldPerTask = std::size_t{1} << 16;  // identities whose value a task tells
inline constexpr std::size_t kToldAhead = 16;                      // for which it is fetched

struct Identities {
  // Identities this rank owns, in the order of their numbers: the first is number first_id.
  std::vector<CountedIdentity> owned;
  IdentityId first_id = 0;
  std::vector<std::uint64_t> first_id_of_rank;  // ranks + 1 entries
  std::uint64_t total = 0;                      // over all ranks
  static constexpr std::uint64_t kMostPerRound = std::uint64_t{1} << 24;
  std::uint64_t per_round = kMostPerRound;  // of a rank, that may be brought together at a time in any case (room.hpp)
  std::uint64_t large_blocks = 0;           // bytes that a rank's large blocks may take; where there is room, more may
  // Bytes of large blocks that this rank may take yet.
  [[nodiscard]] std::uint64_t room() const noexcept;

  // The way back to rows: row -> different identity on this rank -> (route) -> owned identity.
  std::vector<std::uint32_t> local_of_row;     // by row of the store
  ReturnRoute route;                           // of this rank's different identities
  RawVector<std::uint32_t> owned_of_received;  // by received identity: index into owned
  std::vector<SuppressedKey> suppressed_keys;  // of this rank's barred rows

  [[nodiscard]] int owner(IdentityId id) const noexcept;
  // Collective.  Tells all who have one of some owned identities what each is sent: of_owned, by index into owned,
  // ascending; of one identity there may be several.  Returns what this rank is told, by different identity of its
  // own, ascending.
  template <typename T>
  [[nodiscard]] RawVector<ReplyTo<T>> tell_locals(const Communicator& comm, std::span<const ReplyTo<T>> of_owned) const;
  // Collective.  The same of all identities: value_of(index into owned), called from several threads.  Returns the
  // values of this rank's different identities, in their order.
  template <typename T, typename ValueOf>
  [[nodiscard]] RawVector<T> tell_all_locals(const Communicator& comm, const ValueOf& value_of) const;
  // Frees all but the way from rows to the different identities of this rank, and the counts.
  void release_identities();
};

// Finds the rows of what tell_locals returned.
template <typename T>
class ToldLocals {
 public:
  ToldLocals(const Identities& identities, RawVector<ReplyTo<T>>&& told)
      : told_(std::move(told)),
        spans_(identities.route.items(), told_.size(), [this](std::size_t i) { return told_[i].item; }) {}
  // What was told of a different identity of this rank, mostly nothing.
  [[nodiscard]] std::span<const ReplyTo<T>> of(std::uint32_t local) const {
    const auto [first, end] = spans_.of(local);
    return std::span(told_).subspan(first, end - first);
  }
  [[nodiscard]] bool has(std::uint32_t local) const noexcept { return spans_.has(local); }
  // Fetches what tells whether anything was, and then what was: each worth it some rows before it is asked for.
  void prefetch(std::uint32_t local) const noexcept { spans_.prefetch(local); }
  void prefetch_told(std::uint32_t local) const noexcept {
    if (const auto [first, end] = spans_.of(local); first != end) __builtin_prefetch(&told_[first]);
  }
  [[nodiscard]] std::span<const ReplyTo<T>> all() const noexcept { return told_; }

 private:
  RawVector<ReplyTo<T>> told_;
  SpansByNumber spans_;  // by different identity
};

// Collective.  Consumes the identities that the store's blocks hold, and its barred rows.
// Throws Error if one rank holds 2^32 rows or more: more ranks are needed then.
Identities collapse_identities(const Communicator& comm, RowStore& rows);

template <typename T, typename ValueOf>
RawVector<T> Identities::tell_all_locals(const Communicator& comm, const ValueOf& value_of) const {
  RawVector<T> of_received(owned_of_received.size());
  for_blocks(of_received.size(), kToldPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) of_received[i] = value_of(owned_of_received[i]);
  });
  return route.reply(comm, std::move(of_received));
}

template <typename T>
RawVector<ReplyTo<T>> Identities::tell_locals(const Communicator& comm, std::span<const ReplyTo<T>> of_owned) const {
  // owned itself may wait on disk (clusters.cpp).
  const std::uint64_t owned_here = first_id_of_rank[static_cast<std::size_t>(comm.rank()) + 1] - first_id;
  const SpansByNumber spans(owned_here, of_owned.size(), [&](std::size_t i) { return of_owned[i].item; });
  return route.reply_to_some(
      comm, gather_blocks<ReplyTo<T>>(owned_of_received.size(), kToldPerTask,
                                      [&](std::size_t begin, std::size_t end, auto& replies) {
                                        for (std::size_t received = begin; received < end; ++received) {
                                          spans.prefetch(owned_of_received[std::min(received + kToldAhead, end - 1)]);
                                          const auto [first, last] = spans.of(owned_of_received[received]);
                                          for (std::size_t one = first; one != last; ++one)
                                            replies.push_back({received, of_owned[one].reply});
                                        }
                                      }));
}

}  // namespace ligature
