#include "engine/expectation.hpp"

#include <algorithm>
#include <cmath>

#include "engine/settled.hpp"

namespace ligature {

namespace {

constexpr int kMostIterations = 5000;

// The start counts as this many pairs of one person, and of two.
constexpr double kPriorPairs = 30;

// Of pairs of one person with two numbers that are not both valid and different: those with the same.
constexpr double kSameNumber = 0.97;

// Fewer pairs of one person than this say less than the documented values do; fewer than one is none.
constexpr double kFewestMatched = 100;
constexpr double kNoneMatched = 1;

template <std::size_t Count>
using Shares = std::array<double, Count>;

template <typename Level>
constexpr std::size_t index(Level level) noexcept {
  return static_cast<std::size_t>(level);
}

// One identifier under one class.  Entry 0 (missing) is 1: it says nothing.
template <std::size_t Count>
struct Identifier {
  Shares<Count> share{}, prior{};
  std::size_t first_met = Count;  // levels from here on bring a pair together; Count: none does
  bool learn_exact = false, learn_partial = false;

  // What is expected of pairs of the class: at each level seen, and brought together by nothing.
  Shares<Count> seen{};
  double unmet = 0;

  // levels: of which entry 0 is not used.
  void start(const Shares<Count>& levels, std::size_t met, bool exact, bool partial) {
    double sum = 0;
    for (std::size_t level = 1; level < Count; ++level) {
      share[level] = levels[level] > kSmallestProbability ? std::min(levels[level], 1.0) : kSmallestProbability;
      sum += share[level];
    }
    for (std::size_t level = 1; level < Count; ++level) share[level] /= sum;
    share[0] = 1;
    prior = share;
    first_met = met;
    learn_exact = exact;
    learn_partial = partial;
  }

  // P(no level that brings a pair together): summed, for one minus nearly one has no digits left.
  [[nodiscard]] double not_met() const noexcept {
    double sum = 0;
    for (std::size_t level = 1; level < first_met; ++level) sum += share[level];
    return sum;
  }

  // The maximising shares, given what is expected.  A pair that was never compared is at one of the levels below
  // first_met; which of them, is as with those seen.  Returns the largest move, in units of move_to_settle.
  double update() {
    if (!learns()) return 0;
    constexpr std::size_t kExact = Count - 1;
    Shares<Count> next = share;
    double met = 0, below = 0;
    for (std::size_t level = 1; level < Count; ++level) {
      next[level] = seen[level] + kPriorPairs * prior[level];
      (level < first_met ? below : met) += next[level];
    }
    const double sum = met + below + unmet, stretch = (below + unmet) / below;
    for (std::size_t level = 1; level < Count; ++level) next[level] *= (level < first_met ? stretch : 1) / sum;
    // What is not learnt keeps its value: the exact share, or how the rest is divided.
    double left = 0, divided = 0;
    for (std::size_t level = 1; level < kExact; ++level) {
      left += learn_exact ? next[level] : share[level];
      divided += learn_partial ? next[level] : share[level];
    }
    for (std::size_t level = 1; level < kExact; ++level) {
      next[level] = (learn_partial ? next[level] : share[level]) * (left / divided);
    }
    if (!learn_exact) next[kExact] = share[kExact];
    double largest = 0;
    for (std::size_t level = 1; level < Count; ++level) {
      largest = std::max(largest, move_to_settle(share[level], next[level], sum));
    }
    share = next;
    return largest;
  }

  [[nodiscard]] bool learns() const noexcept { return learn_exact || learn_partial; }

  [[nodiscard]] double log_prior() const noexcept {
    double sum = 0;
    for (std::size_t level = 1; learns() && level < Count; ++level) {
      sum += kPriorPairs * prior[level] * std::log(share[level]);
    }
    return sum;
  }
};

struct Identifiers {
  Identifier<kNhsLevels> nhs;
  Identifier<kBirthLevels> birth;
  Identifier<kPostcodeLevels> postcode;
  Identifier<kGenderLevels> gender;

  void expect_nothing() {
    nhs.seen = {}, birth.seen = {}, postcode.seen = {}, gender.seen = {};
    nhs.unmet = birth.unmet = postcode.unmet = gender.unmet = 0;
  }
  [[nodiscard]] double not_met(std::size_t present) const noexcept {
    return ((present & kBothNhs) != 0 ? nhs.not_met() : 1) * ((present & kBothBirths) != 0 ? birth.not_met() : 1) *
           ((present & kBothPostcodes) != 0 ? postcode.not_met() : 1);
  }
  void expect_unmet(std::size_t present, double pairs) noexcept {
    if ((present & kBothNhs) != 0) nhs.unmet += pairs;
    if ((present & kBothBirths) != 0) birth.unmet += pairs;
    if ((present & kBothPostcodes) != 0) postcode.unmet += pairs;
  }
};

// Sums without losing what is small beside the whole (Neumaier, ZAMM 54, 1974).
class Sum {
 public:
  void add(double value) noexcept {
    const double next = sum_ + value;
    lost_ += std::abs(sum_) >= std::abs(value) ? (sum_ - next) + value : (value - next) + sum_;
    sum_ = next;
  }
  [[nodiscard]] double value() const noexcept { return sum_ + lost_; }

