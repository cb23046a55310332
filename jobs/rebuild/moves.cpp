#include "jobs/rebuild/moves.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <utility>
#include <vector>

#include "engine/comparison.hpp"
#include "engine/edge_reducer.hpp"
#include "engine/gather_blocks.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "jobs/rebuild/companions.hpp"
#include "jobs/rebuild/rounds.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"
#include "partition/tiles.hpp"

namespace ligature {

namespace {

// Among more people of one birthday at one postcode nobody leads.
constexpr std::size_t kMostAlike = 16;
constexpr std::size_t kHomesPerTask = std::size_t{1} << 12, kSeekersPerTask = std::size_t{1} << 10;
constexpr std::size_t kAnswersPerTask = std::size_t{1} << 12;
constexpr std::size_t kPersonsAhead = 16;  // whose identity is fetched before it is asked for

// A record without a number asks at a companion of its postcode.
struct Question {
  Identity identity;
  IdentityId id = 0;
  std::uint64_t key = 0;  // linkage key of the companion
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
  IdentityId id = 0;
};

// What is told of that identity: the same weighed, and the number of postcodes of its number.
struct Person {
  Identity identity;
  std::uint64_t postcodes = 0;
};

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

// Calls ask(question) for each companion of the postcode of each record that looks for its person.  seekers: one after
// the other of all, as many as one thread takes.
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
      ask({identity, seeker.item.id, linkage_key(companion->to), shares[company], static_cast<std::uint32_t>(company),
           static_cast<std::uint32_t>(with_provider)});
    }
  }
}

// A home that is asked for: of one birthday at one postcode.
bool is_same_home(const Question& a, const Question& b) noexcept {
  return a.key == b.key && a.identity.date_of_birth() == b.identity.date_of_birth();
}

// The homes that are asked for, how many there are and the people of the largest, over the tasks of a thread.
struct HomesAsked {
  std::uint64_t homes = 0, largest = 0;
};

// The people of the homes of one round to those who ask for them.  questions: by home, and of one by who asks.
RawVector<Answer> answer_all(const Homes& homes, std::uint64_t round, std::span<const Question> questions,
                             HomesAsked& asked) {
  PerThread<HomesAsked> by_thread;
  RawVector<Answer> answers =
      gather_blocks<Answer>(questions.size(), kHomesPerTask, [&](std::size_t begin, std::size_t end, auto& found) {
        HomesAsked& here = by_thread.local();
        Homes::Visit visit(homes, round);
        // A home is its first question's task's.
        while (begin > 0 && begin < end && is_same_home(questions[begin], questions[begin - 1])) ++begin;
        for (std::size_t next = begin; begin < end; begin = next) {
          for (next = begin + 1; next < questions.size() && is_same_home(questions[next], questions[begin]);) ++next;
          const auto people = visit.people(questions[begin].key, questions[begin].identity.date_of_birth());
          here.homes += !people.empty();
          here.largest = std::max<std::uint64_t>(here.largest, people.size());
          if (people.size() > kMostAlike) continue;
          for (const Question& question : questions.subspan(begin, next - begin)) {
            for (const PersonAtHome& person : people) found.push_back({question, person.id()});
          }
        }
      });
  by_thread.for_each([&](const HomesAsked& here) {
    asked.homes += here.homes;
    asked.largest = std::max(asked.largest, here.largest);
  });
  return answers;
}

// Collective.  Who the answers name.  movers: of the numbers that this rank owns.
RawVector<Person> persons_of(const Communicator& comm, const Identities& identities, std::span<const Evidence> evidence,
                             std::span<const Answer> answers, std::span<const Mover> movers) {
  RawVector<IdentityId> asked(answers.size());
  for_blocks(answers.size(), kAnswersPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t a = begin; a < end; ++a) asked[a] = answers[a].id;
  });
  ReturnRoute route;
  const auto received = shuffle(
      comm, std::move(asked), [&](IdentityId id) { return identities.owner(id); }, route);
  RawVector<Person> persons(received.items.size());
  for_blocks(persons.size(), kAnswersPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t p = begin; p < end; ++p) {
      const std::uint64_t coming = received.items[std::min(p + kPersonsAhead, end - 1)] - identities.first_id;
      __builtin_prefetch(&identities.owned[coming]);
      __builtin_prefetch(&evidence[coming]);
      const std::uint64_t index = received.items[p] - identities.first_id;
      const Identity identity = weighed(identities.owned[index].identity, evidence[index]);
      const std::uint64_t key = linkage_key(identity.nhs());
      const auto mover = std::lower_bound(movers.begin(), movers.end(), key,
                                          [](const Mover& m, std::uint64_t wanted) { return m.number_key < wanted; });
      persons[p] = {identity, mover != movers.end() && mover->number_key == key ? mover->postcodes : 1};
    }
  });
  return route.reply(comm, std::move(persons));
}

