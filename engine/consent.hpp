// Objections: dated preferences by NHS number, and whether one bars a row.
//
// A preference is a time series: the latest-dated entry on or before a date says what stood on that date.  On one date
// an objection outranks its withdrawal.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/date.hpp"
#include "engine/linkage_key.hpp"
#include "engine/nhs_directory.hpp"

namespace ligature {

enum class ObjectionKind : std::uint8_t { type1, type2, national };
inline constexpr std::size_t kObjectionKinds = 3;
std::string_view objection_kind_name(ObjectionKind kind) noexcept;  // as a ledger has it, e.g. "type1"

// A set of kinds, a bit each.
using ObjectionKinds = std::uint8_t;
constexpr ObjectionKinds kinds_of(ObjectionKind kind) noexcept {
  return static_cast<ObjectionKinds>(1U << static_cast<unsigned>(kind));
}
enum class AfterOptOut : std::uint8_t { keep_earlier, withdraw };

struct Preference {
  std::uint64_t nhs = 0;  // valid NHS number
  DayNumber date = kMissingDay;
  ObjectionKind kind = ObjectionKind::type1;
  bool withdrawn = false;  // true: the objection ends on this date
  friend auto operator<=>(const Preference&, const Preference&) = default;
};

// Reads the kind column: type1, type2, ndoo, each also with "-withdrawn"; 9Nu0 9Nu1 (type 1 and its withdrawal),
// 9Nu4 9Nu5 (type 2), with or without the trailing "." or "00" of Read codes, any case.
struct KindText {
  ObjectionKind kind;
  bool withdrawn;
};
std::optional<KindText> parse_objection_kind(std::string_view text) noexcept;

// Why an entry of a ledger has no effect.  tie: a withdrawal on the date of an objection, which outranks it.
enum class EntryProblem : std::uint8_t { broken_row, no_number, unknown_kind, no_date, future_date, tie };
inline constexpr std::size_t kEntryProblems = 6;
std::string_view entry_problem_name(EntryProblem problem) noexcept;  // as printed, e.g. "no_number"

// The preference that an entry states, or why it states none.
struct ReadPreference {
  Preference preference;
  std::optional<EntryProblem> problem;  // the first of the enumeration's order that applies
};
// nhs, kind, date: as written, in any spelling.  latest: the last day that an entry may be dated (kMissingDay: any).
// A date in the future is no preference yet, and most often an error.
ReadPreference read_preference(std::string_view nhs, std::string_view kind, std::string_view date,
                               DayNumber latest) noexcept;

class ObjectionLedger {
 public:
  ObjectionLedger() = default;
  // Repeats are dropped.
  explicit ObjectionLedger(std::vector<Preference> preferences);

  // True if a type 1 objection keeps a row of this person, extracted on this date, out of the run.
  // keep_earlier: it stood on the extract's date.  withdraw: that, or it stands at the end of the ledger.
  // extracted == kMissingDay: the end of the ledger counts.
  [[nodiscard]] bool bars(std::uint64_t valid_nhs, DayNumber extracted, AfterOptOut policy) const noexcept {
    return may_bar(valid_nhs) && entries_bar(valid_nhs, extracted, policy);
  }
  // False only if nothing bars rows of this number, and it has no entry of type 1.
  [[nodiscard]] bool may_bar(std::uint64_t valid_nhs) const noexcept { return type1_.may_have(valid_nhs); }
  // Worth it some numbers before may_bar() is asked about this one.
  void prefetch(std::uint64_t nhs) const noexcept { type1_.prefetch(nhs); }
  // Before bars() is asked about numbers that may_bar(): one after the other, for all of them.
  void prefetch_bucket(std::uint64_t nhs) const noexcept { directory_.prefetch_bucket(nhs); }
  void prefetch_entries(std::uint64_t nhs) const noexcept { directory_.prefetch_entries(preferences_, nhs); }

  // True if an objection of one of the kinds stands on a date (kMissingDay: at the end of the ledger).
  [[nodiscard]] bool stands(std::uint64_t valid_nhs, ObjectionKinds kinds, DayNumber on) const noexcept {
    return directory_.may_have(valid_nhs) && entries_stand(valid_nhs, kinds, on);
  }
  // The numbers for which stands() is true, ascending: to ask about very many.
  [[nodiscard]] std::vector<std::uint64_t> numbers_standing(ObjectionKinds kinds, DayNumber on) const;
  // True if the ledger has an entry of the kind for this number, whatever it says.
  [[nodiscard]] bool speaks_of(std::uint64_t valid_nhs, ObjectionKind kind) const noexcept {
    const bool may_speak = kind == ObjectionKind::type1 ? may_bar(valid_nhs) : directory_.may_have(valid_nhs);
    return may_speak && entries_speak(valid_nhs, kind);
  }
  // True if the entry is a withdrawal without effect: an objection of the same date outranks it.
  [[nodiscard]] bool is_outranked(const Preference& entry) const noexcept;
  // Names the list's content: two lists with the same entries have the same version, in any order of files and lines.
  [[nodiscard]] Digest version() const noexcept;

  // Persons with a standing objection of a kind at the end of the ledger.
  [[nodiscard]] std::uint64_t standing(ObjectionKind kind) const noexcept;
  [[nodiscard]] bool has_any(ObjectionKind kind) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return preferences_.empty(); }
  // Sorted by person, kind and date; of one date the entry that holds comes last.
  [[nodiscard]] std::span<const Preference> preferences() const noexcept { return preferences_; }

 private:
  [[nodiscard]] bool entries_bar(std::uint64_t valid_nhs, DayNumber extracted, AfterOptOut policy) const noexcept;
  [[nodiscard]] bool entries_speak(std::uint64_t valid_nhs, ObjectionKind kind) const noexcept;
  [[nodiscard]] bool entries_stand(std::uint64_t valid_nhs, ObjectionKinds kinds, DayNumber on) const noexcept;

  std::vector<Preference> preferences_;  // sorted by person, kind, date
  NhsDirectory directory_;
  NhsFilter type1_;  // smaller than the filter of all kinds
};

}  // namespace ligature
