#include "engine/supersession.hpp"

#include <algorithm>
#include <string>

#include "engine/error.hpp"

namespace ligature {

namespace {

using Entries = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

constexpr auto kOldNumber = [](const Entries::value_type& entry) { return entry.first; };
constexpr std::size_t kNoEntry = static_cast<std::size_t>(-1);

// The entry of an old number, or kNoEntry.
std::size_t entry_of(const Entries& entries, std::uint64_t old_number) {
  const auto found =
      std::partition_point(entries.begin(), entries.end(), [&](const auto& entry) { return entry.first < old_number; });
  return found != entries.end() && found->first == old_number ? static_cast<std::size_t>(found - entries.begin())
                                                              : kNoEntry;
}

// Replaces each entry's new number by the end of its chain.  Returns the number of entries whose chain never ends.
//
// Every entry has one successor, so a walk that meets an entry of its own walk has found a cycle; a walk that meets an
// older one takes over what that one came to.
std::uint64_t follow_chains(Entries& entries) {
  enum class State : std::uint8_t { untouched, on_this_walk, ended, endless };
  std::vector<State> states(entries.size(), State::untouched);
  std::vector<std::size_t> walk;
  std::uint64_t endless = 0;
  for (std::size_t start = 0; start < entries.size(); ++start) {
    walk.clear();
    std::size_t entry = start;
    while (entry != kNoEntry && states[entry] == State::untouched) {
      states[entry] = State::on_this_walk;
      walk.push_back(entry);
      entry = entry_of(entries, entries[entry].second);
    }
    if (walk.empty()) continue;
    const bool ends = entry == kNoEntry || states[entry] == State::ended;
    const std::uint64_t last = entry == kNoEntry ? entries[walk.back()].second : entries[entry].second;
    for (const std::size_t walked : walk) {
      states[walked] = ends ? State::ended : State::endless;
      if (ends) entries[walked].second = last;
    }
    if (!ends) endless += walk.size();
  }
  return endless;
}

}  // namespace

SupersessionTable::SupersessionTable(std::vector<std::pair<std::uint64_t, std::uint64_t>> pairs)
    : successor_(std::move(pairs)) {
  std::sort(successor_.begin(), successor_.end());
  // The same line twice says nothing new; it is no contradiction.
  successor_.erase(std::unique(successor_.begin(), successor_.end()), successor_.end());
  std::uint64_t contradictions = 0;
  for (std::size_t i = 1; i < successor_.size(); ++i) contradictions += successor_[i].first == successor_[i - 1].first;
  if (contradictions > 0) {
    throw UsageError("in the supersession table " + std::to_string(contradictions) +
                     " entries give an old NHS number a second new one; each old number needs exactly one");
  }
  const std::uint64_t endless = follow_chains(successor_);
  if (endless > 0) {
    throw UsageError("in the supersession table " + std::to_string(endless) +
                     " entries lead into a cycle, so that no current NHS number exists for them");
  }
  directory_ = NhsDirectory(successor_, kOldNumber);
}

std::uint64_t SupersessionTable::current(std::uint64_t valid_nhs) const noexcept {
  std::uint64_t number = valid_nhs;
  directory_.for_each(successor_, kOldNumber, valid_nhs, [&](const auto& entry) {
    number = entry.second;
    return false;
  });
  return number;
}

}  // namespace ligature
