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

// A postcode that a number has been seen at.
struct Address {
  std::uint64_t key = 0;  // linkage key of the number
  std::uint64_t number = 0;
  std::uint64_t postcode = 0;
  std::uint32_t records = 0;
  std::uint32_t rarity = 0;  // of the postcode
};

// One number's move between two postcodes, as it is told to the first.
struct Move {
  std::uint64_t from = 0, to = 0;
  std::uint64_t number = 0;
  std::uint8_t others = 0;  // postcodes of the number but from
  std::uint8_t alone = 0;   // the number has one record at from
  std::uint8_t rarity = 0;  // of to
};

// A companion of a postcode.
struct Companion {
  std::uint64_t postcode = 0, to = 0;
  std::uint32_t numbers = 0;  // that have been at both
  std::uint32_t rarity = 0;   // of to
};

// A number with several postcodes.
struct Mover {
  std::uint64_t number = 0;
  std::uint64_t postcodes = 0;
};

// A record without a number asks at a companion of its postcode.
struct Question {
  Identity identity;
  IdentityId id = 0;
  std::uint64_t key = 0;  // linkage key of date of birth and companion
  double share = 0;       // u of the companion's class
  std::uint64_t others = 0;
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

bool looks_for_person(const Identity& identity) noexcept {
  return !identity.has_valid_nhs() && identity.date_of_birth() != kMissingDay && identity.postcode() != 0;
}

struct Addresses {
  std::vector<Move> moves;
  std::vector<Mover> movers;
};

// The addresses of one number: how many it has counts for the file, and each move is told to both its ends.
void tell_moves(std::span<const Address> addresses, std::vector<Address>& distinct, MoveCounts& counts,
                Addresses& result) {
  distinct.clear();
  std::uint64_t records = 0;
  for (const Address& address : addresses) {
    records += address.records;
    if (!distinct.empty() && distinct.back().postcode == address.postcode) {
      distinct.back().records += address.records;
    } else {
      distinct.push_back(address);
    }
  }
  const std::uint64_t postcodes = distinct.size();
  ++counts.persons[address_class(postcodes)];
  if (records > 1) counts.held_out += records;
  if (postcodes < 2) return;
  result.movers.push_back({distinct.front().number, postcodes});
  if (postcodes > kMostAddresses) return;
  for (const Address& from : distinct) {
    for (const Address& to : distinct) {
      if (from.postcode == to.postcode) continue;
      result.moves.push_back({from.postcode, to.postcode, from.number, static_cast<std::uint8_t>(postcodes - 1),
                              static_cast<std::uint8_t>(from.records == 1), static_cast<std::uint8_t>(to.rarity)});
    }
  }
}

// Collective.  The moves of the numbers that this rank has met, and the numbers, in order.
Addresses find_moves(const Communicator& comm, const Identities& identities, std::span<const Evidence> evidence,
                     MoveCounts& counts) {
  Addresses result;
  const bool one_dataset = is_one_dataset(comm, identities);
  const std::uint64_t rounds = rounds_for(comm, identities);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const std::vector<Address> addresses = bring_together<Address>(
        comm, identities, round, rounds,
        [&](std::uint64_t i, const auto& add) {
          const CountedIdentity& counted = identities.owned[i];
          if (counted.identity.nhs_status() == NhsStatus::one_time || is_suppressed(counted)) return;
          const Identity identity = weighed(counted.identity, evidence[i]);
          if (!identity.has_valid_nhs() || identity.postcode() == 0) return;
          const std::uint64_t key = linkage_key(identity.nhs());
          add(key, [&] {
            return Address{key, identity.nhs(), identity.postcode(),
                           static_cast<std::uint32_t>(records_of(counted, one_dataset)), postcode_rarity(identity)};
          });
        },
        [](const Address& a, const Address& b) {
          return std::tie(a.postcode, a.records) < std::tie(b.postcode, b.records);
        });
    std::vector<Address> distinct;
    for (const Range& group : groups_of(std::span<const Address>(addresses), 1)) {
      tell_moves(std::span(addresses).subspan(group.begin, group.size()), distinct, counts, result);
    }
  }
  sort_items(result.movers.begin(), result.movers.end(),
             [](const Mover& a, const Mover& b) { return a.number < b.number; });
  return result;
}

