#include "jobs/rebuild/residents.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/clustering.hpp"
#include "engine/gather_blocks.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "jobs/rebuild/rounds.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

// A value is weighed as if so many more persons had been seen to have it as often as the average.
constexpr double kSmoothing = 2;

// Postcodes by their number of residents in quarters of a bit; most is 2^32 of them.
constexpr std::size_t kCrowds = 4 * 32;

std::size_t crowd_by_logarithm(std::uint64_t residents) noexcept {
  return std::min<std::size_t>(kCrowds - 1, static_cast<std::size_t>(std::lround(4 * std::log2(residents))));
}

// REQUIRES: residents > 0.  Most postcodes have few, for which it is looked up.
std::size_t crowd_of(std::uint64_t residents) noexcept {
  static const std::array<std::uint8_t, 256> few = [] {
    std::array<std::uint8_t, 256> crowds{};
    for (std::size_t n = 1; n < crowds.size(); ++n) crowds[n] = static_cast<std::uint8_t>(crowd_by_logarithm(n));
    return crowds;
  }();
  return residents < few.size() ? few[residents] : crowd_by_logarithm(residents);
}

// An identity at its postcode.
struct Resident {
  std::uint64_t key = 0;     // linkage key of the postcode
  std::uint64_t number = 0;  // valid NHS number, 0 if none
  std::uint64_t value = 0;   // thin number or not, postcode, date of birth and gender
  IdentityId id = 0;
  [[nodiscard]] bool is_thin() const noexcept { return value >> 63 != 0; }
  [[nodiscard]] DayNumber birth() const noexcept { return static_cast<DayNumber>(value >> 2 & 0xFFFF); }
  [[nodiscard]] std::size_t gender() const noexcept { return value & 3; }
};

// Which of the records of a person speaks for him at a postcode.
bool speaks_before(const Resident& a, const Resident& b) noexcept {
  return a.value != b.value ? a.value < b.value : a.id < b.id;
}

struct CrowdCounts {
  std::array<std::uint64_t, kCrowds> numbers{};      // NHS numbers at the postcodes
  std::array<std::uint64_t, kCrowds> pairs{};        // of different numbers
  std::array<std::uint64_t, kCrowds> pairs_known{};  // ... with both dates of birth and genders known
  std::array<std::uint64_t, kCrowds> same_birth_different_gender{}, same_birth_same_gender{};
  std::array<std::uint64_t, kGenderLevels> alike_in_use{}, alike_thin{};
  std::array<std::uint64_t, 2> neighbours{};  // in number, one after the other: all, and of the same date of birth
  std::vector<TwinPair> twins;
};

struct PostcodeCount {
  std::uint64_t key = 0;  // linkage key of the postcode
  std::uint64_t residents = 0;
};

std::uint64_t pairs_of(std::uint64_t items) noexcept {
  return items == 0 ? 0 : items * (items - 1) / 2;
}

bool is_known(const Resident& resident) noexcept {
  return resident.gender() == static_cast<std::size_t>(Gender::male) ||
         resident.gender() == static_cast<std::size_t>(Gender::female);
}

// Whether it is a person with a number in use and a gender.
bool is_in_use(const Resident& person) noexcept {
  return !person.is_thin() && is_known(person);
}

// Persons of one postcode and one date of birth.  Returns how many have a number in use and a gender.
std::uint64_t count_alike(std::span<const Resident* const> persons, std::size_t crowd, CrowdCounts& counts) {
  std::uint64_t females = 0, males = 0, thin = 0;
  for (const Resident* const person : persons) {
    thin += person->is_thin();
    if (!is_in_use(*person)) continue;
    ++(person->gender() == static_cast<std::size_t>(Gender::female) ? females : males);
  }
  counts.same_birth_same_gender[crowd] += pairs_of(females) + pairs_of(males);
  counts.same_birth_different_gender[crowd] += females * males;
  counts.alike_in_use[static_cast<std::size_t>(GenderLevel::same)] += pairs_of(females) + pairs_of(males);
  counts.alike_in_use[static_cast<std::size_t>(GenderLevel::different)] += females * males;
  // Crowds say nothing of numbers that are wrong.
  constexpr std::size_t kMostAlike = 16;
  if (thin == 0 || persons.size() > kMostAlike) return females + males;
  for (std::size_t a = 0; a < persons.size(); ++a) {
    for (std::size_t b = a + 1; b < persons.size(); ++b) {
      const bool either = persons[a]->is_thin() || persons[b]->is_thin();
      if (!either || are_neighbours(persons[a]->number, persons[b]->number)) continue;
      const bool known = is_known(*persons[a]) && is_known(*persons[b]);
      const GenderLevel level = !known                                         ? GenderLevel::missing
                                : persons[a]->gender() == persons[b]->gender() ? GenderLevel::same
                                                                               : GenderLevel::different;
      ++counts.alike_thin[static_cast<std::size_t>(level)];
    }
  }
  return females + males;
}

