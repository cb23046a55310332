#include "jobs/rebuild/moves.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/comparison.hpp"
#include "engine/edge_reducer.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "jobs/rebuild/rounds.hpp"
#include "jobs/rebuild/survey.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"
#include "partition/tiles.hpp"

namespace ligature {

namespace {

// Among more people of one birthday at one postcode nobody leads.
constexpr std::size_t kMostAlike = 16;

// A postcode that a number has been seen at, as it travels: 24 bytes.
struct Address {
  std::uint64_t key = 0;   // linkage key of the number
  std::uint64_t seen = 0;  // the postcode (34 bits), the records (16), the postcode's rarity (8)
  ProviderSet providers = 0;
  Address() = default;
  Address(std::uint64_t number_key, std::uint64_t postcode, std::uint64_t records, Rarity rarity,
          ProviderSet by) noexcept
      : key(number_key), seen(postcode << 24 | records << 8 | rarity), providers(by) {}
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
  std::uint64_t from = 0, to = 0;
  std::uint64_t number_key = 0;
  ProviderSet providers = 0;  // of the number at from
  std::uint8_t others = 0;    // postcodes of the number but from
  std::uint8_t alone = 0;     // the number has one record at from
  std::uint8_t rarity = 0;    // of to
};

// A companion of a postcode.
struct Companion {
  std::uint64_t postcode = 0, to = 0;
  ProviderSet providers = 0;  // that have recorded one of these at the postcode
  std::uint32_t numbers = 0;  // that have been at both
  std::uint32_t rarity = 0;   // of to
};

// A number with several postcodes.
struct Mover {
  std::uint64_t number_key = 0;
  std::uint64_t postcodes = 0;
};

// A record without a number asks at a companion of its postcode.
struct Question {
  Identity identity;
  IdentityId id = 0;
  std::uint64_t key = 0;  // linkage key of date of birth and companion
  double share = 0;       // u of the company
  std::uint32_t company = 0;
  std::uint32_t with_provider = 0;
};

// A record that found nobody of its birthday at its own postcode, and so looks elsewhere.
struct Seeker {
  PassItem item;
  ProviderSet providers = 0;
};

// It was answered by an identity with a number.
struct Answer {
  Question question;
  Identity identity;
  IdentityId id = 0;
};

std::uint64_t home_key(DayNumber birth, std::uint64_t postcode) noexcept {
  return linkage_key(std::uint64_t{birth} << 34 | postcode);
}

struct Addresses {
  std::vector<Move> moves;
  std::vector<Mover> movers;
};

// The addresses of one number: how many it has counts for the file, and each move is told to both its ends.
void tell_moves(std::span<const Address> addresses, std::vector<Stay>& stays, MoveCounts& counts, Addresses& result) {
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
  const std::uint64_t key = addresses.front().key;
  result.movers.push_back({key, postcodes});
  if (postcodes > kMostAddresses) return;
  for (const Stay& from : stays) {
    for (const Stay& to : stays) {
      if (from.postcode == to.postcode) continue;
      result.moves.push_back({from.postcode, to.postcode, key, from.providers, static_cast<std::uint8_t>(postcodes - 1),
                              static_cast<std::uint8_t>(from.records == 1), to.rarity});
    }
  }
}

// Collective.  The moves of the numbers that this rank has met, and the numbers, in the order of their keys.
Addresses find_moves(const Communicator& comm, const Identities& identities, std::span<const Evidence> evidence,
                     bool with_providers, MoveCounts& counts) {
  Addresses result;
  const bool one_dataset = is_one_dataset(comm, identities);
  const std::uint64_t rounds = rounds_for<Address>(comm, identities);
  RoundSieve sieve;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const RawVector<Address> addresses = bring_together<Address>(
        comm, identities, round, rounds, sieve,
        [&](std::uint64_t i, const auto& add) {
          const CountedIdentity& counted = identities.owned[i];
          if (counted.identity.nhs_status() == NhsStatus::one_time || is_suppressed(counted)) return;
          const Identity identity = weighed(counted.identity, evidence[i]);
          if (!identity.has_valid_nhs() || identity.postcode() == 0) return;
          const std::uint64_t key = linkage_key(identity.nhs());
          add(key, [&] {
            return Address(key, identity.postcode(), records_of(counted, one_dataset), postcode_rarity(identity),
                           with_providers ? counted.providers : 0);
          });
        },
        [](const Address& a, const Address& b) { return a.seen < b.seen; });
    std::vector<Stay> stays;
    for (std::size_t begin = 0, end = 0; begin < addresses.size(); begin = end) {
      for (end = begin + 1; end < addresses.size() && addresses[end].key == addresses[begin].key;) ++end;
      tell_moves(std::span(addresses).subspan(begin, end - begin), stays, counts, result);
    }
  }
  // Each round has its numbers in order.
  if (rounds > 1) {
    sort_by_key(result.movers, [](const Mover& mover) { return mover.number_key; });
  }
  return result;
}

// Collective.  The companions of the postcodes that this rank owns, in order; counts the records held out.
std::vector<Companion> find_companions(const Communicator& comm, std::vector<Move>&& told, MoveCounts& counts) {
  const ShardMap shard_map(comm.size());
  std::vector<Move> moves = shuffle(comm, std::move(told), [&](const Move& move) {
                              return shard_map.owner(shard_of(linkage_key(move.from)));
                            }).items;
  sort_by_key(
      moves, [](const Move& move) { return move.from; },
      [](const Move& a, const Move& b) { return std::tie(a.to, a.number_key) < std::tie(b.to, b.number_key); });
  std::vector<Companion> companions;
  for (std::size_t begin = 0, end = 0; begin < moves.size(); begin = end) {
    for (end = begin; end < moves.size() && moves[end].from == moves[begin].from;) ++end;
    const std::span<Move> here = std::span(moves).subspan(begin, end - begin);
    for (std::size_t of_pair = 0, next = 0; of_pair < here.size(); of_pair = next) {
      for (next = of_pair; next < here.size() && here[next].to == here[of_pair].to;) ++next;
      const auto numbers = static_cast<std::uint32_t>(next - of_pair);
      ProviderSet by_one = 0, by_two = 0;  // that know one of them at the postcode, and two
      for (const Move& move : here.subspan(of_pair, numbers)) {
        by_two |= by_one & move.providers;
        by_one |= move.providers;
      }
      companions.push_back({here[of_pair].from, here[of_pair].to, by_one, numbers, here[of_pair].rarity});
      for (Move& move : here.subspan(of_pair, numbers)) {
        move.to = company_class(numbers - 1, (move.providers & by_two) != 0);
      }
    }
    // Each number's best company, itself left out.
    std::sort(here.begin(), here.end(),
              [](const Move& a, const Move& b) { return std::tie(a.number_key, b.to) < std::tie(b.number_key, a.to); });
    for (std::size_t m = 0; m < here.size(); ++m) {
      const bool is_first = m == 0 || here[m - 1].number_key != here[m].number_key;
      if (!is_first || here[m].alone == 0) continue;
      HeldOutCounts& of = counts.held_out[here[m].providers == 0 ? 0 : 1];
      ++of.alone[address_class(here[m].others)][here[m].to];
    }
  }
  return companions;
}

std::size_t company_of(const Companion& companion, ProviderSet providers) noexcept {
  return company_class(companion.numbers, (companion.providers & providers) != 0);
}

// u of each class of company of a record by these providers: the shares of people who live at its postcode's
// companions.
std::array<double, kCompanyClasses> shares_of(std::span<const Companion> companions, ProviderSet providers,
                                              double average) noexcept {
  std::array<double, kCompanyClasses> shares{};
  for (const Companion& companion : companions) {
    shares[company_of(companion, providers)] +=
        average * std::exp2(-rarity_bits(static_cast<Rarity>(companion.rarity)));
  }
  return shares;
}

// Calls ask(question) for each companion of the postcode of each record that looks for its person.
template <typename Ask>
void ask_companions(std::span<const Seeker> seekers, std::span<const Companion> companions, const MoveModel& moves,
                    double average, const Ask& ask) {
  auto begin = companions.begin();
  auto end = begin;
  for (const Seeker& seeker : seekers) {
    const Identity& identity = seeker.item.identity;
    const bool with_provider = seeker.providers != 0;
    if (!moves.is_learnt(with_provider)) continue;
    const std::uint64_t postcode = identity.postcode();
    if (end == begin || begin->postcode != postcode) {
      begin = std::lower_bound(companions.begin(), companions.end(), postcode,
                               [](const Companion& c, std::uint64_t wanted) { return c.postcode < wanted; });
      end = std::find_if(begin, companions.end(), [&](const Companion& c) { return c.postcode != postcode; });
    }
    if (static_cast<std::uint64_t>(end - begin) > kMostCompanions) continue;
    const auto shares = shares_of(std::span(begin, end), seeker.providers, average);
    for (auto companion = begin; companion != end; ++companion) {
      const std::size_t company = company_of(*companion, seeker.providers);
      ask({identity, seeker.item.id, home_key(identity.date_of_birth(), companion->to), shares[company],
           static_cast<std::uint32_t>(company), static_cast<std::uint32_t>(with_provider)});
    }
  }
}

// Collective.  One round of the people, and of the records without a number, by date of birth and postcode.
RawVector<PassItem> bring_home(const Communicator& comm, const Identities& identities,
                               std::span<const Evidence> evidence, std::uint64_t round, std::uint64_t rounds,
                               RoundSieve& sieve, bool with_seekers) {
  return bring_together<PassItem>(comm, identities, round, rounds, sieve, [&](std::uint64_t i, const auto& add) {
    const Identity& plain = identities.owned[i].identity;
    if (plain.nhs_status() == NhsStatus::one_time) return;
    const Identity identity = weighed(plain, evidence[i]);
    if (identity.date_of_birth() == kMissingDay || identity.postcode() == 0) return;
    if (!identity.has_valid_nhs() && !with_seekers) return;
    const std::uint64_t key = home_key(identity.date_of_birth(), identity.postcode());
    add(key, [&] { return PassItem{identity, identities.first_id + i, key}; });
  });
}

// Leaves the people of a round; those who found nobody of their birthday at their own postcode, and so look elsewhere,
// are added to homeless.  Returns how many looked.
std::uint64_t part_homeless(RawVector<PassItem>& items, const LinkageModel& model, std::vector<PassItem>& homeless) {
  std::uint64_t seekers = 0;
  std::vector<PassItem> looking;
  std::size_t kept = 0;
  for (std::size_t begin = 0, end = 0; begin < items.size(); begin = end) {
    const std::uint64_t key = items[begin].key;
    const std::size_t first = kept;
    looking.clear();
    for (end = begin; end < items.size() && items[end].key == key; ++end) {
      if (items[end].identity.has_valid_nhs()) {
        items[kept++] = items[end];
      } else {
        looking.push_back(items[end]);
      }
    }
    seekers += looking.size();
    const auto people = std::span<const PassItem>(items).subspan(first, kept - first);
    for (const PassItem& seeker : looking) {
      const bool is_home = std::any_of(people.begin(), people.end(), [&](const PassItem& person) {
        const Pattern pattern = compare(seeker.identity, person.identity);
        return model.weight(pattern, seeker.identity, person.identity) >= model.threshold();
      });
      if (!is_home) homeless.push_back({seeker.identity, seeker.id, seeker.identity.postcode()});
    }
  }
  items.resize(kept);
  return seekers;
}

// The people of one birthday at one postcode, to those who ask for them.
void answer(std::span<const PassItem> people, std::span<const Question> questions, std::vector<Answer>& answers) {
  if (people.size() > kMostAlike) return;
  for (const Question& question : questions) {
    for (const PassItem& person : people) answers.push_back({question, person.identity, person.id});
  }
}

// Collective.  The number of postcodes of each answer's number.
std::vector<std::uint64_t> postcodes_of(const Communicator& comm, std::span<const Answer> answers,
                                        std::span<const Mover> movers) {
  const ShardMap shard_map(comm.size());
  std::vector<std::uint64_t> asked;
  asked.reserve(answers.size());
  for (const Answer& found : answers) asked.push_back(linkage_key(found.identity.nhs()));
  ReturnRoute route;
  const Received<std::uint64_t> received = shuffle(
      comm, std::move(asked), [&](std::uint64_t key) { return shard_map.owner(shard_of(key)); }, route);
  std::vector<std::uint64_t> replies;
  replies.reserve(received.items.size());
  for (const std::uint64_t key : received.items) {
    const auto mover = std::lower_bound(movers.begin(), movers.end(), key,
                                        [](const Mover& m, std::uint64_t wanted) { return m.number_key < wanted; });
    replies.push_back(mover != movers.end() && mover->number_key == key ? mover->postcodes : 1);
  }
  return route.reply<std::uint64_t>(comm, replies);
}

// What one rank has found.
struct Findings {
  std::array<EdgeReducer, 2> edges, suppressed;  // by whether the provider knows the company
  std::uint64_t compared = 0, links = 0;
};

void weigh(const Answer& found, std::uint64_t postcodes, const LinkageModel& model, const MoveModel& moves,
           Findings& findings) {
  const Identity &seeker = found.question.identity, &person = found.identity;
  ++findings.compared;
  Levels levels = levels_of(compare(seeker, person));
  if (levels.nhs == NhsLevel::near) return;  // they have met with the number
  levels.postcode = PostcodeLevel::missing;
  const Weight weight =
      model.weight(pattern_of(levels), birth_rarity(seeker), kAverageRarity) +
      moves.weight(found.question.with_provider != 0, postcodes, found.question.company, found.question.share);
  if (weight < model.rival_threshold()) return;
  const bool with_suppressed = is_suppressed(seeker) || is_suppressed(person);
  const bool known = is_known_company(found.question.company);
  findings.links += weight >= moves.threshold(known) && !with_suppressed;
  EdgeReducer& reducer = (with_suppressed ? findings.suppressed : findings.edges)[known ? 1 : 0];
  const EdgeKind kind = known ? EdgeKind::moved_known : EdgeKind::moved;
  if (found.question.id < found.id) {
    reducer.add({found.question.id, found.id, weight, kind}, 0, person.nhs());
  } else {
    reducer.add({found.id, found.question.id, weight, kind}, person.nhs(), 0);
  }
}

// Collective.  The homeless, with their providers, at the owners of their postcodes, in order of postcode.
std::vector<Seeker> bring_seekers(const Communicator& comm, const Identities& identities, bool with_providers,
                                  std::vector<PassItem>&& homeless) {
  const Received<PassItem> at_home =
      shuffle(comm, std::move(homeless), [&](const PassItem& item) { return identities.owner(item.id); });
  std::vector<Seeker> seekers;
  seekers.reserve(at_home.items.size());
  for (const PassItem& item : at_home.items) {
    const ProviderSet providers = identities.owned[item.id - identities.first_id].providers;
    seekers.push_back({item, with_providers ? providers : 0});
  }
  const ShardMap shard_map(comm.size());
  seekers = shuffle(comm, std::move(seekers), [&](const Seeker& seeker) {
              return shard_map.owner(shard_of(linkage_key(seeker.item.key)));
            }).items;
  sort_by_key(
      seekers, [](const Seeker& seeker) { return seeker.item.key; },
      [](const Seeker& a, const Seeker& b) { return a.item.id < b.item.id; });
  return seekers;
}

}  // namespace