// Collective.  The companions of the postcodes that this rank owns, in order; counts the records held out.
std::vector<Companion> find_companions(const Communicator& comm, std::vector<Move>&& told, MoveCounts& counts) {
  const ShardMap shard_map(comm.size());
  std::vector<Move> moves = shuffle(comm, std::move(told), [&](const Move& move) {
                              return shard_map.owner(shard_of(linkage_key(move.from)));
                            }).items;
  sort_items(moves.begin(), moves.end(), [](const Move& a, const Move& b) {
    return std::tie(a.from, a.to, a.number) < std::tie(b.from, b.to, b.number);
  });
  std::vector<Companion> companions;
  for (const Move& move : moves) {
    if (!companions.empty() && companions.back().postcode == move.from && companions.back().to == move.to) {
      ++companions.back().numbers;
    } else {
      companions.push_back({move.from, move.to, 1, move.rarity});
    }
  }
  // Each number's best company, itself left out.
  std::size_t at = 0;
  for (Move& move : moves) {
    while (companions[at].postcode != move.from || companions[at].to != move.to) ++at;
    move.to = company_class(companions[at].numbers - 1);
  }
  sort_items(moves.begin(), moves.end(), [](const Move& a, const Move& b) {
    return std::tie(a.from, a.number, b.to) < std::tie(b.from, b.number, a.to);
  });
  for (std::size_t m = 0; m < moves.size(); ++m) {
    const bool is_first = m == 0 || moves[m - 1].from != moves[m].from || moves[m - 1].number != moves[m].number;
    if (is_first && moves[m].alone != 0) ++counts.alone[address_class(moves[m].others)][moves[m].to];
  }
  return companions;
}

// u of each class of company of one postcode: the shares of people who live at its companions.
std::array<double, kCompanyClasses> shares_of(std::span<const Companion> companions, double average) noexcept {
  std::array<double, kCompanyClasses> shares{};
  for (const Companion& companion : companions) {
    shares[company_class(companion.numbers)] +=
        average * std::exp2(-rarity_bits(static_cast<Rarity>(companion.rarity)));
  }
  return shares;
}

// Calls ask(question) for each companion of the postcode of each record that looks for its person.
template <typename Ask>
void ask_companions(std::span<const PassItem> seekers, std::span<const Companion> companions, double average,
                    const Ask& ask) {
  auto begin = companions.begin();
  auto end = begin;
  std::array<double, kCompanyClasses> shares{};
  for (const PassItem& seeker : seekers) {
    const std::uint64_t postcode = seeker.identity.postcode();
    if (end == begin || begin->postcode != postcode) {
      begin = std::lower_bound(companions.begin(), companions.end(), postcode,
                               [](const Companion& c, std::uint64_t wanted) { return c.postcode < wanted; });
      end = std::find_if(begin, companions.end(), [&](const Companion& c) { return c.postcode != postcode; });
      shares = shares_of(std::span(begin, end), average);
    }
    if (static_cast<std::uint64_t>(end - begin) > kMostCompanions) continue;
    // Whoever finds somebody of its birthday at its own postcode does not look elsewhere.
    if (begin != end) ask({seeker.identity, seeker.id, home_key(seeker.identity.date_of_birth(), postcode), 1, 0});
    for (auto companion = begin; companion != end; ++companion) {
      ask({seeker.identity, seeker.id, home_key(seeker.identity.date_of_birth(), companion->to),
           shares[company_class(companion->numbers)], companion->numbers});
    }
  }
}

// The people of one birthday at one postcode, and those who ask for them.
void answer(std::span<const PassItem> people, std::span<const Question> questions, const LinkageModel& model,
            std::vector<Answer>& answers, std::vector<IdentityId>& at_home) {
  for (const Question& question : questions) {
    if (question.others > 0 && people.size() > kMostAlike) continue;
    for (const PassItem& person : people) {
      if (question.others > 0) {
        answers.push_back({question, person.identity, person.id});
      } else if (model.weight(compare(question.identity, person.identity), question.identity, person.identity) >=
                 model.threshold()) {
        at_home.push_back(question.id);
        break;
      }
    }
  }
}