// What one thread has found.
struct Findings {
  std::array<EdgeReducer, 2> edges, suppressed;  // by whether the provider knows the company
  std::uint64_t compared = 0, links = 0;
};

void weigh(const Answer& found, const Person& answering, const LinkageModel& model, const MoveModel& moves,
           Findings& findings) {
  const Identity &seeker = found.question.identity, &person = answering.identity;
  ++findings.compared;
  Levels levels = levels_of(compare(seeker, person));
  if (levels.nhs == NhsLevel::near) return;  // they have met with the number
  levels.postcode = PostcodeLevel::missing;
  const Weight weight = model.weight(pattern_of(levels), birth_rarity(seeker), kAverageRarity) +
                        moves.weight(found.question.with_provider != 0, answering.postcodes, found.question.company,
                                     found.question.share);
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
                      const LinkageModel& model, bool with_providers, Homes& homes, MoveCounts& counts,
                      ModelParameters& parameters) {
  PassResult result;
  result.report.name = "moves";
  const Company company = find_company(comm, identities, evidence, with_providers, counts);
  const RawVector<Companion>& companions = company.companions;
  for (HeldOutCounts& of : counts.held_out) {
    of.records = comm.sum(of.records);
    for (auto& of_class : of.alone) comm.sum(of_class);
  }
  comm.sum(counts.persons);
  const MoveModel moves(counts, model.parameters());
  parameters.elsewhere = moves.elsewhere();
  if (!moves.is_learnt()) return result;

  // Who is at home does not ask: of twenty, one is not.
  if (homes.rounds() == 0) note_homes(comm, identities, evidence, homes);
  const std::vector<Seeker> seekers =
      bring_seekers(comm, identities, with_providers && moves.providers_tell(), homes.take_homeless());
  const double average = model.parameters().postcode.back().u;
  const auto ask = [&](std::size_t begin, std::size_t end, const auto& visit) {
    ask_companions(std::span(seekers).subspan(begin, end - begin), companions, moves, average, visit);
  };
  std::atomic<std::uint64_t> questions = 0;
  for_blocks(seekers.size(), kSeekersPerTask, [&](std::size_t begin, std::size_t end) {
    std::uint64_t here = 0;
    ask(begin, end, [&](const Question&) { ++here; });
    questions += here;
  });
  // Each round of homes in as many as the questions take.
  const std::uint64_t rounds_each =
      1 + (rounds_for<Question>(comm, identities, comm.sum(questions)) - 1) / homes.rounds();
  const std::uint64_t rounds = homes.rounds() * rounds_each;
  const ShardMap shard_map(comm.size());
  RawVector<Answer> answers;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    RawVector<Question> sent =
        gather_blocks<Question>(seekers.size(), kSeekersPerTask, [&](std::size_t begin, std::size_t end, auto& found) {
          ask(begin, end, [&](const Question& question) {
            if (is_of_round(question.key, round, rounds)) found.push_back(question);
          });
        });
    auto here = shuffle(comm, std::move(sent), [&](const Question& question) {
                  return shard_map.owner(shard_of(question.key));
                }).items;
    sort_by_key(
        here, [](const Question& question) { return question.key; },
        [](const Question& a, const Question& b) {
          return std::pair(a.identity.date_of_birth(), a.id) < std::pair(b.identity.date_of_birth(), b.id);
        });
    HomesAsked of_round;
    const RawVector<Answer> found = answer_all(homes, round / rounds_each, here, of_round);
    answers.insert(answers.end(), found.begin(), found.end());
    result.report.groups += comm.sum(of_round.homes);
    result.report.largest_group = std::max(result.report.largest_group, comm.max(of_round.largest));
  }
  const RawVector<Person> persons = persons_of(comm, identities, evidence, answers, company.movers);
  PerThread<Findings> findings;
  for_blocks(answers.size(), kAnswersPerTask, [&](std::size_t begin, std::size_t end) {
    Findings& here = findings.local();
    for (std::size_t a = begin; a < end; ++a) weigh(answers[a], persons[a], model, moves, here);
  });
  std::uint64_t compared = 0, links = 0;
  findings.for_each([&](Findings& here) {
    compared += here.compared;
    links += here.links;
    for (const bool known : {false, true}) {
      const auto append = [&](std::array<EdgeReducer, 2>& reducers, std::vector<Edge>& edges) {
        const std::vector<Edge> kept = reducers[known ? 1 : 0].take(moves.threshold(known));
        edges.insert(edges.end(), kept.begin(), kept.end());
      };
      append(here.edges, result.edges);
      append(here.suppressed, result.suppressed);
    }
  });
  result.report.identities = comm.sum(homes.looking());
  result.report.pairs_compared = comm.sum(compared);
  result.report.edges = comm.sum(links);
  return result;
}

}  // namespace ligature
