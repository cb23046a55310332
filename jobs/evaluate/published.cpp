#include "jobs/evaluate/published.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "engine/error.hpp"
#include "jobs/evaluate/groups.hpp"

namespace ligature {
namespace {

constexpr std::uint64_t kPieceRows = std::uint64_t{1} << 16;
constexpr std::string_view kPseudonym = "/persons/pseudonym";
constexpr std::string_view kArea = "/persons/area";
constexpr std::string_view kAreas = "/dictionaries/area";

std::uint64_t persons_of(const DatasetReader& dataset) {
  return dataset.columns()[dataset.column(kPseudonym)].rows;
}

}  // namespace

PublishedPersons::PublishedPersons(const DatasetReader& dataset)
    : dataset_(dataset), area_column_(dataset.find(kArea)), areas_{std::string(kNotKnown)} {
  if (area_column_) read_areas();
}

void PublishedPersons::read_areas() {
  const Dictionary outward = dataset_.dictionary(kAreas);
  std::set<std::string, std::less<>> areas;
  for (const std::string& code : outward.values) areas.emplace(postcode_area(code));
  areas.erase("");
  if (areas.size() >= std::numeric_limits<std::uint16_t>::max()) {
    throw Error(dataset_.path().string() + ": /dictionaries/area has more areas than letters can name");
  }
  areas_.insert(areas_.end(), areas.begin(), areas.end());
  for (const std::string& code : outward.values) {
    const auto found = std::lower_bound(areas_.begin() + 1, areas_.end(), postcode_area(code));
    const bool known = found != areas_.end() && *found == postcode_area(code);
    area_of_code_.push_back(static_cast<std::uint16_t>(known ? found - areas_.begin() : 0));
  }
}

void PublishedPersons::read_piece(std::uint64_t first) {
  rows_ = {first, std::min(first + kPieceRows, persons_of(dataset_))};
  std::vector<std::uint64_t> years, genders, codes(rows_.size(), area_of_code_.size());
  dataset_.read_unsigned(dataset_.column("/persons/year_of_birth"), rows_, years);
  dataset_.read_unsigned(dataset_.column("/persons/sex"), rows_, genders);
  if (area_column_) dataset_.read_unsigned(*area_column_, rows_, codes);
  published_.resize(rows_.size());
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const bool has_area = codes[i] < area_of_code_.size();
    published_[i] = {has_area ? area_of_code_[codes[i]] : std::uint16_t{0}, birth_decade_of(years[i]),
                     gender_group_of(genders[i])};
  }
}

Published PublishedPersons::at(std::uint64_t found) {
  if (found >= persons_of(dataset_)) {
    throw Error(dataset_.path().string() + " has not all persons of the secure index: do both come from one run?");
  }
  if (found < rows_.begin || found >= rows_.end) read_piece(found);
  return published_[found - rows_.begin];
}

}  // namespace ligature
