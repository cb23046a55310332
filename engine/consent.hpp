// Objections: dated preferences by NHS number, and whether one bars a row.
//
// A preference is a time series: the latest-dated entry on or before a date says what stood on that date.  On one date
// an objection outranks its withdrawal.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/date.hpp"
#include "engine/nhs_directory.hpp"

namespace ligature {

enum class ObjectionKind : std::uint8_t { type1, type2, national };
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

class ObjectionLedger {
 public:
  ObjectionLedger() = default;
  explicit ObjectionLedger(std::vector<Preference> preferences);

  // True if a type 1 objection keeps a row of this person, extracted on this date, out of the run.
  // keep_earlier: it stood on the extract's date.  withdraw: that, or it stands at the end of the ledger.
  // extracted == kMissingDay: the end of the ledger counts.
  [[nodiscard]] bool bars(std::uint64_t valid_nhs, DayNumber extracted, AfterOptOut policy) const noexcept;

  // Persons with a standing objection of a kind at the end of the ledger.
  [[nodiscard]] std::uint64_t standing(ObjectionKind kind) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return preferences_.empty(); }

 private:
  std::vector<Preference> preferences_;  // sorted by person, kind, date
  NhsDirectory directory_;
};

}  // namespace ligature
