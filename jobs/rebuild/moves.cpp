#include "jobs/rebuild/moves.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "engine/comparison.hpp"
#include "engine/edge_reducer.hpp"
#include "engine/gallop.hpp"
#include "engine/gather_blocks.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "jobs/rebuild/companions.hpp"
#include "jobs/rebuild/rounds.hpp"
#include "partition/key_filter.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"
#include "partition/tiles.hpp"

namespace ligature {

namespace {

// Among more people of one birthday at one postcode nobody leads.
constexpr std::size_t kMostAlike = 16;
constexpr std::size_t kHomesPerTask = std::size_t{1} << 12, kSeekersPerTask = std::size_t{1} << 10;
constexpr std::size_t kAnswersPerTask = std::size_t{1} << 12;

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
      ask({identity, seeker.item.id, home_key(identity.date_of_birth(), companion->to), shares[company],
           static_cast<std::uint32_t>(company), static_cast<std::uint32_t>(with_provider)});
    }
  }
}

// The home of a record as it counts: its linkage key; nullopt where its date of birth or postcode is not known.
std::optional<std::uint64_t> home_of(const Identity& identity) noexcept {
  if (identity.date_of_birth() == kMissingDay || identity.postcode() == 0) return std::nullopt;
  return home_key(identity.date_of_birth(), identity.postcode());
}

// Collective.  One round of the people, and of the records without a number if they shall be, by date of birth and
// postcode.  asked: if given, only of those whose home somebody asks for.
RawVector<PassItem> bring_home(const Communicator& comm, const Identities& identities,
                               std::span<const Evidence> evidence, const KeyFilter* asked, std::uint64_t round,
                               std::uint64_t rounds, RoundSieve& sieve, bool with_seekers) {
  return bring_together<PassItem>(comm, identities, round, rounds, sieve, [&](std::uint64_t i, const auto& add) {
    const Identity& plain = identities.owned[i].identity;
    if (plain.nhs_status() == NhsStatus::one_time) return;
    const Identity identity = weighed(plain, evidence[i]);
    if (!identity.has_valid_nhs() && !with_seekers) return;
    const std::optional<std::uint64_t> home = home_of(identity);
    if (!home || (asked != nullptr && !asked->may_have(*home))) return;
    add(*home, [&] { return PassItem{identity, identities.first_id + i, *home}; });
  });
}

// What one thread knows of homes.
struct Homes {
  std::vector<PassItem> homeless;
  std::uint64_t looking = 0;
  std::vector<PassItem> people, seekers;  // of the home at hand
};

// Those of one home who found nobody of their birthday there, and so look elsewhere, are added to the homeless.
void part_homeless(std::span<const PassItem> home, const LinkageModel& model, Homes& homes) {
  homes.people.clear();
  homes.seekers.clear();
  for (const PassItem& item : home) (item.identity.has_valid_nhs() ? homes.people : homes.seekers).push_back(item);
  for (const PassItem& seeker : homes.seekers) {
    const bool is_home = std::any_of(homes.people.begin(), homes.people.end(), [&](const PassItem& person) {
      const Pattern pattern = compare(seeker.identity, person.identity);
      return model.weight(pattern, seeker.identity, person.identity) >= model.threshold();
    });
    if (!is_home) homes.homeless.push_back({seeker.identity, seeker.id, seeker.identity.postcode()});
  }
  homes.looking += homes.seekers.size();
}

// Collective.  The records without a number who are not at home.  residents: gets those of the last round, with those
// who look.  looking: how many did.
std::vector<PassItem> find_homeless(const Communicator& comm, const Identities& identities,
                                    std::span<const Evidence> evidence, const LinkageModel& model, std::uint64_t rounds,
                                    RawVector<PassItem>& residents, std::uint64_t& looking) {
  std::vector<PassItem> homeless;
  RoundSieve sieve;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    residents = bring_home(comm, identities, evidence, nullptr, round, rounds, sieve, true);
    const RawVector<Range> homes = groups_of(std::span<const PassItem>(residents), 1);
    PerThread<Homes> found;
    for_blocks(homes.size(), kHomesPerTask, [&](std::size_t begin, std::size_t end) {
      Homes& here = found.local();
      for (std::size_t h = begin; h < end; ++h) {
        part_homeless(std::span(residents).subspan(homes[h].begin, homes[h].size()), model, here);
      }
    });
    found.for_each([&](const Homes& here) {
      looking += here.looking;
      homeless.insert(homeless.end(), here.homeless.begin(), here.homeless.end());
    });
  }
  return homeless;
}

// The people of one birthday at one postcode, to those who ask for them.  Returns how many they are.
std::uint64_t answer(std::span<const PassItem> residents, std::span<const Question> questions,
                     RawVector<Answer>& answers) {
  const auto is_person = [](const PassItem& resident) { return resident.identity.has_valid_nhs(); };
  const auto people = static_cast<std::uint64_t>(std::count_if(residents.begin(), residents.end(), is_person));
  if (people > kMostAlike) return people;
  for (const Question& question : questions) {
    for (const PassItem& resident : residents) {
      if (is_person(resident)) answers.push_back({question, resident.identity, resident.id});
    }
  }
  return people;
}

