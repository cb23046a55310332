#include "engine/radix_sort.hpp"

namespace ligature::radix_sort_detail {

void sort_places(std::vector<std::uint64_t>& places, std::vector<std::uint64_t>& other) {
  if (places.size() <= kFewItems) {
    std::sort(places.begin(), places.end());
    return;
  }
  constexpr std::size_t kDigits = 256;
  constexpr unsigned kLowShift = 48, kHighShift = 56;
  std::array<std::uint32_t, kDigits> low{}, high{};
  for (const std::uint64_t place : places) {
    ++low[place >> kLowShift & (kDigits - 1)];
    ++high[place >> kHighShift];
  }
  std::uint32_t before_low = 0, before_high = 0;
  for (std::size_t digit = 0; digit < kDigits; ++digit) {
    before_low += std::exchange(low[digit], before_low);
    before_high += std::exchange(high[digit], before_high);
  }
  other.resize(places.size());
  for (const std::uint64_t place : places) other[low[place >> kLowShift & (kDigits - 1)]++] = place;
  for (const std::uint64_t place : other) places[high[place >> kHighShift]++] = place;

  // What the 16 bits did not tell apart; where that is much, keys are not even, and comparing is quicker.
  std::size_t moves = 16 * places.size();
  for (std::size_t i = 1; i < places.size(); ++i) {
    const std::uint64_t place = places[i];
    std::size_t to = i;
    for (; to > 0 && places[to - 1] > place && moves > 0; --to, --moves) places[to] = places[to - 1];
    places[to] = place;
    if (moves == 0) break;
  }
  if (moves == 0) std::sort(places.begin(), places.end());
}

}  // namespace ligature::radix_sort_detail
