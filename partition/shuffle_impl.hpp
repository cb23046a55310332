// Bodies of the templates of shuffle.hpp: a stable parallel counting sort by destination, then one exchange.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "engine/counting_sort.hpp"
#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "engine/raw_vector.hpp"
#include "engine/release.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace shuffle_detail {

template <typename T, typename Allocator>
Received<T, Allocator> exchange(const Communicator& comm, std::span<const T> items,
                                std::span<const std::uint64_t> send_first) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::vector<std::uint64_t> send_bytes(send_first.begin(), send_first.end());
  for (std::uint64_t& offset : send_bytes) offset *= sizeof(T);
  Received<T, Allocator> received;
  received.first = exchange_into(comm, std::as_bytes(items), send_bytes, [&](std::size_t bytes) {
    received.items.resize(bytes / sizeof(T));
    return reinterpret_cast<std::byte*>(received.items.data());
  });
  for (std::uint64_t& offset : received.first) offset /= sizeof(T);
  return received;
}

}  // namespace shuffle_detail

template <typename T>
Received<T> exchange(const Communicator& comm, std::span<const T> items, std::span<const std::uint64_t> send_first) {
  return shuffle_detail::exchange<T, std::allocator<T>>(comm, items, send_first);
}

template <typename T>
Received<T, WithoutInitialValue<T>> exchange_raw(const Communicator& comm, RawVector<T>&& items,
                                                 std::span<const std::uint64_t> send_first) {
  const RawVector<T> sent = std::move(items);
  return shuffle_detail::exchange<T, WithoutInitialValue<T>>(comm, std::span(sent), send_first);
}

namespace shuffle_detail {

// destination(i): the rank of items[i].  Frees items before the exchange asks for memory.
template <typename T, typename Allocator, typename DestinationOf>
Received<T, Allocator> send_sorted(const Communicator& comm, std::vector<T, Allocator>& items,
                                   const DestinationOf& destination, std::vector<std::uint64_t>* sent_first = nullptr) {
  if (comm.size() == 1) {
    const std::uint64_t count = items.size();
    if (sent_first != nullptr) *sent_first = {0, count};
    return {std::move(items), {0, count}};
  }
  SortPlan plan = plan_sort(items.size(), static_cast<std::size_t>(comm.size()), destination);
  RawVector<T> sorted(items.size());
  for_blocks(items.size(), plan.grain, [&](std::size_t begin, std::size_t end) {
    std::uint64_t* cursors = plan.cursors_of(begin);
    for (std::size_t i = begin; i < end; ++i) sorted[cursors[static_cast<std::size_t>(destination(i))]++] = items[i];
  });
  release(items);
  if (sent_first != nullptr) *sent_first = plan.first;
  return exchange<T, Allocator>(comm, std::span<const T>(sorted), plan.first);
}

}  // namespace shuffle_detail

template <typename T, typename Allocator, typename Destination>
Received<T, Allocator> shuffle(const Communicator& comm, std::vector<T, Allocator>&& items,
                               const Destination& destination) {
  std::vector<T, Allocator> mine = std::move(items);
  return shuffle_detail::send_sorted(comm, mine, [&](std::size_t i) { return destination(std::as_const(mine[i])); });
}

template <typename T, typename Allocator, typename Destination>
Received<T, Allocator> shuffle(const Communicator& comm, std::vector<T, Allocator>&& items,
                               const Destination& destination, ReturnRoute& route) {
  std::vector<T, Allocator> mine = std::move(items);
  route.sent_ = mine.size();
  route.sent_to_ = {};
  if (comm.size() > 1) {
    route.sent_to_.resize(mine.size());
    for_blocks(mine.size(), std::size_t{1} << 14, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        route.sent_to_[i] = static_cast<std::uint32_t>(destination(std::as_const(mine[i])));
      }
    });
  }
  Received<T, Allocator> received;
  if (std::is_sorted(route.sent_to_.begin(), route.sent_to_.end()) && comm.size() > 1) {
    // Nothing has to move here, nor to be put in order when answers come.
    std::vector<std::uint64_t> first;
    for (int rank = 0; rank <= comm.size(); ++rank) {
      const auto begin =
          std::lower_bound(route.sent_to_.begin(), route.sent_to_.end(), rank, std::less<std::int64_t>());
      first.push_back(static_cast<std::uint64_t>(begin - route.sent_to_.begin()));
    }
    if (first.back() != mine.size()) throw Error("shuffle: the destination of an item does not exist");
    release(route.sent_to_);
    received = shuffle_detail::exchange<T, Allocator>(comm, std::span<const T>(mine), first);
    route.sent_first_ = std::move(first);
  } else {
    const auto destination_of = [&](std::size_t i) { return route.sent_to_[i]; };
    received = shuffle_detail::send_sorted(comm, mine, destination_of, &route.sent_first_);
  }
  route.received_first_ = received.first;
  return received;
}