// The homes that are asked for, how many there are and the people of the largest, over the tasks of a thread.
struct HomesAsked {
  std::uint64_t homes = 0, largest = 0;
};

// residents: by key; questions: by key, and of one key by who asks.
RawVector<Answer> answer_all(std::span<const PassItem> residents, std::span<const Question> questions,
                             HomesAsked& asked) {
  const RawVector<Range> groups = groups_of(questions, 1);
  PerThread<HomesAsked> by_thread;
  RawVector<Answer> answers =
      gather_blocks<Answer>(groups.size(), kHomesPerTask, [&](std::size_t begin, std::size_t end, auto& found) {
        HomesAsked& here = by_thread.local();
        const auto before = [](const PassItem& item, std::uint64_t key) { return item.key < key; };
        auto resident = residents.begin();
        for (std::size_t g = begin; g < end; ++g) {
          const std::uint64_t key = questions[groups[g].begin].key;
          const auto home = lower_bound_near(resident, residents.end(), key, before);
          for (resident = home; resident != residents.end() && resident->key == key;) ++resident;
          const std::uint64_t people =
              answer(std::span(home, resident), questions.subspan(groups[g].begin, groups[g].size()), found);
          here.homes += people != 0;
          here.largest = std::max(here.largest, people);
        }
      });
  by_thread.for_each([&](const HomesAsked& here) {
    asked.homes += here.homes;
    asked.largest = std::max(asked.largest, here.largest);
  });
  return answers;
}

// Collective.  The number of postcodes of each answer's number.
RawVector<std::uint64_t> postcodes_of(const Communicator& comm, std::span<const Answer> answers,
                                      std::span<const Mover> movers) {
  const ShardMap shard_map(comm.size());
  RawVector<std::uint64_t> asked(answers.size());
  for_blocks(answers.size(), kAnswersPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t a = begin; a < end; ++a) asked[a] = linkage_key(answers[a].identity.nhs());
  });
  ReturnRoute route;
  const auto received = shuffle(
      comm, std::move(asked), [&](std::uint64_t key) { return shard_map.owner(shard_of(key)); }, route);
  RawVector<std::uint64_t> replies(received.items.size());
  for_blocks(replies.size(), kAnswersPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t r = begin; r < end; ++r) {
      const std::uint64_t key = received.items[r];
      const auto mover = std::lower_bound(movers.begin(), movers.end(), key,
                                          [](const Mover& m, std::uint64_t wanted) { return m.number_key < wanted; });
      replies[r] = mover != movers.end() && mover->number_key == key ? mover->postcodes : 1;
    }
  });
  return route.reply(comm, std::move(replies));
}

// What one thread has found.
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
  const std::uint64_t home_rounds = rounds_for<PassItem>(comm, identities);
  std::uint64_t looking = 0;
  RawVector<PassItem> residents;
  std::vector<PassItem> homeless = find_homeless(comm, identities, evidence, model, home_rounds, residents, looking);
  const std::vector<Seeker> seekers =
      bring_seekers(comm, identities, with_providers && moves.providers_tell(), std::move(homeless));
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
  const std::uint64_t rounds = std::max(home_rounds, rounds_for<Question>(comm, identities, comm.sum(questions)));
  // Not all people are there any more, and few are asked for.
  std::optional<KeyFilter> asked;
  if (rounds > 1) {
    asked.emplace(comm, questions, [&](const auto& add) {
      ask(0, seekers.size(), [&](const Question& question) { add(question.key); });
    });
  }
  const ShardMap shard_map(comm.size());
  RoundSieve sieve;
  RawVector<Answer> answers;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    if (asked) residents = bring_home(comm, identities, evidence, &*asked, round, rounds, sieve, false);
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
        [](const Question& a, const Question& b) { return a.id < b.id; });
    HomesAsked of_round;
    const RawVector<Answer> found = answer_all(residents, here, of_round);
    answers.insert(answers.end(), found.begin(), found.end());
    result.report.groups += comm.sum(of_round.homes);
    result.report.largest_group = std::max(result.report.largest_group, comm.max(of_round.largest));
  }
  const RawVector<std::uint64_t> postcodes = postcodes_of(comm, answers, company.movers);
  PerThread<Findings> findings;
  for_blocks(answers.size(), kAnswersPerTask, [&](std::size_t begin, std::size_t end) {
    Findings& here = findings.local();
    for (std::size_t a = begin; a < end; ++a) weigh(answers[a], postcodes[a], model, moves, here);
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
  result.report.identities = comm.sum(looking);
  result.report.pairs_compared = comm.sum(compared);
  result.report.edges = comm.sum(links);
  return result;
}

}  // namespace ligature
