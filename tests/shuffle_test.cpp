// The shuffle: nothing lost, nothing doubled, sources in rank order and each in its own order.
#include "partition/shuffle.hpp"

#include <random>
#include <string>
#include <type_traits>

#include <gtest/gtest.h>

#include "engine/error.hpp"

namespace ligature {
namespace {

struct Parcel {
  std::uint64_t source = 0;
  std::uint64_t number = 0;  // in the order in which the source gave them
  std::uint64_t destination = 0;
};

class ShuffleTest : public testing::Test {
 protected:
  const Communicator world_ = Communicator::world();
  const std::uint64_t rank_ = static_cast<std::uint64_t>(world_.rank());
  const std::uint64_t ranks_ = static_cast<std::uint64_t>(world_.size());

  // The parcels that a rank gives: any rank can work out what any other sends.
  template <typename Destination>
  static std::vector<Parcel> parcels_of(std::uint64_t source, std::uint64_t count, const Destination& destination) {
    std::vector<Parcel> parcels;
    for (std::uint64_t i = 0; i < count; ++i) parcels.push_back({source, i, destination(source, i)});
    return parcels;
  }

  // Shuffles count(source) parcels of each rank and holds what arrives against what had to arrive.
  template <typename Count, typename Destination>
  void expect_delivery(const Count& count, const Destination& destination) {
    std::vector<Parcel> mine = parcels_of(rank_, count(rank_), destination);
    const Received<Parcel> received =
        shuffle(world_, std::move(mine), [](const Parcel& parcel) { return static_cast<int>(parcel.destination); });
    ASSERT_EQ(received.first.size(), ranks_ + 1);
    ASSERT_EQ(received.first.front(), 0U);
    ASSERT_EQ(received.first.back(), received.items.size());
    std::size_t wrong = 0;
    for (std::uint64_t source = 0; source < ranks_; ++source) {
      std::uint64_t place = received.first[source];
      for (const Parcel& expected : parcels_of(source, count(source), destination)) {
        if (expected.destination != rank_) continue;
        ASSERT_LT(place, received.first[source + 1]) << "too few from rank " << source;
        const Parcel& found = received.items[place++];
        wrong += found.source != source || found.number != expected.number || found.destination != rank_;
      }
      EXPECT_EQ(place, received.first[source + 1]) << "too many from rank " << source;
    }
    EXPECT_EQ(wrong, 0U);
  }

  // Bytes that say which rank sends them to which, and how many: seeded, the same on every rank.
  static std::vector<std::byte> letter(std::uint64_t seed, std::uint64_t from, std::uint64_t to, std::size_t longest) {
    std::mt19937_64 random(seed * 1000 + from * 37 + to);
    std::vector<std::byte> bytes(random() % 4 == 0 ? 0 : random() % (longest + 1));
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() & 0xFF);
    return bytes;
  }