template <typename R>
std::vector<R> ReturnRoute::reply(const Communicator& comm, std::span<const R> replies) const {
  return reply(comm, std::vector<R>(replies.begin(), replies.end()));
}

template <typename R, typename Allocator>
std::vector<R, Allocator> ReturnRoute::reply(const Communicator& comm, std::vector<R, Allocator>&& replies) const {
  if (received_first_.empty() || replies.size() != received_first_.back()) {
    throw Error("shuffle: the number of replies is not the number of items received");
  }
  if (comm.size() == 1) return std::move(replies);
  std::vector<R, Allocator> returned =
      shuffle_detail::exchange<R, Allocator>(comm, std::span<const R>(replies), received_first_).items;
  release(replies);
  if (returned.size() != sent_) throw Error("shuffle: the number of answers is not the number of items sent");
  if (sent_to_.empty()) return returned;
  // Replies lie by destination, in each by the order of the items: the places of the counting sort, read backwards.
  SortPlan plan =
      plan_sort(sent_to_.size(), static_cast<std::size_t>(comm.size()), [&](std::size_t i) { return sent_to_[i]; });
  std::vector<R, Allocator> in_order(sent_to_.size());
  for_blocks(sent_to_.size(), plan.grain, [&](std::size_t begin, std::size_t end) {
    std::uint64_t* cursors = plan.cursors_of(begin);
    for (std::size_t i = begin; i < end; ++i) in_order[i] = returned[cursors[sent_to_[i]]++];
  });
  return in_order;
}

template <typename R, typename Allocator>
std::vector<ReplyTo<R>, Allocator> ReturnRoute::reply_to_some(const Communicator& comm,
                                                              std::vector<ReplyTo<R>, Allocator>&& replies) const {
  std::vector<ReplyTo<R>, Allocator> mine = std::move(replies);
  const auto before = [](const ReplyTo<R>& x, const ReplyTo<R>& y) { return x.item < y.item; };
  if (received_first_.empty() || !std::is_sorted(mine.begin(), mine.end(), before) ||
      (!mine.empty() && mine.back().item >= received_first_.back())) {
    throw Error("shuffle: a reply is not to an item that was received, or not in its order");
  }
  if (comm.size() == 1) return mine;
  // Each source knows its items by their place among those that it sent here.
  std::vector<std::uint64_t> first;
  std::uint64_t next = 0;
  for (std::size_t source = 0; source + 1 < received_first_.size(); ++source) {
    first.push_back(next);
    for (; next < mine.size() && mine[next].item < received_first_[source + 1]; ++next) {
      mine[next].item -= received_first_[source];
    }
  }
  first.push_back(next);
  Received<ReplyTo<R>, Allocator> returned =
      shuffle_detail::exchange<ReplyTo<R>, Allocator>(comm, std::span<const ReplyTo<R>>(mine), first);
  for (std::size_t rank = 0; rank + 1 < returned.first.size(); ++rank) {
    for (std::uint64_t i = returned.first[rank]; i < returned.first[rank + 1]; ++i) {
      returned.items[i].item += sent_first_[rank];
    }
  }
  if (sent_to_.empty()) return std::move(returned.items);
  // Now they lie by destination: the place of each item there leads to those that answer it.
  std::vector<std::uint64_t> place(sent_first_.begin(), sent_first_.end() - 1);
  std::vector<std::uint64_t> at(returned.first.begin(), returned.first.end() - 1);
  std::vector<ReplyTo<R>, Allocator> in_order;
  in_order.reserve(returned.items.size());
  for (std::uint64_t i = 0; i < sent_; ++i) {
    const std::uint32_t rank = sent_to_[i];
    for (std::uint64_t& a = at[rank]; a < returned.first[rank + 1] && returned.items[a].item == place[rank]; ++a) {
      in_order.push_back({i, returned.items[a].reply});
    }
    ++place[rank];
  }
  return in_order;
}

template <typename T, typename Next, typename Destination, typename Deliver>
void shuffle_stream(const Communicator& comm, const Next& next, const Destination& destination,
                    const Deliver& deliver) {
  for (;;) {
    auto batch = next();
    if (!comm.any(!batch.empty())) return;
    auto received = shuffle(comm, std::move(batch), destination);
    for (int source = 0; source < comm.size(); ++source) {
      const std::uint64_t begin = received.first[static_cast<std::size_t>(source)];
      const std::uint64_t end = received.first[static_cast<std::size_t>(source) + 1];
      deliver(std::span<T>(received.items).subspan(begin, end - begin), source);
    }
  }
}

}  // namespace ligature
