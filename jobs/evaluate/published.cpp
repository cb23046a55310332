#include "jobs/evaluate/published.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <set>
#include <span>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "jobs/evaluate/groups.hpp"

namespace ligature {
namespace {

constexpr std::uint64_t kPieceRows = std::uint64_t{1} << 16;
constexpr std::string_view kPseudonym = "/persons/pseudonym";
constexpr std::string_view kArea = "/persons/area";
constexpr std::string_view kAreas = "/dictionaries/area";

using PseudonymText = std::array<char, 32>;

std::uint64_t high_word(const DatasetReader& dataset, const PseudonymText& text) {
  constexpr std::size_t kDigits = 16;
  std::uint64_t word = 0;
  const char* const end = text.data() + kDigits;
  const auto [stop, error] = std::from_chars(text.data(), end, word, 16);
  if (error != std::errc{} || stop != end) {
    throw Error(dataset.path().string() + ": a pseudonym of /persons is not 32 hexadecimal digits");
  }
  return word;
}

std::vector<PseudonymText> read_pseudonyms(const DatasetReader& dataset, Range rows) {
  std::vector<PseudonymText> texts(rows.size());
  dataset.read(dataset.column(kPseudonym), rows.begin, std::as_writable_bytes(std::span(texts)));
  return texts;
}

std::uint64_t persons_of(const DatasetReader& dataset) {
  return dataset.columns()[dataset.column(kPseudonym)].rows;
}

// The first person whose pseudonym begins with word or more; persons are in that order.
std::uint64_t first_person_from(const DatasetReader& dataset, std::uint64_t word) {
  std::uint64_t begin = 0, end = persons_of(dataset);
  while (begin < end) {
    const std::uint64_t middle = begin + (end - begin) / 2;
    if (high_word(dataset, read_pseudonyms(dataset, {middle, middle + 1}).front()) < word) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

}  // namespace

PublishedPersons::PublishedPersons(const DatasetReader& dataset, Range shards)
    : dataset_(dataset), area_column_(dataset.find(kArea)), areas_{std::string(kNotKnown)} {
  if (area_column_) read_areas();
  next_row_ =
      shards.begin == kShards ? persons_of(dataset) : first_person_from(dataset, shards.begin << (64 - kShardBits));
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

void PublishedPersons::read_piece() {
  const Range rows{next_row_, std::min(next_row_ + kPieceRows, persons_of(dataset_))};
  const std::vector<PseudonymText> pseudonyms = read_pseudonyms(dataset_, rows);
  std::vector<std::uint64_t> years, genders, codes(rows.size(), area_of_code_.size());
  dataset_.read_unsigned(dataset_.column("/persons/year_of_birth"), rows, years);
  dataset_.read_unsigned(dataset_.column("/persons/sex"), rows, genders);
  if (area_column_) dataset_.read_unsigned(*area_column_, rows, codes);
  found_.resize(rows.size());
  published_.resize(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    found_[i] = high_word(dataset_, pseudonyms[i]);
    const bool has_area = codes[i] < area_of_code_.size();
    published_[i] = {has_area ? area_of_code_[codes[i]] : std::uint16_t{0}, birth_decade_of(years[i]),
                     gender_group_of(genders[i])};
  }
  next_row_ = rows.end;
  at_ = 0;
}

Published PublishedPersons::at(std::uint64_t found) {
  for (;; ++at_) {
    if (at_ == found_.size()) read_piece();
    if (found_.empty() || found_[at_] > found) {
      throw Error(dataset_.path().string() + " has not all persons of the secure index: do both come from one run?");
    }
    if (found_[at_] == found) return published_[at_];
  }
}

}  // namespace ligature