std::uint64_t twin_flags(const Resident& resident) noexcept {
  return (resident.gender() == static_cast<std::size_t>(Gender::female) ? 0 : Evidence::twin_male) |
         (resident.gender() == static_cast<std::size_t>(Gender::male) ? 0 : Evidence::twin_female);
}

// Some residents of one postcode by number, then as their persons are spoken for.
using ByNumber = std::vector<const Resident*>;

// Those with numbers of one batch and the same date of birth.
void find_twins(const ByNumber& residents, std::vector<TwinPair>& twins) {
  constexpr std::size_t kLookedBack = 64;  // a batch has ten numbers
  for (std::size_t i = 1; i < residents.size(); ++i) {
    const Resident& resident = *residents[i];
    if (resident.birth() == kMissingDay) continue;
    for (std::size_t back = 1; back <= std::min(i, kLookedBack); ++back) {
      const Resident& other = *residents[i - back];
      if (!are_neighbours(other.number, resident.number)) break;
      if (other.number == resident.number || other.birth() != resident.birth()) continue;
      twins.push_back({resident.id, other.id, twin_flags(other)});
      twins.push_back({other.id, resident.id, twin_flags(resident)});
    }
  }
}

// Persons whose numbers follow each other: all, and of the same date of birth.
void count_neighbours(const ByNumber& residents, std::array<std::uint64_t, 2>& neighbours) {
  for (std::size_t i = 1; i < residents.size(); ++i) {
    const Resident &before = *residents[i - 1], &resident = *residents[i];
    if (before.number == resident.number || !are_neighbours(before.number, resident.number)) continue;
    if (before.birth() == kMissingDay || resident.birth() == kMissingDay) continue;
    ++neighbours[0];
    neighbours[1] += before.birth() == resident.birth();
  }
}

// Counts the residents of postcodes, one postcode after the other.
class PostcodeCounter {
 public:
  // residents: of one postcode, in the order of their numbers as identities: those of one person lie together.
  PostcodeCount count(std::span<const Resident> residents) {
    persons_.clear();
    std::uint64_t without = 0;
    for (std::size_t i = 0; i < residents.size(); ++i) {
      const Resident& resident = residents[i];
      if (resident.number == 0) {
        ++without;
      } else if (persons_.empty() || persons_.back()->number != resident.number) {
        persons_.push_back(&resident);
      } else if (speaks_before(resident, *persons_.back())) {
        persons_.back() = &resident;
      }
    }
    const std::uint64_t numbers = persons_.size();
    const std::size_t crowd = crowd_of(numbers + without);
    counts.numbers[crowd] += numbers;
    counts.pairs[crowd] += pairs_of(numbers);
    counts.pairs_known[crowd] += pairs_of(count_by_birth(crowd));
    if (has_near_numbers()) look_at_neighbours(residents);
    return {residents.front().key, numbers + without};
  }

  CrowdCounts counts;

