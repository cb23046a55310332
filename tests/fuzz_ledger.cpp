// Any bytes as lines of a ledger: each is a preference or has a reason why not, and what stands follows from the
// preferences alone, in any order.
//
// A line is number,kind,date; there is no quoting, which fuzz_csv looks after.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "engine/consent.hpp"
#include "engine/nhs_number.hpp"

namespace {

using namespace ligature;

constexpr DayNumber kLatest = 43'555;

void require(bool holds) {
  if (!holds) std::abort();
}

std::string_view next_field(std::string_view& line) {
  const std::size_t end = std::min(line.find(','), line.size());
  const std::string_view field = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return field;
}

// What stands on a day, by a scan of all entries.
bool stood(const std::vector<Preference>& entries, std::uint64_t nhs, ObjectionKind kind, DayNumber on) {
  const Preference* latest = nullptr;
  for (const Preference& entry : entries) {
    if (entry.nhs != nhs || entry.kind != kind || entry.date > on) continue;
    const bool later = latest == nullptr || entry.date > latest->date;
    if (later || (entry.date == latest->date && !entry.withdrawn)) latest = &entry;
  }
  return latest != nullptr && !latest->withdrawn;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<Preference> preferences;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view number = next_field(line), kind = next_field(line);
    const ReadPreference read = read_preference(number, kind, line, kLatest);
    if (read.problem) {
      require(*read.problem != EntryProblem::tie && !entry_problem_name(*read.problem).empty());
      continue;
    }
    require(nhs_check_digit_ok(read.preference.nhs) && read.preference.date != kMissingDay);
    require(read.preference.date <= kLatest && parse_objection_kind(kind).has_value());
    preferences.push_back(read.preference);
  }
  const ObjectionLedger ledger(preferences);
  std::reverse(preferences.begin(), preferences.end());
  require(ObjectionLedger(preferences).version() == ledger.version());
  for (std::size_t i = 0; i < std::min<std::size_t>(preferences.size(), 64); ++i) {
    const Preference& entry = preferences[i];
    const bool stands = stood(preferences, entry.nhs, entry.kind, entry.date);
    require(ledger.speaks_of(entry.nhs, entry.kind));
    require(ledger.stands(entry.nhs, kinds_of(entry.kind), entry.date) == stands);
    const std::vector<std::uint64_t> standing = ledger.numbers_standing(kinds_of(entry.kind), entry.date);
    require(std::binary_search(standing.begin(), standing.end(), entry.nhs) == stands);
    if (entry.kind != ObjectionKind::type1) continue;
    require(ledger.bars(entry.nhs, entry.date, AfterOptOut::keep_earlier) == stands);
    require(!entry.withdrawn || ledger.is_outranked(entry) == stands);
  }
  return 0;
}