 private:
  double sum_ = 0, lost_ = 0;
};

// Pairs that look alike: of one pattern, or not compared and with the same identifiers on both sides.
struct Cell {
  bool compared;
  Levels levels;
  std::size_t present;
  double pairs;
};

class Estimator {
 public:
  Estimator(const ModelParameters& start, const ComparedPairs& pairs, const ExpectationOptions& options)
      : start_(start) {
    double same_number = 0, differing_numbers = 0;
    for (std::size_t p = 0; p < kPatterns; ++p) {
      if (pairs.counts[p] == 0) continue;
      const Levels levels = levels_of(static_cast<Pattern>(p));
      add_cell({true, levels, present_of(levels), static_cast<double>(pairs.counts[p])});
      if (levels.nhs == NhsLevel::missing) continue;
      (levels.nhs == NhsLevel::exact ? same_number : differing_numbers) += cells_.back().pairs;
    }
    for (std::size_t present = 0; present < kPresentSets; ++present) {
      if (pairs.not_compared[present] == 0) continue;
      add_cell({false, {}, present, static_cast<double>(pairs.not_compared[present])});
      if ((present & kBothNhs) != 0) differing_numbers += cells_.back().pairs;
    }
    known_different_ = static_cast<double>(pairs.known_different);
    total_ += known_different_;

    start_one(options, pairs.near_numbers_compared);
    start_two(options, pairs.near_numbers_compared, same_number, differing_numbers);
    lambda_ = std::clamp(start.prior > 0 ? start.prior : kSmallestProbability, kSmallestProbability, 0.5);
  }

  ExpectationResult run() {
    while (total_ > 0 && result_.iterations < kMostIterations && !result_.converged) {
      expect();
      ++result_.iterations;
      if (result_.matched < kNoneMatched) break;
      result_.converged = maximise() <= 1;
    }
    report();
    return std::move(result_);
  }

 private:
  void add_cell(const Cell& cell) {
    cells_.push_back(cell);
    total_ += cell.pairs;
    if ((cell.present & kBothNhs) == 0) result_.pairs_without_numbers += cell.pairs;
  }

  void start_one(const ExpectationOptions& options, bool near_met) {
    Shares<kNhsLevels> nhs{};
    nhs[index(NhsLevel::exact)] = kSameNumber;
    for (const NhsLevel level : {NhsLevel::near, NhsLevel::other}) {
      nhs[index(level)] = (1 - kSameNumber) * start_.nhs[index(level)].m;
    }
    one_.nhs.start(nhs, index(near_met ? NhsLevel::near : NhsLevel::exact), options.nhs, options.nhs);
    one_.birth.start(column(start_.birth, &LevelProbabilities::m), index(BirthLevel::exact), options.birth,
                     options.birth);
    one_.postcode.start(column(start_.postcode, &LevelProbabilities::m), index(PostcodeLevel::exact), options.postcode,
                        options.postcode);
    one_.gender.start(column(start_.gender, &LevelProbabilities::m), kGenderLevels, options.gender, options.gender);
  }

  // Of two persons with two numbers: how many share theirs, by the rate of wrong numbers among those that do; the rest
  // are known to be two persons, or one of the numbers is not valid.
  void start_two(const ExpectationOptions& options, bool near_met, double same_number, double differing_numbers) {
    const double wrong = start_.wrong_number[0][0] * same_number;
    const double numbers = std::max(wrong + differing_numbers + known_different_, kSmallestProbability);
    same_ = std::max(wrong / numbers, kSmallestProbability);
    differing_ = std::max(differing_numbers / numbers, kSmallestProbability);
    numbers_differ_ = differing_numbers + known_different_ > 0;
    Shares<kNhsLevels> nhs = column(start_.nhs, &LevelProbabilities::u);
    nhs[index(NhsLevel::exact)] = 0;  // that they share it is in same_
    two_.nhs.start(nhs, index(near_met ? NhsLevel::near : NhsLevel::exact), false, options.partial_u);
    two_.birth.start(column(start_.birth, &LevelProbabilities::u), index(BirthLevel::exact), options.exact_u,
                     options.partial_u);
    two_.postcode.start(column(start_.postcode, &LevelProbabilities::u), index(PostcodeLevel::exact), options.exact_u,
                        options.partial_u);
    two_.gender.start(column(start_.gender, &LevelProbabilities::u), kGenderLevels, false, false);

    for (std::size_t p = 0; p < kPostcodeLevels; ++p) {
      for (std::size_t g = 0; g < kGenderLevels; ++g) {
        const double share = start_.wrong_number[p][g] / start_.wrong_number[0][0];
        same_number_[p][g] = share > kSmallestProbability ? share : kSmallestProbability;
      }
    }
    for (std::size_t g = 0; g < kGenderLevels; ++g) {
      siblings_[g] = options.siblings_at_postcode[g] > 0 ? std::min(options.siblings_at_postcode[g], 0.5) : 0;
    }
  }