 private:
  // Persons by date of birth.  Returns how many have one, a number in use and a gender.
  std::uint64_t count_by_birth(std::size_t crowd) {
    // Chains of one date, by a table of all dates in which what other postcodes have left is below base_.
    if (persons_.size() > std::numeric_limits<std::uint32_t>::max() - base_) {
      std::fill(last_of_birth_.begin(), last_of_birth_.end(), 0U);
      base_ = 1;
    }
    std::uint64_t in_use = 0;
    before_.resize(std::max(before_.size(), persons_.size()));
    for (std::size_t i = 0; i < persons_.size(); ++i) {
      std::uint32_t& last = last_of_birth_[persons_[i]->birth()];
      before_[i] = last >= base_ ? last : kNobody;
      last = base_ + static_cast<std::uint32_t>(i);
    }
    for (const Resident* const person : persons_) {
      const DayNumber birth = person->birth();
      if (birth == kMissingDay) continue;
      const std::uint32_t last = std::exchange(last_of_birth_[birth], 0U);
      if (last == 0) continue;  // its chain is counted
      alike_.clear();
      for (std::uint32_t one = last; one != kNobody; one = before_[one - base_]) {
        alike_.push_back(persons_[one - base_]);
      }
      in_use += alike_.size() == 1 ? std::uint64_t{is_in_use(*person)} : count_alike(alike_, crowd, counts);
    }
    base_ += static_cast<std::uint32_t>(persons_.size());
    return in_use;
  }

  // False only if no two persons have numbers of one batch: most postcodes need not be put in the order of numbers.
  [[nodiscard]] bool has_near_numbers() {
    constexpr std::size_t kSlots = 256;
    if (persons_.size() > kSlots / 2) return true;
    std::array<std::uint64_t, kSlots> stems{};  // tens of numbers without their check digit; 0: free
    const auto is_in = [&](std::uint64_t stem, std::size_t& slot) {
      slot = stem * 0x9E3779B97F4A7C15ULL >> 56;
      while (stems[slot] != 0 && stems[slot] != stem) slot = (slot + 1) % kSlots;
      return stems[slot] == stem;
    };
    for (const Resident* const person : persons_) {
      const std::uint64_t stem = person->number / 100 + 2;
      std::size_t slot = 0;
      if (is_in(stem - 1, slot) || is_in(stem + 1, slot) || is_in(stem, slot)) return true;
      stems[slot] = stem;
    }
    return false;
  }

  void look_at_neighbours(std::span<const Resident> residents) {
    by_number_.clear();
    for (const Resident& resident : residents) {
      if (resident.number != 0) by_number_.push_back(&resident);
    }
    std::sort(by_number_.begin(), by_number_.end(), [](const Resident* a, const Resident* b) {
      return a->number != b->number ? a->number < b->number : speaks_before(*a, *b);
    });
    count_neighbours(by_number_, counts.neighbours);
    find_twins(by_number_, counts.twins);
  }

  static constexpr std::uint32_t kNobody = 0;
  std::vector<const Resident*> persons_;  // one record for each
  std::vector<const Resident*> alike_;
  ByNumber by_number_;
  std::vector<std::uint32_t> last_of_birth_ = std::vector<std::uint32_t>(std::numeric_limits<DayNumber>::max() + 1U, 0);
  std::vector<std::uint32_t> before_;
  std::uint32_t base_ = 1;
};

