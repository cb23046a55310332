#include "engine/consent.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>

#include "engine/field_text.hpp"
#include "engine/nhs_number.hpp"
#include "engine/radix_sort.hpp"

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

std::string_view objection_kind_name(ObjectionKind kind) noexcept {
  constexpr std::array<std::string_view, kObjectionKinds> kNames = {"type1", "type2", "ndoo"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string_view entry_problem_name(EntryProblem problem) noexcept {
  constexpr std::array<std::string_view, kEntryProblems> kNames = {"broken_row", "no_number",   "unknown_kind",
                                                                   "no_date",    "future_date", "tie"};
  return kNames[static_cast<std::size_t>(problem)];
}

ReadPreference read_preference(std::string_view nhs, std::string_view kind, std::string_view date,
                               DayNumber latest) noexcept {
  const NhsNumber number = standardise_nhs_number(nhs);
  if (number.status != NhsStatus::valid) return {{}, EntryProblem::no_number};
  const std::optional<KindText> read = parse_objection_kind(kind);
  if (!read) return {{}, EntryProblem::unknown_kind};
  const std::optional<CivilDate> civil = parse_date(date);
  const std::optional<DayNumber> day = civil ? day_number(*civil) : std::nullopt;
  if (!day) return {{}, EntryProblem::no_date};
  const Preference preference{number.value, *day, read->kind, read->withdrawn};
  if (latest != kMissingDay && *day > latest) return {preference, EntryProblem::future_date};
  return {preference, std::nullopt};
}

ObjectionLedger::ObjectionLedger(std::vector<Preference> preferences) : preferences_(std::move(preferences)) {
  if (!std::is_sorted(preferences_.begin(), preferences_.end(), stands_before)) {
    sort_by_key(preferences_, kNumberOf, stands_before);
  }
  preferences_.erase(std::unique(preferences_.begin(), preferences_.end()), preferences_.end());
  directory_ = NhsDirectory(preferences_, kNumberOf);
  const auto is_type1 = [](const Preference& preference) { return preference.kind == ObjectionKind::type1; };
  type1_ = NhsFilter(static_cast<std::size_t>(std::count_if(preferences_.begin(), preferences_.end(), is_type1)));
  for (const Preference& preference : preferences_) {
    if (is_type1(preference)) type1_.add(preference.nhs);
  }
}

bool ObjectionLedger::entries_bar(std::uint64_t valid_nhs, DayNumber extracted, AfterOptOut policy) const noexcept {
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

bool ObjectionLedger::entries_stand(std::uint64_t valid_nhs, ObjectionKinds kinds, DayNumber on) const noexcept {
  std::array<bool, kObjectionKinds> stands{};
  directory_.for_each(preferences_, kNumberOf, valid_nhs, [&](const Preference& preference) {
    if (on == kMissingDay || preference.date <= on) {
      stands[static_cast<std::size_t>(preference.kind)] = !preference.withdrawn;
    }
    return true;
  });
  for (std::size_t kind = 0; kind < kObjectionKinds; ++kind) {
    if (stands[kind] && (kinds & kinds_of(static_cast<ObjectionKind>(kind))) != 0) return true;
  }
  return false;
}

std::vector<std::uint64_t> ObjectionLedger::numbers_standing(ObjectionKinds kinds, DayNumber on) const {
  std::vector<std::uint64_t> numbers;
  for (std::size_t begin = 0, end = 0; begin < preferences_.size(); begin = end) {
    const Preference& first = preferences_[begin];
    bool stands = false;
    for (end = begin;
         end < preferences_.size() && preferences_[end].nhs == first.nhs && preferences_[end].kind == first.kind;
         ++end) {
      if (on == kMissingDay || preferences_[end].date <= on) stands = !preferences_[end].withdrawn;
    }
    if (!stands || (kinds & kinds_of(first.kind)) == 0) continue;
    if (numbers.empty() || numbers.back() != first.nhs) numbers.push_back(first.nhs);
  }
  return numbers;
}

bool ObjectionLedger::entries_speak(std::uint64_t valid_nhs, ObjectionKind kind) const noexcept {
  bool found = false;
  directory_.for_each(preferences_, kNumberOf, valid_nhs, [&](const Preference& preference) {
    found = preference.kind == kind;
    return !found;
  });
  return found;
}

bool ObjectionLedger::has_any(ObjectionKind kind) const noexcept {
  return std::any_of(preferences_.begin(), preferences_.end(),
                     [kind](const Preference& preference) { return preference.kind == kind; });
}

bool ObjectionLedger::is_outranked(const Preference& entry) const noexcept {
  if (!entry.withdrawn) return false;
  bool found = false;
  directory_.for_each(preferences_, kNumberOf, entry.nhs, [&](const Preference& other) {
    found = other.kind == entry.kind && other.date == entry.date && !other.withdrawn;
    return !found;
  });
  return found;
}

Digest ObjectionLedger::version() const noexcept {
  // Field by field: the gaps of a structure are not content.
  constexpr std::size_t kBytes = sizeof(std::uint64_t) + sizeof(DayNumber) + 2;
  std::vector<std::byte> bytes(preferences_.size() * kBytes);
  std::byte* at = bytes.data();
  for (const Preference& preference : preferences_) {
    std::memcpy(at, &preference.nhs, sizeof preference.nhs);
    std::memcpy(at + sizeof preference.nhs, &preference.date, sizeof preference.date);
    at[kBytes - 2] = static_cast<std::byte>(preference.kind);
    at[kBytes - 1] = static_cast<std::byte>(preference.withdrawn);
    at += kBytes;
  }
  return digest(bytes);
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