  template <std::size_t Count>
  static Shares<Count> column(const std::array<LevelProbabilities, Count>& levels, double LevelProbabilities::*which) {
    Shares<Count> shares{};
    for (std::size_t level = 1; level < Count; ++level) shares[level] = levels[level].*which;
    return shares;
  }

  [[nodiscard]] double one_person(const Cell& cell) const noexcept {
    if (!cell.compared) return one_.not_met(cell.present);
    return one_.nhs.share[index(cell.levels.nhs)] * one_.birth.share[index(cell.levels.birth)] *
           one_.postcode.share[index(cell.levels.postcode)] * one_.gender.share[index(cell.levels.gender)];
  }

  [[nodiscard]] double two_persons(const Cell& cell) const noexcept {
    if (!cell.compared) return ((cell.present & kBothNhs) != 0 ? differing_ : 1) * two_.not_met(cell.present);
    const std::size_t b = index(cell.levels.birth), p = index(cell.levels.postcode), g = index(cell.levels.gender);
    if (cell.levels.nhs == NhsLevel::exact) return same_ * two_.birth.share[b] * same_number_[p][g];
    const double nhs = cell.levels.nhs == NhsLevel::missing ? 1 : differing_ * two_.nhs.share[index(cell.levels.nhs)];
    return nhs * two_.postcode.share[p] * (by_chance(cell.levels) + as_siblings(cell.levels));
  }

  // P(birth, gender | two persons, not of one number): by chance, and at one postcode as siblings on one birthday.
  [[nodiscard]] double by_chance(const Levels& levels) const noexcept {
    const double chance = two_.birth.share[index(levels.birth)] * two_.gender.share[index(levels.gender)];
    return levels.postcode == PostcodeLevel::exact ? (1 - siblings_[0]) * chance : chance;
  }
  [[nodiscard]] double as_siblings(const Levels& levels) const noexcept {
    const bool may_be = levels.postcode == PostcodeLevel::exact &&
                        (levels.birth == BirthLevel::exact || levels.birth == BirthLevel::missing);
    return may_be ? siblings_[index(levels.gender)] : 0;
  }

  void expect() {
    one_.expect_nothing();
    two_.expect_nothing();
    result_.matched = result_.matched_not_compared = result_.matched_without_numbers = 0;
    Sum likelihood;
    for (const Cell& cell : cells_) {
      const double one = lambda_ * one_person(cell), two = (1 - lambda_) * two_persons(cell);
      likelihood.add(cell.pairs * std::log(one + two));
      const double matched = cell.pairs * (one / (one + two)), others = cell.pairs * (two / (one + two));
      result_.matched += matched;
      if ((cell.present & kBothNhs) == 0) result_.matched_without_numbers += matched;
      if (!cell.compared) {
        result_.matched_not_compared += matched;
        one_.expect_unmet(cell.present, matched);
        two_.expect_unmet(cell.present, others);
        continue;
      }
      const Levels& levels = cell.levels;
      one_.nhs.seen[index(levels.nhs)] += matched;
      one_.birth.seen[index(levels.birth)] += matched;
      one_.postcode.seen[index(levels.postcode)] += matched;
      one_.gender.seen[index(levels.gender)] += matched;
      if (levels.nhs == NhsLevel::exact) {
        two_.birth.seen[index(levels.birth)] += others;
        continue;
      }
      const double chance = by_chance(levels);
      two_.birth.seen[index(levels.birth)] += others * (chance / (chance + as_siblings(levels)));
      two_.nhs.seen[index(levels.nhs)] += others;
      two_.postcode.seen[index(levels.postcode)] += others;
    }
    likelihood.add(known_different_ * std::log1p(-lambda_));
    for (const Identifiers* c : {&one_, &two_}) {
      likelihood.add(c->nhs.log_prior() + c->birth.log_prior() + c->postcode.log_prior() + c->gender.log_prior());
    }
    result_.log_likelihood.push_back(likelihood.value());
  }