// Collective.  Residents of each postcode, at the owner of the postcode's shard, sorted by key.
std::vector<PostcodeCount> count_postcodes(const Communicator& comm, const Identities& identities,
                                           const std::vector<std::uint8_t>& is_default,
                                           const std::vector<Evidence>& evidence, CrowdCounts& crowds) {
  std::vector<PostcodeCount> postcodes;
  const std::uint64_t rounds = rounds_for<Resident>(comm, identities);
  RoundSieve sieve;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const RawVector<Resident> residents =
        bring_together<Resident>(comm, identities, round, rounds, sieve, [&](std::uint64_t i, const auto& add) {
          const Identity& identity = identities.owned[i].identity;
          if (identity.nhs_status() == NhsStatus::one_time || identity.postcode() == 0) return;
          if (is_suppressed(identities.owned[i])) return;
          const std::uint64_t key = linkage_key(identity.postcode());
          add(key, [&] {
            const DayNumber birth = identity.date_of_birth();
            const DayNumber kept = is_default[birth] != 0 ? kMissingDay : birth;
            return Resident{key, identity.valid_nhs(),
                            static_cast<std::uint64_t>(evidence[i].has(Evidence::number_thin)) << 63 |
                                identity.postcode() << 18 | static_cast<std::uint64_t>(kept) << 2 |
                                static_cast<std::uint64_t>(identity.gender()),
                            identities.first_id + i};
          });
        });
    const RawVector<Range> groups = groups_of(std::span<const Resident>(residents), 1);
    const std::size_t before = postcodes.size();
    postcodes.resize(before + groups.size());
    PerThread<PostcodeCounter> counters;
    for_blocks(groups.size(), 256, [&](std::size_t begin, std::size_t end) {
      PostcodeCounter& counter = counters.local();
      for (std::size_t g = begin; g < end; ++g) {
        postcodes[before + g] = counter.count(std::span(residents).subspan(groups[g].begin, groups[g].size()));
      }
    });
    counters.for_each([&](const PostcodeCounter& counter) {
      const CrowdCounts& mine = counter.counts;
      crowds.twins.insert(crowds.twins.end(), mine.twins.begin(), mine.twins.end());
      for (std::size_t n = 0; n < crowds.neighbours.size(); ++n) crowds.neighbours[n] += mine.neighbours[n];
      for (std::size_t g = 0; g < kGenderLevels; ++g) {
        crowds.alike_in_use[g] += mine.alike_in_use[g];
        crowds.alike_thin[g] += mine.alike_thin[g];
      }
      for (std::size_t c = 0; c < kCrowds; ++c) {
        crowds.numbers[c] += mine.numbers[c];
        crowds.pairs[c] += mine.pairs[c];
        crowds.pairs_known[c] += mine.pairs_known[c];
        crowds.same_birth_different_gender[c] += mine.same_birth_different_gender[c];
        crowds.same_birth_same_gender[c] += mine.same_birth_same_gender[c];
      }
    });
  }
  comm.sum(crowds.neighbours);
  comm.sum(crowds.alike_in_use);
  comm.sum(crowds.alike_thin);
  comm.sum(crowds.numbers);
  comm.sum(crowds.pairs);
  comm.sum(crowds.pairs_known);
  comm.sum(crowds.same_birth_different_gender);
  comm.sum(crowds.same_birth_same_gender);
  if (rounds > 1) sort_by_key(postcodes, [](const PostcodeCount& count) { return count.key; });
  return postcodes;
}

// An identity that asks for the rarity of its postcode.
struct Asker {
  std::uint64_t key = 0;  // linkage key of the postcode
  std::uint64_t index = 0;
};

// Collective.  Asks the owners of postcodes for their rarity, one question a different postcode of so many identities.
void answer_rarities(const Communicator& comm, const Identities& identities,
                     const std::vector<PostcodeCount>& postcodes, std::uint64_t persons, double average,
                     std::vector<Evidence>& evidence) {
  constexpr std::uint64_t kAtOnce = std::uint64_t{1} << 22;
  constexpr std::size_t kItemsPerTask = std::size_t{1} << 14, kPostcodesPerTask = std::size_t{1} << 11;
  // Most postcodes have few residents, for whom it is looked up.
  std::array<Rarity, 256> of_few;
  for (std::uint64_t n = 0; n < of_few.size(); ++n) of_few[n] = rarity_among(n, persons, average);
  const auto rarity_of_residents = [&](std::uint64_t residents) {
    return residents < of_few.size() ? of_few[residents] : rarity_among(residents, persons, average);
  };
  const std::uint64_t at_once = std::min(kAtOnce, identities.per_round);
  const ShardMap shard_map(comm.size());
  const std::uint64_t owned = identities.owned.size(), blocks = comm.max((owned + at_once - 1) / at_once);
  for (std::uint64_t block = 0; block < blocks; ++block) {
    const std::uint64_t begin = std::min(owned, block * at_once), end = std::min(owned, begin + at_once);
    auto askers =
        gather_blocks<Asker>(end - begin, kItemsPerTask, [&](std::size_t first, std::size_t last, auto& found) {
          for (std::uint64_t i = begin + first; i < begin + last; ++i) {
            const Identity& identity = identities.owned[i].identity;
            if (identity.nhs_status() == NhsStatus::one_time || identity.postcode() == 0) continue;
            found.push_back({linkage_key(identity.postcode()), i});
          }
        });
    sort_by_key(askers, [](const Asker& asker) { return asker.key; });
    const RawVector<Range> groups = groups_of(std::span<const Asker>(askers), 1);
    std::vector<std::uint64_t> asked(groups.size());
    for_blocks(groups.size(), kPostcodesPerTask, [&](std::size_t first, std::size_t last) {
      for (std::size_t g = first; g < last; ++g) asked[g] = askers[groups[g].begin].key;
    });
    ReturnRoute route;
    const Received<std::uint64_t> questions = shuffle(
        comm, std::move(asked), [&](std::uint64_t key) { return shard_map.owner(shard_of(key)); }, route);
    // The questions of one rank come in the order of postcodes.
    std::vector<Rarity> answers(questions.items.size());
    for (std::size_t source = 0; source + 1 < questions.first.size(); ++source) {
      const std::uint64_t of_source = questions.first[source];
      for_blocks(questions.first[source + 1] - of_source, kPostcodesPerTask, [&](std::size_t first, std::size_t last) {
        const std::span<const std::uint64_t> keys = std::span(questions.items).subspan(of_source + first, last - first);
        auto found = std::lower_bound(postcodes.begin(), postcodes.end(), keys.front(),
                                      [](const PostcodeCount& count, std::uint64_t key) { return count.key < key; });
        for (std::size_t q = 0; q < keys.size(); ++q) {
          while (found != postcodes.end() && found->key < keys[q]) ++found;
          const bool lived_at = found != postcodes.end() && found->key == keys[q];
          answers[of_source + first + q] = rarity_of_residents(lived_at ? found->residents : 0);
        }
      });
    }
    const std::vector<Rarity> rarities = route.reply<Rarity>(comm, answers);
    for_blocks(groups.size(), kPostcodesPerTask, [&](std::size_t first, std::size_t last) {
      for (std::size_t g = first; g < last; ++g) {
        for (std::uint64_t a = groups[g].begin; a < groups[g].end; ++a) {
          evidence[askers[a].index].postcode = rarities[g];
        }
      }
    });
  }
}

}  // namespace

