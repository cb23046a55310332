#include "jobs/rebuild/companions.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "engine/comparison.hpp"
#include "engine/gather_blocks.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "jobs/rebuild/survey.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::size_t kIdentitiesPerTask = std::size_t{1} << 16, kMovesPerTask = std::size_t{1} << 14;
constexpr std::size_t kPostcodesPerTask = std::size_t{1} << 10;

// A postcode that a number has been seen at.
struct Address {
  std::uint64_t seen = 0;  // the postcode (34 bits), the records (16), the postcode's rarity (8)
  ProviderSet providers = 0;
  Address(std::uint64_t postcode, std::uint64_t records, Rarity rarity, ProviderSet by) noexcept
      : seen(postcode << 24 | records << 8 | rarity), providers(by) {}
  [[nodiscard]] std::uint64_t postcode() const noexcept { return seen >> 24; }
  [[nodiscard]] std::uint32_t records() const noexcept { return seen >> 8 & 0xFFFF; }
  [[nodiscard]] Rarity rarity() const noexcept { return seen & 0xFF; }
};

// All records of a number at one postcode.
struct Stay {
  std::uint64_t postcode = 0;
  std::uint64_t records = 0;
  ProviderSet providers = 0;
  Rarity rarity = 0;
};

// One number's move between two postcodes, as it is told to the first.
struct Move {
  // From (34 bits), the rarity of to (8), the number's other postcodes (7), whether it has one record at from.
  std::uint64_t told = 0;
  std::uint64_t to = 0;
  std::uint64_t number_key = 0;
  ProviderSet providers = 0;  // of the number at from
  Move() = default;
  Move(const Stay& from, const Stay& towards, std::uint64_t key, std::uint64_t others) noexcept
      : told(from.postcode << 16 | std::uint64_t{towards.rarity} << 8 | others << 1 | (from.records == 1 ? 1U : 0U)),
        to(towards.postcode),
        number_key(key),
        providers(from.providers) {}
  [[nodiscard]] std::uint64_t from() const noexcept { return told >> 16; }
  [[nodiscard]] Rarity rarity() const noexcept { return told >> 8 & 0xFF; }
  [[nodiscard]] std::uint64_t others() const noexcept { return told >> 1 & 0x7F; }
  [[nodiscard]] bool alone() const noexcept { return (told & 1) != 0; }
};
static_assert(kMostAddresses <= 0x7F);

struct Addresses {
  std::vector<Move> moves;
  std::vector<Mover> movers;
};

// The addresses of one number: how many it has counts for the file, and each move is told to both its ends.
void tell_moves(std::uint64_t key, std::span<const Address> addresses, std::vector<Stay>& stays, MoveCounts& counts,
                Addresses& result) {
  stays.clear();
  std::uint64_t records = 0, with_provider = 0;
  for (const Address& address : addresses) {
    records += address.records();
    with_provider += address.providers == 0 ? 0 : address.records();
    if (!stays.empty() && stays.back().postcode == address.postcode()) {
      stays.back().records += address.records();
      stays.back().providers |= address.providers;
    } else {
      stays.push_back({address.postcode(), address.records(), address.providers, address.rarity()});
    }
  }
  const std::uint64_t postcodes = stays.size();
  ++counts.persons[address_class(postcodes)];
  if (records > 1) {
    counts.held_out[0].records += records - with_provider;
    counts.held_out[1].records += with_provider;
  }
  if (postcodes < 2) return;
  result.movers.push_back({key, postcodes});
  if (postcodes > kMostAddresses) return;
  for (const Stay& from : stays) {
    for (const Stay& to : stays) {
      if (from.postcode == to.postcode) continue;
      result.moves.emplace_back(from, to, key, postcodes - 1);
    }
  }
}

// Collective.  The moves of the numbers that this rank owns, and the numbers, in the order of their keys.  A number's
// identities are all here and lie next to each other.
Addresses find_moves(const Communicator& comm, const Identities& identities, std::span<const Evidence> evidence,
                     bool with_providers, MoveCounts& counts) {
  struct Found {
    Addresses addresses;
    MoveCounts counts;
    std::vector<Address> of_number;  // working memory, as the next
    std::vector<Stay> stays;
  };
  const bool one_dataset = is_one_dataset(comm, identities);
  const std::span<const CountedIdentity> owned = identities.owned;
  const auto number_at = [&](std::size_t i) { return owned[i].identity.valid_nhs(); };
  PerThread<Found> found;
  for_blocks(owned.size(), kIdentitiesPerTask, [&](std::size_t begin, std::size_t end) {
    Found& here = found.local();
    // A number is its first identity's task's.
    while (begin > 0 && begin < end && number_at(begin) != 0 && number_at(begin) == number_at(begin - 1)) ++begin;
    for (std::size_t next = begin; begin < end; begin = next) {
      const std::uint64_t number = number_at(begin);
      if (number == 0) {
        ++next;
        continue;
      }
      here.of_number.clear();
      for (; next < owned.size() && number_at(next) == number; ++next) {
        if (is_suppressed(owned[next])) continue;
        const Identity identity = weighed(owned[next].identity, evidence[next]);
        if (!identity.has_valid_nhs() || identity.postcode() == 0) continue;
        here.of_number.emplace_back(identity.postcode(), records_of(owned[next], one_dataset),
                                    postcode_rarity(identity), with_providers ? owned[next].providers : 0);
      }
      if (here.of_number.empty()) continue;
      std::sort(here.of_number.begin(), here.of_number.end(),
                [](const Address& a, const Address& b) { return a.seen < b.seen; });
      tell_moves(linkage_key(number), here.of_number, here.stays, here.counts, here.addresses);
    }
  });
  Addresses result;
  found.for_each([&](Found& here) {
    for (std::size_t c = 0; c < here.counts.persons.size(); ++c) counts.persons[c] += here.counts.persons[c];
    for (std::size_t h = 0; h < here.counts.held_out.size(); ++h) {
      counts.held_out[h].records += here.counts.held_out[h].records;
    }
    auto& [moves, movers] = here.addresses;
    result.moves.insert(result.moves.end(), moves.begin(), moves.end());
    result.movers.insert(result.movers.end(), movers.begin(), movers.end());
    here = {};
  });
  sort_by_key(result.movers, [](const Mover& mover) { return mover.number_key; });
  return result;
}

