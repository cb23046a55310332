#include "engine/local_id.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "engine/comparison.hpp"
#include "engine/field_text.hpp"
#include "engine/linkage_key.hpp"

namespace ligature {

namespace {

// The weight of what is no pair: it is neither a conflict nor anybody's rival.
constexpr Weight kNoPair = std::numeric_limits<Weight>::min();

constexpr char upper_case(char c) noexcept {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

bool is_filler(std::string_view id) noexcept {
  return id.find_first_not_of(id.front()) == std::string_view::npos || equals_ignoring_case(id, "unknown") ||
         equals_ignoring_case(id, "no patient id");
}

// The weights of all pairs of one id.
class Weights {
 public:
  explicit Weights(std::size_t count) : count_(count), weights_(count * count, kNoPair), conflicts_(count * count, 0) {}
  void set(std::size_t i, std::size_t j, Weight weight, bool conflict) {
    weights_[i * count_ + j] = weights_[j * count_ + i] = weight;
    conflicts_[i * count_ + j] = conflicts_[j * count_ + i] = conflict ? 1 : 0;
  }
  [[nodiscard]] Weight of(std::size_t i, std::size_t j) const { return weights_[i * count_ + j]; }
  [[nodiscard]] bool conflict(std::size_t i, std::size_t j) const { return conflicts_[i * count_ + j] != 0; }
  // True if i conflicts with more than half of the others.
  [[nodiscard]] bool is_stranger(std::size_t i) const {
    std::size_t conflicts = 0;
    for (std::size_t j = 0; j < count_; ++j) conflicts += conflict(i, j);
    return 2 * conflicts > count_ - 1;
  }

 private:
  std::size_t count_;
  std::vector<Weight> weights_;
  std::vector<std::uint8_t> conflicts_;
};

// True if j fits somebody else who cannot be i nearly as well as i, or better.
bool has_rival(std::span<const Identity> identities, const Weights& weights, std::size_t i, std::size_t j,
               Weight margin) {
  for (std::size_t k = 0; k < identities.size(); ++k) {
    if (k == i || k == j || !weights.conflict(i, k) || weights.of(j, k) == kNoPair) continue;
    if (identities[i].has_valid_nhs() && identities[k].has_valid_nhs()) continue;
    if (std::int64_t{weights.of(i, j)} - weights.of(j, k) < std::max<Weight>(margin, 1)) return true;
  }
  return false;
}

}  // namespace

std::uint64_t local_key(LocalIdScope scope, std::string_view giver, std::string_view local_id) {
  return LocalKeys(scope).key(giver, local_id);
}

void LocalKeys::set_giver(std::string_view giver) {
  giver_ = giver;
  giver = trimmed(giver);
  text_.resize(std::max<std::size_t>(text_.size(), giver.size() + 2));
  text_[0] = scope_ == LocalIdScope::provider ? 'p' : 'd';
  std::transform(giver.begin(), giver.end(), text_.begin() + 1, upper_case);
  giver_end_ = giver.empty() ? 0 : giver.size() + 1;
  // Fields hold no NUL: rows with one are quarantined.  So no giver runs into the id.
  text_[giver.size() + 1] = '\0';
  of_giver_ = linkage_key(std::as_bytes(std::span(text_).first(giver_end_)));
}

std::uint64_t LocalKeys::key(std::string_view giver, std::string_view local_id) {
  if (giver != giver_) {
    set_giver(giver);
  } else if (local_id == id_) {
    return key_;
  }
  id_ = local_id;
  key_ = reckon(local_id);
  return key_;
}

std::uint64_t LocalKeys::reckon(std::string_view local_id) {
  local_id = trimmed(local_id);
  if (giver_end_ == 0 || local_id.empty() || is_filler(local_id)) return 0;
  const std::size_t size = giver_end_ + 1 + local_id.size();
  if (text_.size() < size) text_.resize(size);
  std::transform(local_id.begin(), local_id.end(), text_.data() + giver_end_ + 1, upper_case);
  const std::uint64_t of_both = linkage_key(std::as_bytes(std::span(text_).first(size)));
  return std::max<std::uint64_t>((of_both & ~std::uint64_t{0xFFFF}) | (of_giver_ & 0xFFFF), 1);
}

Weight shared_id_weight(const LinkageModel& model, Pattern pattern) noexcept {
  Levels levels = levels_of(pattern);
  levels.nhs = NhsLevel::exact;
  return model.weight(pattern_of(levels));
}

LocalIdVerdict judge_local_id(std::span<const Identity> identities, const LinkageModel& model) {
  const std::size_t count = identities.size();
  LocalIdVerdict verdict;
  Weights weights(count);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = i + 1; j < count; ++j) {
      const std::uint64_t number_i = identities[i].valid_nhs(), number_j = identities[j].valid_nhs();
      if (number_i != 0 && number_i == number_j) continue;
      ++verdict.compared;
      const Weight weight = shared_id_weight(model, compare(identities[i], identities[j]));
      const bool vetoed = number_i != 0 && number_j != 0;
      verdict.vetoed += vetoed;
      weights.set(i, j, vetoed ? kNoPair : weight, weight < kConflict);
    }
  }
  std::array<bool, kMostOfLocalId> stranger{};
  for (std::size_t i = 0; i < count; ++i) {
    stranger[i] = weights.is_stranger(i);
    verdict.reused = verdict.reused || stranger[i];
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    for (std::uint32_t j = i + 1; j < count; ++j) {
      const Weight weight = weights.of(i, j);
      if (stranger[i] || stranger[j] || weight == kNoPair) continue;
      const bool to_number = identities[i].has_valid_nhs() != identities[j].has_valid_nhs();
      if (weight < (to_number ? model.rival_threshold() : model.threshold())) continue;
      if (has_rival(identities, weights, i, j, model.margin()) || has_rival(identities, weights, j, i, model.margin()))
        continue;
      verdict.links.push_back({i, j, weight});
    }
  }
  return verdict;
}

}  // namespace ligature