// Collective.  Brings the answers to the owners of those who asked, and drops those of whoever is at home.
void keep_homeless(const Communicator& comm, const Identities& identities, std::vector<IdentityId>&& at_home,
                   std::vector<Answer>& answers) {
  std::vector<IdentityId> found =
      shuffle(comm, std::move(at_home), [&](IdentityId id) { return identities.owner(id); }).items;
  sort_items(found.begin(), found.end(), std::less<>());
  answers = shuffle(comm, std::move(answers), [&](const Answer& of) { return identities.owner(of.question.id); }).items;
  std::erase_if(answers,
                [&](const Answer& of) { return std::binary_search(found.begin(), found.end(), of.question.id); });
}

// Collective.  The number of postcodes of each answer's number.
std::vector<std::uint64_t> postcodes_of(const Communicator& comm, std::span<const Answer> answers,
                                        std::span<const Mover> movers) {
  const ShardMap shard_map(comm.size());
  std::vector<std::uint64_t> asked;
  asked.reserve(answers.size());
  for (const Answer& found : answers) asked.push_back(found.identity.nhs());
  ReturnRoute route;
  const Received<std::uint64_t> received = shuffle(
      comm, std::move(asked), [&](std::uint64_t number) { return shard_map.owner(shard_of(linkage_key(number))); },
      route);
  std::vector<std::uint64_t> replies;
  replies.reserve(received.items.size());
  for (const std::uint64_t number : received.items) {
    const auto mover = std::lower_bound(movers.begin(), movers.end(), number,
                                        [](const Mover& m, std::uint64_t wanted) { return m.number < wanted; });
    replies.push_back(mover != movers.end() && mover->number == number ? mover->postcodes : 1);
  }
  return route.reply<std::uint64_t>(comm, replies);
}

// What one rank has found.
struct Findings {
  EdgeReducer edges, suppressed;
  std::uint64_t compared = 0, links = 0;
};

void weigh(const Answer& found, std::uint64_t postcodes, const LinkageModel& model, const MoveModel& moves,
           Findings& findings) {
  const Identity &seeker = found.question.identity, &person = found.identity;
  ++findings.compared;
  Levels levels = levels_of(compare(seeker, person));
  if (levels.nhs == NhsLevel::near) return;  // they have met with the number
  levels.postcode = PostcodeLevel::missing;
  const Weight weight = model.weight(pattern_of(levels), birth_rarity(seeker), kAverageRarity) +
                        moves.weight(postcodes, found.question.others, found.question.share);
  if (weight < model.rival_threshold()) return;
  const bool with_suppressed = is_suppressed(seeker) || is_suppressed(person);
  findings.links += weight >= moves.threshold() && !with_suppressed;
  EdgeReducer& reducer = with_suppressed ? findings.suppressed : findings.edges;
  if (found.question.id < found.id) {
    reducer.add({found.question.id, found.id, weight, EdgeKind::moved}, 0, person.nhs());
  } else {
    reducer.add({found.id, found.question.id, weight, EdgeKind::moved}, person.nhs(), 0);
  }
}

// Collective.  The records without a number at the owners of their postcodes, in order of postcode.
std::vector<PassItem> bring_seekers(const Communicator& comm, const Identities& identities,
                                    std::span<const Evidence> evidence) {
  std::vector<PassItem> seekers;
  for (std::uint64_t i = 0; i < identities.owned.size(); ++i) {
    const Identity& plain = identities.owned[i].identity;
    if (plain.nhs_status() == NhsStatus::one_time) continue;
    const Identity identity = weighed(plain, evidence[i]);
    if (looks_for_person(identity)) seekers.push_back({identity, identities.first_id + i, identity.postcode()});
  }
  const ShardMap shard_map(comm.size());
  std::vector<PassItem> items = shuffle(comm, std::move(seekers), [&](const PassItem& item) {
                                  return shard_map.owner(shard_of(linkage_key(item.key)));
                                }).items;
  sort_items(items.begin(), items.end(),
             [](const PassItem& a, const PassItem& b) { return a.key != b.key ? a.key < b.key : a.id < b.id; });
  return items;
}

}  // namespace

