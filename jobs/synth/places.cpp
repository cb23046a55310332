#include "jobs/synth/places.hpp"

#include <algorithm>
#include <array>

namespace ligature::synthetic {
namespace {

// Postcode areas that lie wholly or mostly in England.
constexpr std::array<std::string_view, 99> kAreas = {
    "AL", "B",  "BA", "BB", "BD", "BH", "BL", "BN", "BR", "BS", "CA", "CB", "CH", "CM", "CO", "CR", "CT",
    "CV", "CW", "DA", "DE", "DH", "DL", "DN", "DT", "DY", "E",  "EN", "EX", "FY", "GL", "GU", "HA", "HD",
    "HG", "HP", "HR", "HU", "HX", "IG", "IP", "KT", "L",  "LA", "LE", "LN", "LS", "LU", "M",  "ME", "MK",
    "N",  "NE", "NG", "NN", "NR", "NW", "OL", "OX", "PE", "PL", "PO", "PR", "RG", "RH", "RM", "S",  "SE",
    "SG", "SK", "SL", "SM", "SN", "SO", "SP", "SR", "SS", "ST", "SW", "SY", "TA", "TF", "TN", "TQ", "TR",
    "TS", "TW", "UB", "W",  "WA", "WD", "WF", "WN", "WR", "WS", "WV", "YO", "EC", "WC"};

constexpr std::string_view kUnitLetters = "ABDEFGHJLNPQRSTUWXYZ";  // no C I K M O V: they are not used in units
constexpr std::string_view kCodeLetters = "ABCDEFGHJKLMNPQRSTVWXY";

}  // namespace

PostcodeText make_postcode(std::string_view outward, std::string_view inward) noexcept {
  PostcodeText text;
  std::copy(outward.begin(), outward.end(), text.outward);
  std::copy(inward.begin(), inward.end(), text.inward);
  text.outward_length = static_cast<std::uint8_t>(outward.size());
  return text;
}

PostcodeText postcode_of(Place place) noexcept {
  const std::uint64_t decade = place.neighbourhood / kNeighbourhoodsPerArea;
  const std::uint64_t position = place.neighbourhood % kNeighbourhoodsPerArea;
  const std::string_view area = kAreas[decade % kAreas.size()];
  const std::uint64_t turn = decade / kAreas.size();           // how often this area was used before
  const std::uint64_t district = turn * 2 + 1 + position / 5;  // at most 50: kSynthMaxPeople
  const std::uint64_t sector = position % 5 + 1;
  PostcodeText text;
  for (const char letter : area) text.outward[text.outward_length++] = letter;
  if (district >= 10) text.outward[text.outward_length++] = static_cast<char>('0' + district / 10);
  text.outward[text.outward_length++] = static_cast<char>('0' + district % 10);
  text.inward[0] = static_cast<char>('0' + sector);
  text.inward[1] = kUnitLetters[place.unit / kUnitLetters.size()];
  text.inward[2] = kUnitLetters[place.unit % kUnitLetters.size()];
  return text;
}

std::string practice_code(std::uint64_t pair, std::uint32_t practice) {
  const std::uint64_t index = pair * kPracticesPerPair + practice;
  return kCodeLetters[index / 5'000 % kCodeLetters.size()] + std::to_string(81'000 + index % 5'000);
}

std::string trust_code(std::uint64_t trust) {
  constexpr std::uint64_t kSecond = 10 + kCodeLetters.size();
  const std::uint64_t last = trust % kSecond;
  std::string code(1, trust / kSecond < kCodeLetters.size() ? 'R' : 'T');
  code += kCodeLetters[trust / kSecond % kCodeLetters.size()];
  code += last < 10 ? static_cast<char>('0' + last) : kCodeLetters[last - 10];
  return code;
}

}  // namespace ligature::synthetic
