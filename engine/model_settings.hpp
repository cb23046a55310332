// What a job may change of the linkage rules: how the model is estimated, which passes compare, which rules hold, and
// the m and u of single comparison levels.
//
// The defaults are the rules of docs/model.md.  The switches exist so that each rule's part in the result can be
// measured on a user's own files (an ablation); apply_levels changes a model after it has been estimated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace ligature {

struct ModelParameters;

// automatic: chosen by what the file bears (docs/model.md).
enum class EstimateChoice : std::uint8_t { automatic, anchored, em, documented };

enum class LinkageIdentifier : std::uint8_t { nhs_number, date_of_birth, postcode, gender };
inline constexpr std::size_t kLinkageIdentifiers = 4;

// One comparison level, as set by the job.  Either m or u or both, or merge.
struct LevelOverride {
  LinkageIdentifier identifier = LinkageIdentifier::nhs_number;
  std::uint8_t level = 0;             // of the identifier's enum (comparison.hpp), never 0, missing
  std::optional<double> m, u;         // in (0, 1)
  std::optional<std::uint8_t> merge;  // a weaker level (a smaller number), never 0
  friend bool operator==(const LevelOverride&, const LevelOverride&) = default;
};

// Which blocking passes compare pairs.
struct ChosenPasses {
  bool nhs_number = true, date_of_birth = true, postcode = true;
  friend bool operator==(const ChosenPasses&, const ChosenPasses&) = default;
};

struct ModelSettings {
  EstimateChoice estimate = EstimateChoice::automatic;
  ChosenPasses passes;
  bool term_frequency = true;    // agreement on a common value counts for less than on a rare one
  bool number_ownership = true;  // a row whose NHS number others use with the better claim loses it
  bool returns = true;           // ... and may go back to it if it fits nobody else
  bool near_numbers = true;      // misspelt NHS numbers are looked up among their neighbours
  bool default_values = true;    // default dates of birth and default numbers are found in the data
  bool conflicts = true;         // a seldom seen valid number may be an error; false: two numbers are two persons
  bool twins = true;             // people of one postcode who share a birthday are counted, and weaken that agreement
  bool moves = true;             // people who moved together tell whose a record at a new address is
  bool providers = true;         // which provider sent a row is evidence
  bool rivals = true;            // candidates short of the threshold deny others a lead
  std::vector<LevelOverride> levels;
};

// Names as in the manifest's model, in the order of the enum: "nhs_number", ...
std::span<const std::string_view> linkage_identifier_names() noexcept;
// Names of an identifier's levels from the weakest up; the first is level 1, as missing is no level of evidence.
std::span<const std::string_view> linkage_level_names(LinkageIdentifier identifier) noexcept;

// True if m and u of a level may be set.  Not those of an equal NHS number: what it counts for is the share of wrong
// numbers in the file (ModelParameters::wrong_number), and m and u of its other levels are given that numbers differ.
bool level_has_probabilities(LinkageIdentifier identifier, std::uint8_t level) noexcept;
// True if a level may count as a weaker one.  Not the strongest: passes, term frequencies and ownership rest on equal
// values.  Not the weakest.
bool level_may_merge(LinkageIdentifier identifier, std::uint8_t level) noexcept;

// Applies settings.levels to an estimated model; without any the model is left untouched to the bit.
//   - First m and u: the given values stand, and what they leave of 1 is shared by the identifier's other levels in
//     proportion to what was estimated, so that m and u each still sum to 1.
//   - Then merges: levels that count as one share m, the sum of theirs, and u likewise, and so have one weight; chains
//     are followed.  Both entries then hold the sum, and entries of the identifier no longer sum to 1.
// wrong_number is a distribution of its own, over pairs with the same number: postcode levels that merge are summed in
// it too, and a given u does not change it.
// The given values of each identifier and column must sum to less than 1, or to 1 if all its levels are given.
void apply_levels(const ModelSettings& settings, ModelParameters& model);

}  // namespace ligature