PassResult link_moves(const Communicator& comm, const Identities& identities, std::span<const Evidence> evidence,
                      const LinkageModel& model, bool with_providers, MoveCounts& counts, ModelParameters& parameters) {
  PassResult result;
  result.report.name = "moves";
  Addresses addresses = find_moves(comm, identities, evidence, with_providers, counts);
  const std::vector<Companion> companions = find_companions(comm, std::move(addresses.moves), counts);
  for (HeldOutCounts& of : counts.held_out) {
    of.records = comm.sum(of.records);
    for (auto& of_class : of.alone) comm.sum(of_class);
  }
  comm.sum(counts.persons);
  const MoveModel moves(counts, model.parameters());
  parameters.elsewhere = moves.elsewhere();
  if (!moves.is_learnt()) return result;

  // Who is at home does not ask: of twenty, one is not.
  RawVector<PassItem> people;
  std::vector<PassItem> homeless;
  std::uint64_t looking = 0;
  const std::uint64_t home_rounds = rounds_for<PassItem>(comm, identities);
  RoundSieve sieve;
  for (std::uint64_t round = 0; round < home_rounds; ++round) {
    people = bring_home(comm, identities, evidence, round, home_rounds, sieve, true);
    looking += part_homeless(people, model, homeless);
  }
  const std::vector<Seeker> seekers =
      bring_seekers(comm, identities, with_providers && moves.providers_tell(), std::move(homeless));
  const double average = model.parameters().postcode.back().u;
  std::uint64_t questions = 0;
  ask_companions(seekers, companions, moves, average, [&](const Question&) { ++questions; });
  const std::uint64_t rounds = std::max(home_rounds, rounds_for<Question>(comm, identities, comm.sum(questions)));
  const ShardMap shard_map(comm.size());
  std::vector<Answer> answers;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    if (rounds > 1) people = bring_home(comm, identities, evidence, round, rounds, sieve, false);
    std::vector<Question> asked;
    ask_companions(seekers, companions, moves, average, [&](const Question& question) {
      if (is_of_round(question.key, round, rounds)) asked.push_back(question);
    });
    std::vector<Question> here = shuffle(comm, std::move(asked), [&](const Question& question) {
                                   return shard_map.owner(shard_of(question.key));
                                 }).items;
    sort_by_key(
        here, [](const Question& question) { return question.key; },
        [](const Question& a, const Question& b) { return a.id < b.id; });
    std::uint64_t homes = 0, largest = 0;
    auto question = here.begin();
    for (std::size_t begin = 0, end = 0; begin < people.size(); begin = end) {
      const std::uint64_t key = people[begin].key;
      for (end = begin; end < people.size() && people[end].key == key;) ++end;
      ++homes;
      largest = std::max<std::uint64_t>(largest, end - begin);
      while (question != here.end() && question->key < key) ++question;
      const auto first = question;
      while (question != here.end() && question->key == key) ++question;
      answer(std::span(people).subspan(begin, end - begin), std::span(first, question), answers);
    }
    result.report.groups += comm.sum(homes);
    result.report.largest_group = std::max(result.report.largest_group, comm.max(largest));
  }
  const std::vector<std::uint64_t> postcodes = postcodes_of(comm, answers, addresses.movers);
  Findings findings;
  for (std::size_t a = 0; a < answers.size(); ++a) weigh(answers[a], postcodes[a], model, moves, findings);
  for (const bool known : {false, true}) {
    const auto append = [&](std::array<EdgeReducer, 2>& reducers, std::vector<Edge>& edges) {
      const std::vector<Edge> kept = reducers[known ? 1 : 0].take(moves.threshold(known));
      edges.insert(edges.end(), kept.begin(), kept.end());
    };
    append(findings.edges, result.edges);
    append(findings.suppressed, result.suppressed);
  }
  result.report.identities = comm.sum(looking);
  result.report.pairs_compared = comm.sum(findings.compared);
  result.report.edges = comm.sum(findings.links);
  return result;
}

}  // namespace ligature