PassResult link_moves(const Communicator& comm, const Identities& identities, std::span<const Evidence> evidence,
                      const LinkageModel& model, MoveCounts& counts, ModelParameters& parameters) {
  PassResult result;
  result.report.name = "moves";
  Addresses addresses = find_moves(comm, identities, evidence, counts);
  const std::vector<Companion> companions = find_companions(comm, std::move(addresses.moves), counts);
  for (auto& of_class : counts.alone) comm.sum(of_class);
  comm.sum(counts.persons);
  counts.held_out = comm.sum(counts.held_out);
  const MoveModel moves(counts, model.parameters());
  parameters.elsewhere = moves.elsewhere();
  if (!moves.is_learnt()) return result;

  const std::vector<PassItem> seekers = bring_seekers(comm, identities, evidence);
  const double average = model.parameters().postcode.back().u;
  std::uint64_t questions = 0;
  ask_companions(seekers, companions, average, [&](const Question&) { ++questions; });
  const std::uint64_t rounds =
      std::max(rounds_for(comm, identities), rounds_for(comm, identities, comm.sum(questions)));
  const ShardMap shard_map(comm.size());
  std::vector<Answer> answers;
  std::vector<IdentityId> at_home;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const std::vector<PassItem> people =
        bring_together<PassItem>(comm, identities, round, rounds, [&](std::uint64_t i, const auto& add) {
          const Identity& plain = identities.owned[i].identity;
          if (plain.nhs_status() == NhsStatus::one_time) return;
          const Identity identity = weighed(plain, evidence[i]);
          if (!identity.has_valid_nhs() || identity.date_of_birth() == kMissingDay || identity.postcode() == 0) return;
          const std::uint64_t key = home_key(identity.date_of_birth(), identity.postcode());
          add(key, [&] { return PassItem{identity, identities.first_id + i, key}; });
        });
    std::vector<Question> asked;
    ask_companions(seekers, companions, average, [&](const Question& question) {
      if (is_of_round(question.key, round, rounds)) asked.push_back(question);
    });
    std::vector<Question> here = shuffle(comm, std::move(asked), [&](const Question& question) {
                                   return shard_map.owner(shard_of(question.key));
                                 }).items;
    sort_by_key(
        here, [](const Question& question) { return question.key; },
        [](const Question& a, const Question& b) { return a.id < b.id; });
    const std::vector<Range> homes = groups_of(std::span<const PassItem>(people), 1);
    auto question = here.begin();
    for (const Range& home : homes) {
      const std::uint64_t key = people[home.begin].key;
      while (question != here.end() && question->key < key) ++question;
      const auto first = question;
      while (question != here.end() && question->key == key) ++question;
      answer(std::span(people).subspan(home.begin, home.size()), std::span(first, question), model, answers, at_home);
    }
    result.report.groups += comm.sum(std::uint64_t{homes.size()});
    std::uint64_t largest = 0;
    for (const Range& home : homes) largest = std::max(largest, home.size());
    result.report.largest_group = std::max(result.report.largest_group, comm.max(largest));
  }
  keep_homeless(comm, identities, std::move(at_home), answers);
  const std::vector<std::uint64_t> postcodes = postcodes_of(comm, answers, addresses.movers);
  Findings findings;
  for (std::size_t a = 0; a < answers.size(); ++a) weigh(answers[a], postcodes[a], model, moves, findings);
  result.edges = findings.edges.take(moves.threshold());
  result.suppressed = findings.suppressed.take(moves.threshold());
  result.report.identities = comm.sum(std::uint64_t{seekers.size()});
  result.report.pairs_compared = comm.sum(findings.compared);
  result.report.edges = comm.sum(findings.links);
  return result;
}

}  // namespace ligature