// The companions of one postcode, from the moves from it by where they go; counts the records held out.  several:
// working memory.
void find_companions_of(std::span<Move> here, RawVector<Companion>& companions, std::vector<Move>& several,
                        std::array<HeldOutCounts, 2>& held_out) {
  const auto hold_out = [&](const Move& move) {
    if (move.alone()) ++held_out[move.providers == 0 ? 0 : 1].alone[address_class(move.others())][move.to];
  };
  several.clear();
  for (std::size_t of_pair = 0, next = 0; of_pair < here.size(); of_pair = next) {
    for (next = of_pair; next < here.size() && here[next].to == here[of_pair].to;) ++next;
    const auto numbers = static_cast<std::uint32_t>(next - of_pair);
    ProviderSet by_one = 0, by_two = 0;  // that know one of them at the postcode, and two
    for (const Move& move : here.subspan(of_pair, numbers)) {
      by_two |= by_one & move.providers;
      by_one |= move.providers;
    }
    companions.push_back({here[of_pair].from(), here[of_pair].to, by_one, numbers, here[of_pair].rarity()});
    for (Move& move : here.subspan(of_pair, numbers)) {
      move.to = company_class(numbers - 1, (move.providers & by_two) != 0);
      if (move.others() == 1) {  // the number's only company
        hold_out(move);
      } else {
        several.push_back(move);
      }
    }
  }
  // Each number's best company, itself left out.
  std::sort(several.begin(), several.end(),
            [](const Move& a, const Move& b) { return std::tie(a.number_key, b.to) < std::tie(b.number_key, a.to); });
  for (std::size_t m = 0; m < several.size(); ++m) {
    if (m == 0 || several[m - 1].number_key != several[m].number_key) hold_out(several[m]);
  }
}

// Collective.  The companions of the postcodes that this rank owns, in order; counts the records held out.
RawVector<Companion> find_companions(const Communicator& comm, std::vector<Move>&& told, MoveCounts& counts) {
  const ShardMap shard_map(comm.size());
  std::vector<Move> moves = shuffle(comm, std::move(told), [&](const Move& move) {
                              return shard_map.owner(shard_of(linkage_key(move.from())));
                            }).items;
  sort_by_key(
      moves, [](const Move& move) { return move.from(); }, [](const Move& a, const Move& b) { return a.to < b.to; });
  const RawVector<std::size_t> first = gather_wanted<std::size_t>(
      moves.size(), kMovesPerTask, [&](std::size_t m) { return m == 0 || moves[m].from() != moves[m - 1].from(); },
      [](std::size_t m) { return m; });
  struct Found {
    std::array<HeldOutCounts, 2> held_out;
    std::vector<Move> several;
  };
  PerThread<Found> by_thread;
  RawVector<Companion> companions =
      gather_blocks<Companion>(first.size(), kPostcodesPerTask, [&](std::size_t begin, std::size_t end, auto& found) {
        Found& mine = by_thread.local();
        for (std::size_t p = begin; p < end; ++p) {
          const std::size_t last = p + 1 < first.size() ? first[p + 1] : moves.size();
          find_companions_of(std::span(moves).subspan(first[p], last - first[p]), found, mine.several, mine.held_out);
        }
      });
  by_thread.for_each([&](const Found& mine) {
    for (std::size_t h = 0; h < mine.held_out.size(); ++h) {
      for (std::size_t addresses = 0; addresses < kAddressClasses; ++addresses) {
        for (std::size_t company = 0; company < kCompanyClasses; ++company) {
          counts.held_out[h].alone[addresses][company] += mine.held_out[h].alone[addresses][company];
        }
      }
    }
  });
  return companions;
}

}  // namespace

Company find_company(const Communicator& comm, const Identities& identities, std::span<const Evidence> evidence,
                     bool with_providers, MoveCounts& counts) {
  Addresses addresses = find_moves(comm, identities, evidence, with_providers, counts);
  return {find_companions(comm, std::move(addresses.moves), counts), std::move(addresses.movers)};
}

}  // namespace ligature