Rarity rarity_among(std::uint64_t persons_with_value, std::uint64_t persons, double average) noexcept {
  if (persons_with_value == 0 || persons < 2) return kAverageRarity;
  const double others = static_cast<double>(persons_with_value - 1), all = static_cast<double>(persons - 1);
  return rarity_of((others + kSmoothing) / (all + kSmoothing / average), average);
}

std::vector<TwinPair> survey_residents(const Communicator& comm, const Identities& identities,
                                       const std::vector<std::uint8_t>& is_default, FileFrequencies& file,
                                       std::vector<Evidence>& evidence) {
  CrowdCounts crowds;
  const std::vector<PostcodeCount> postcodes = count_postcodes(comm, identities, is_default, evidence, crowds);
  std::uint64_t residents = 0, numbers = 0;
  for (const PostcodeCount& count : postcodes) residents += count.residents;
  residents = comm.sum(residents);
  for (std::size_t c = 0; c < kCrowds; ++c) {
    numbers += crowds.numbers[c];
    file.different_pairs_same_postcode += crowds.pairs[c];
  }
  file.alike_in_use = crowds.alike_in_use;
  file.alike_thin = crowds.alike_thin;
  file.neighbours = crowds.neighbours[0];
  file.neighbours_same_birth = crowds.neighbours[1];
  // A person's several addresses are several residents; the pairs of one person are lost in the square.
  file.different_pairs_both_postcodes = pairs_of(numbers);

  const double average = documented_model(file).postcode.back().u;
  for (std::size_t c = 0; c < kCrowds; ++c) {
    const auto crowd = static_cast<std::uint64_t>(std::llround(std::exp2(static_cast<double>(c) / 4)));
    const std::size_t k = postcode_class(rarity_among(crowd, residents, average));
    file.pairs_at_postcode[k] += crowds.pairs_known[c];
    file.same_birth_at_postcode[k][static_cast<std::size_t>(GenderLevel::different)] +=
        crowds.same_birth_different_gender[c];
    file.same_birth_at_postcode[k][static_cast<std::size_t>(GenderLevel::same)] += crowds.same_birth_same_gender[c];
  }
  answer_rarities(comm, identities, postcodes, residents, average, evidence);
  return std::move(crowds.twins);
}

}  // namespace ligature