  // Returns the largest move, in units of move_to_settle.
  double maximise() {
    const double lambda = std::clamp(result_.matched / total_, kSmallestProbability, 1 - kSmallestProbability);
    const double of_lambda = move_to_settle(lambda_, lambda, total_);
    lambda_ = lambda;
    return std::max({of_lambda, one_.nhs.update(), one_.birth.update(), one_.postcode.update(), one_.gender.update(),
                     two_.nhs.update(), two_.birth.update(), two_.postcode.update()});
  }

  [[nodiscard]] std::string find_problem() const {
    if (cells_.empty()) return "there are no pairs that may be of one person";
    if (result_.matched < kNoneMatched) return "no pair looks like one person";
    if (lambda_ > 0.5) return "more than half of all pairs would be of one person: the classes have changed places";
    const auto reversed = [](const auto& m, const auto& u) { return m.share.back() <= u.share.back(); };
    const std::string less = " less often than two persons do: the classes have changed places";
    if (numbers_differ_ && one_.nhs.share.back() <= same_)
      return "records of one person would share an NHS number" + less;
    if (reversed(one_.birth, two_.birth)) return "records of one person would agree on date of birth" + less;
    if (reversed(one_.postcode, two_.postcode)) return "records of one person would agree on postcode" + less;
    if (reversed(one_.gender, two_.gender)) return "records of one person would agree on gender" + less;
    if (result_.matched < kFewestMatched) return "fewer than 100 pairs look like one person";
    if (!result_.converged) return "it had not settled after " + std::to_string(kMostIterations) + " iterations";
    return {};
  }

  void report() {
    result_.lambda = lambda_;
    for (std::size_t level = 1; level < kNhsLevels; ++level) {
      const bool exact = level == index(NhsLevel::exact);
      result_.all_nhs[level] = {one_.nhs.share[level], exact ? same_ : differing_ * two_.nhs.share[level]};
    }
    result_.problem = find_problem();
    result_.usable = result_.problem.empty();
    result_.parameters = start_;
    if (!result_.usable) return;
    ModelParameters& model = result_.parameters;
    const auto set = [](auto& levels, const auto& m, const auto& u) {
      for (std::size_t level = 1; level < levels.size(); ++level) {
        if (m.learns()) levels[level].m = m.share[level];
        if (u.learns()) levels[level].u = u.share[level];
      }
    };
    set(model.birth, one_.birth, two_.birth);
    set(model.postcode, one_.postcode, two_.postcode);
    set(model.gender, one_.gender, two_.gender);
    const double differing = 1 - one_.nhs.share.back();
    for (const NhsLevel level : {NhsLevel::near, NhsLevel::other}) {
      if (one_.nhs.learns()) model.nhs[index(level)].m = one_.nhs.share[index(level)] / differing;
      if (two_.nhs.learns()) model.nhs[index(level)].u = two_.nhs.share[index(level)];
    }
    model.prior = lambda_;
  }

  const ModelParameters& start_;
  std::vector<Cell> cells_;
  double total_ = 0, known_different_ = 0;
  Identifiers one_, two_;
  double lambda_ = 0;
  // Of two persons with two numbers: those who share theirs, and those who do not and are not known to be two.
  double same_ = 0, differing_ = 0;
  bool numbers_differ_ = false;
  std::array<Shares<kGenderLevels>, kPostcodeLevels> same_number_{};  // P(postcode, gender | two persons, one number)
  Shares<kGenderLevels> siblings_{};  // P(siblings of one birthday, gender | two persons of one postcode)
  ExpectationResult result_;
};

}  // namespace

ExpectationResult estimate_by_expectation(const ModelParameters& start, const ComparedPairs& pairs,
                                          const ExpectationOptions& options) {
  return Estimator(start, pairs, options).run();
}

std::array<double, kGenderLevels> average_siblings_at_postcode(const ModelParameters& model,
                                                               const FileFrequencies& file) {
  std::array<double, kGenderLevels> average{};
  double pairs = 0;
  for (std::size_t k = 0; k < kPostcodeClasses; ++k) {
    const double here = static_cast<double>(file.pairs_at_postcode[k]);
    pairs += here;
    for (std::size_t g = 0; g < kGenderLevels; ++g) average[g] += here * model.siblings_at_postcode[k][g];
  }
  for (double& share : average) share = pairs > 0 ? share / pairs : 0;
  return average;
}

}  // namespace ligature
