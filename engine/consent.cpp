#include "engine/consent.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "engine/field_text.hpp"

namespace ligature {

namespace {

// Entries of one person and kind stand together by date.  Of one date the withdrawal comes first, so that the last
// entry is the one that holds: an objection outranks its withdrawal.
bool stands_before(const Preference& a, const Preference& b) noexcept {
  return std::tuple(a.nhs, a.kind, a.date, !a.withdrawn) < std::tuple(b.nhs, b.kind, b.date, !b.withdrawn);
}

constexpr auto kNumberOf = [](const Preference& preference) { return preference.nhs; };

struct Spelling {
  std::string_view text;
  KindText kind;
};

constexpr KindText kType1 = {ObjectionKind::type1, false};
constexpr KindText kType2 = {ObjectionKind::type2, false};

constexpr std::array<Spelling, 7> kSpellings = {{{"type1", kType1},
                                                 {"type2", kType2},
                                                 {"ndoo", {ObjectionKind::national, false}},
                                                 {"9nu0", kType1},
                                                 {"9nu1", {ObjectionKind::type1, true}},
                                                 {"9nu4", kType2},
                                                 {"9nu5", {ObjectionKind::type2, true}}}};

// Read version 2 codes have five characters, the unused ones dots, and a two-character term code may follow.
std::string_view without_read_suffix(std::string_view code) noexcept {
  if (code.size() > 4 && code.ends_with("00")) code.remove_suffix(2);
  if (code.size() > 4 && code.ends_with('.')) code.remove_suffix(1);
  return code;
}

}  // namespace

std::optional<KindText> parse_objection_kind(std::string_view text) noexcept {
  constexpr std::string_view kWithdrawn = "-withdrawn";
  text = trimmed(text);
  // Clinical Terms Version 3 of 9Nu0.  Only its case tells such codes apart.
  if (text == "XaZ89") return kType1;
  const bool is_code = text.size() >= 4 && equals_ignoring_case(text.substr(0, 3), "9nu");
  if (is_code) text = without_read_suffix(text);
  bool withdrawn = false;
  if (!is_code && text.size() > kWithdrawn.size() &&
      equals_ignoring_case(text.substr(text.size() - kWithdrawn.size()), kWithdrawn)) {
    withdrawn = true;
    text.remove_suffix(kWithdrawn.size());
  }
  for (const Spelling& spelling : kSpellings) {
    if (equals_ignoring_case(text, spelling.text)) {
      return KindText{spelling.kind.kind, withdrawn || spelling.kind.withdrawn};
    }
  }
  return std::nullopt;
}

ObjectionLedger::ObjectionLedger(std::vector<Preference> preferences) : preferences_(std::move(preferences)) {
  std::sort(preferences_.begin(), preferences_.end(), stands_before);
  directory_ = NhsDirectory(preferences_, kNumberOf);
}

bool ObjectionLedger::bars(std::uint64_t valid_nhs, DayNumber extracted, AfterOptOut policy) const noexcept {
  if (valid_nhs == 0) return false;
  bool stood = false;   // on the extract's date
  bool stands = false;  // at the end of the ledger
  directory_.for_each(preferences_, kNumberOf, valid_nhs, [&](const Preference& preference) {
    if (preference.kind != ObjectionKind::type1) return false;  // type 1 sorts first
    stands = !preference.withdrawn;
    if (preference.date <= extracted) stood = stands;
    return true;
  });
  if (extracted == kMissingDay) return stands;
  return stood || (policy == AfterOptOut::withdraw && stands);
}

std::uint64_t ObjectionLedger::standing(ObjectionKind kind) const noexcept {
  std::uint64_t persons = 0;
  for (std::size_t i = 0; i < preferences_.size(); ++i) {
    const Preference& preference = preferences_[i];
    if (preference.kind != kind || preference.withdrawn) continue;
    const bool is_last =
        i + 1 == preferences_.size() || preferences_[i + 1].nhs != preference.nhs || preferences_[i + 1].kind != kind;
    if (is_last) ++persons;
  }
  return persons;
}

}  // namespace ligature