  void expect_letters(std::uint64_t seed, std::size_t longest, std::size_t chunk_bytes,
                      OwnPart own = OwnPart::received) {
    std::vector<std::byte> send, expected, received;
    std::vector<std::uint64_t> first{0}, expected_first{0};
    for (std::uint64_t r = 0; r < ranks_; ++r) {
      const std::vector<std::byte> out = letter(seed, rank_, r, longest), in = letter(seed, r, rank_, longest);
      send.insert(send.end(), out.begin(), out.end());
      if (r != rank_ || own == OwnPart::received) expected.insert(expected.end(), in.begin(), in.end());
      first.push_back(send.size());
      expected_first.push_back(expected.size());
    }
    const std::vector<std::uint64_t> received_first = exchange_into(
        world_, send, first,
        [&](std::size_t bytes) {
          received.resize(bytes);
          return received.data();
        },
        own, chunk_bytes);
    EXPECT_EQ(received_first, expected_first) << "seed " << seed << ", chunks of " << chunk_bytes;
    EXPECT_TRUE(received == expected) << "seed " << seed << ", chunks of " << chunk_bytes;
  }
};

TEST_F(ShuffleTest, NothingFromAnyoneIsNothingForAll) {
  expect_delivery([](std::uint64_t) { return std::uint64_t{0}; },
                  [](std::uint64_t, std::uint64_t) { return std::uint64_t{0}; });
}

TEST_F(ShuffleTest, OneItemFromTheLastRankReachesTheFirst) {
  const std::uint64_t last = ranks_ - 1;
  expect_delivery([&](std::uint64_t r) { return std::uint64_t{r == last ? 1U : 0U}; },
                  [](std::uint64_t, std::uint64_t) { return std::uint64_t{0}; });
}

TEST_F(ShuffleTest, EveryRankToEveryRankKeepsTheOrderOfEachSource) {
  const std::uint64_t ranks = ranks_;
  expect_delivery([](std::uint64_t r) { return 100'000 + 17 * r; },
                  [&](std::uint64_t r, std::uint64_t i) { return (i * i + r) % ranks; });
}

TEST_F(ShuffleTest, AllItemsToOneRankArriveThereAlone) {
  const std::uint64_t target = ranks_ / 2;
  expect_delivery([](std::uint64_t) { return std::uint64_t{50'000}; },
                  [&](std::uint64_t, std::uint64_t) { return target; });
}

TEST_F(ShuffleTest, RanksWithUnequalAmountsLoseNothing) {
  const std::uint64_t ranks = ranks_;
  expect_delivery([](std::uint64_t r) { return r * r * 20'000; },
                  [&](std::uint64_t, std::uint64_t i) { return i % 10 == 0 ? i / 10 % ranks : ranks - 1; });
}

TEST_F(ShuffleTest, MoreThanAChunkBetweenTwoRanksKeepsEveryItem) {
  const std::uint64_t count = 3 * kChunkBytes / sizeof(Parcel) + 5, ranks = ranks_;
  expect_delivery([&](std::uint64_t r) { return r == 0 ? count : 1; },
                  [&](std::uint64_t, std::uint64_t) { return ranks - 1; });
}

TEST_F(ShuffleTest, ChunksOfAnySizeGiveTheSameBytes) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    for (const std::size_t chunk : {std::size_t{1}, std::size_t{7}, std::size_t{64}, std::size_t{1000}}) {
      expect_letters(seed, 700, chunk);
    }
  }
}

TEST_F(ShuffleTest, ManyMoreChunksThanAreUnderWayAtOnceArriveInOrder) {
  for (std::uint64_t seed = 100; seed < 103; ++seed) expect_letters(seed, 200'000, 64);
}

TEST_F(ShuffleTest, WhatARankSendsToItselfMayStayWhereItIs) {
  for (std::uint64_t seed = 300; seed < 306; ++seed) expect_letters(seed, 700, 64, OwnPart::left);
}

TEST_F(ShuffleTest, VectorsWithoutInitialValuesArriveAndAreAnsweredLikeOthers) {
  RawVector<std::uint64_t> mine;
  for (std::uint64_t i = 0; i < 1000 * (rank_ + 1); ++i) mine.push_back(rank_ * 1'000'000 + i);
  const RawVector<std::uint64_t> sent = mine;
  const auto destination = [&](std::uint64_t item) { return static_cast<int>(item * 7 % ranks_); };
  ReturnRoute route;
  auto received = shuffle(world_, std::move(mine), destination, route);
  static_assert(std::is_same_v<decltype(received.items), RawVector<std::uint64_t>>);
  EXPECT_EQ(world_.sum(std::uint64_t{received.items.size()}), 1000 * ranks_ * (ranks_ + 1) / 2);
  for (std::uint64_t& item : received.items) {
    EXPECT_EQ(destination(item), world_.rank());
    item = item * 3 + 1;
  }
  const auto answers = route.reply(world_, std::move(received.items));
  ASSERT_EQ(answers.size(), sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i) ASSERT_EQ(answers[i], sent[i] * 3 + 1) << i;
}

TEST_F(ShuffleTest, ChunksAboveTheEagerLimitArriveInOrder) {
  for (std::uint64_t seed = 200; seed < 203; ++seed) expect_letters(seed, 3'000'000, 100'000);
}

TEST_F(ShuffleTest, OffsetsThatDoNotDivideTheBytesAreRefused) {
  const auto receive = [](std::size_t) -> std::byte* { return nullptr; };
  const std::vector<std::byte> four(4);
  std::vector<std::uint64_t> first(ranks_ + 1, 5);
  EXPECT_THROW(exchange_into(world_, four, first, receive), Error);
  first.pop_back();
  EXPECT_THROW(exchange_into(world_, four, first, receive), Error);
  first.assign(ranks_ + 1, 4);
  EXPECT_THROW(exchange_into(world_, four, first, receive, OwnPart::received, 0), Error);
  EXPECT_THROW(exchange_into(world_, four, first, receive, OwnPart::received, std::size_t{1} << 31), Error);
}

TEST_F(ShuffleTest, ADestinationThatIsNoRankIsRefused) {
  if (world_.size() == 1) GTEST_SKIP() << "a single rank keeps its items without asking";
  for (const int nowhere : {-1, world_.size()}) {
    EXPECT_THROW(shuffle(world_, std::vector<int>{1, 2}, [&](int) { return nowhere; }), Error);
  }
}

TEST_F(ShuffleTest, JoinedTextIsTheTextOfTheRanksInTheirOrder) {
  // Joining texts does not commute: any exchange of sources, or of letters of one source, shows.
  const auto text_of = [](std::uint64_t r) {
    std::string text;
    for (std::uint64_t i = 0; i < 30'000; ++i) text += static_cast<char>('a' + (i * (r + 3) + i / 7) % 26);
    return text;
  };
  const auto destination = [this](char letter) { return letter % world_.size(); };
  const std::string mine = text_of(rank_);
  const Received<char> received = shuffle(world_, std::vector<char>(mine.begin(), mine.end()), destination);
  std::string expected;
  for (std::uint64_t r = 0; r < ranks_; ++r) {
    for (const char letter : text_of(r)) {
      if (destination(letter) == world_.rank()) expected += letter;
    }
  }
  EXPECT_TRUE(std::string(received.items.begin(), received.items.end()) == expected);
}

TEST_F(ShuffleTest, RepliesComeBackInTheOrderOfTheQuestions) {
  const std::uint64_t count = 70'000 + 1000 * rank_;
  std::vector<std::uint64_t> questions;
  std::mt19937_64 random(rank_ + 1);
  for (std::uint64_t i = 0; i < count; ++i) questions.push_back(random());
  const std::vector<std::uint64_t> asked = questions;
  ReturnRoute route;
  const Received<std::uint64_t> received = shuffle(
      world_, std::move(questions), [this](std::uint64_t q) { return static_cast<int>(q % ranks_); }, route);
  struct Answer {
    std::uint64_t question;
    std::uint32_t by;
  };
  std::vector<Answer> answers;
  for (const std::uint64_t question : received.items) answers.push_back({question, static_cast<std::uint32_t>(rank_)});
  const std::vector<Answer> replies = route.reply<Answer>(world_, answers);
  ASSERT_EQ(replies.size(), asked.size());
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    wrong += replies[i].question != asked[i] || replies[i].by != asked[i] % ranks_;
  }
  EXPECT_EQ(wrong, 0U);
}

TEST_F(ShuffleTest, ARouteCarriesRepliesMoreThanOnceAndAlsoNone) {
  ReturnRoute route;
  std::vector<int> items;
  if (world_.is_root()) items = {5, 6, 7};
  const Received<int> received = shuffle(
      world_, std::move(items), [this](int) { return world_.size() - 1; }, route);
  for (const int factor : {10, 100}) {
    std::vector<int> replies;
    for (const int item : received.items) replies.push_back(item * factor);
    const std::vector<int> returned = route.reply<int>(world_, replies);
    EXPECT_EQ(returned, world_.is_root() ? (std::vector<int>{5 * factor, 6 * factor, 7 * factor}) : std::vector<int>());
  }
}

TEST_F(ShuffleTest, RepliesToSomeItemsNameThemByTheirPlace) {
  for (const bool in_order : {false, true}) {
    std::vector<std::uint64_t> questions;
    for (std::uint64_t i = 0; i < 5000 + rank_; ++i) questions.push_back(i * 7919 % 1009);
    if (in_order) std::sort(questions.begin(), questions.end());
    const std::vector<std::uint64_t> asked = questions;
    const auto destination = [&](std::uint64_t q) {
      return static_cast<int>(in_order ? q * ranks_ / 1009 : q % ranks_);
    };
    ReturnRoute route;
    const Received<std::uint64_t> received = shuffle(world_, std::move(questions), destination, route);
    EXPECT_EQ(route.items(), asked.size());
    // A question of ten is answered, and one of thirty twice.
    std::vector<ReplyTo<std::uint64_t>> replies;
    for (std::uint64_t i = 0; i < received.items.size(); ++i) {
      if (received.items[i] % 10 == 0) replies.push_back({i, received.items[i] * 3});
      if (received.items[i] % 30 == 0) replies.push_back({i, received.items[i] * 3 + 1});
    }
    std::vector<std::pair<std::uint64_t, std::uint64_t>> expected, answers;
    for (std::uint64_t i = 0; i < asked.size(); ++i) {
      if (asked[i] % 10 == 0) expected.emplace_back(i, asked[i] * 3);
      if (asked[i] % 30 == 0) expected.emplace_back(i, asked[i] * 3 + 1);
    }
    for (const auto& [item, reply] : route.reply_to_some(world_, std::move(replies))) answers.emplace_back(item, reply);
    EXPECT_EQ(answers, expected);
  }
}

TEST_F(ShuffleTest, AMissingReplyIsRefused) {
  ReturnRoute route;
  const Received<int> received = shuffle(
      world_, std::vector<int>{1}, [this](int) { return world_.rank(); }, route);
  EXPECT_THROW(route.reply<int>(world_, std::vector<int>()), Error);
  EXPECT_THROW(ReturnRoute().reply<int>(world_, std::vector<int>()), Error);
  using Replies = std::vector<ReplyTo<int>>;
  EXPECT_THROW(route.reply_to_some(world_, Replies{{received.items.size(), 1}}), Error);
  EXPECT_THROW(route.reply_to_some(world_, Replies{{1, 1}, {0, 1}}), Error);
}

TEST_F(ShuffleTest, AStreamOfUnequalBatchesDeliversEveryItemOnceAndInOrder) {
  // Rank r has 2r batches, the n-th of n * 1000 items; rank 0 has none but takes part.
  const auto batches_of = [](std::uint64_t r) { return 2 * r; };
  std::uint64_t batch = 0, number = 0;
  std::vector<std::uint64_t> next_from(ranks_, 0);
  std::uint64_t misplaced = 0, calls = 0;
  shuffle_stream<Parcel>(
      world_,
      [&] {
        std::vector<Parcel> parcels;
        if (batch == batches_of(rank_)) return parcels;
        ++batch;
        for (std::uint64_t i = 0; i < batch * 1000; ++i, ++number) {
          parcels.push_back({rank_, number, number % ranks_});
        }
        return parcels;
      },
      [](const Parcel& parcel) { return static_cast<int>(parcel.destination); },
      [&](std::span<const Parcel> parcels, int source) {
        EXPECT_EQ(source, static_cast<int>(calls++ % ranks_));
        std::uint64_t& next = next_from[static_cast<std::size_t>(source)];
        for (const Parcel& parcel : parcels) {
          while (next % ranks_ != rank_) ++next;
          misplaced += parcel.source != static_cast<std::uint64_t>(source) || parcel.number != next;
          ++next;
        }
      });
  EXPECT_EQ(misplaced, 0U);
  for (std::uint64_t source = 0; source < ranks_; ++source) {
    const std::uint64_t batches = batches_of(source), total = batches * (batches + 1) / 2 * 1000;
    std::uint64_t last = 0;
    for (std::uint64_t n = 0; n < total; ++n) {
      if (n % ranks_ == rank_) last = n + 1;
    }
    EXPECT_EQ(next_from[source], last) << "from rank " << source;
  }
}

TEST_F(ShuffleTest, AStreamWithoutBatchesDeliversNothing) {
  bool delivered = false;
  shuffle_stream<int>(
      world_, [] { return std::vector<int>(); }, [](int) { return 0; },
      [&](std::span<const int>, int) { delivered = true; });
  EXPECT_FALSE(delivered);
}

}  // namespace
}  // namespace ligature
