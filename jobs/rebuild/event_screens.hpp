// Collects what the quality screens need while events are written, and evaluates them once all datasets are.
//
// A person's rows of several datasets are never in memory together: of each dataset only the rows that a rule names
// are spooled, in the order of persons, and the spools are read side by side at the end.  Of all other rows nothing is
// kept but each person's first and last date.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/dataset.hpp"
#include "io/job_file.hpp"
#include "io/manifest_screens.hpp"
#include "io/spool.hpp"
#include "jobs/rebuild/persons.hpp"
#include "jobs/rebuild/screens.hpp"
#include "partition/communicator.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

// The rows of one person, each with its payload at payload_at (and behind it the number of its identity, where
// EventScreens::compares_rows), before dates are coarsened.
struct PersonRows {
  std::span<const std::byte> events;
  std::size_t stride = 0, payload_at = 0;
  std::uint32_t person = 0;             // of this rank
  std::span<const std::uint32_t> rows;  // of events
};

class EventScreens {
 public:
  // dictionaries: "/dictionaries/<dataset>_<field>" of all category fields, whose codes the payloads hold.
  EventScreens(const JobFile& job, const Inputs& inputs, std::span<const Dictionary> dictionaries,
               const Persons& persons, SpoolBudget& budget);
  ~EventScreens();
  EventScreens(const EventScreens&) = delete;
  EventScreens& operator=(const EventScreens&) = delete;

  // True if the rows of the dataset must carry their identity, to tell two babies from one row sent twice.
  [[nodiscard]] bool compares_rows(std::uint32_t dataset) const noexcept;

  // What the rows of a run of persons say: those that a rule names, in their order, and how many there are of each
  // kind.
  struct Taken {
    std::vector<ScreenEvent> named;
    std::array<std::uint64_t, kScreenKinds> rows_of_kind{};
  };
  // Adds a person's rows to taken.  Each person of a dataset once; from any thread, for different persons.
  void examine(std::uint32_t dataset, const PersonRows& rows, Taken& taken);
  // Keeps what was found, in the order of persons.
  void keep(std::uint32_t dataset, const Taken& taken);

  // Collective.  After all events; evaluates, and writes the list screens.csv: pseudonym,screen.
  ScreenReport finish(const Communicator& comm);

 private:
  struct Rule;
  struct Source;
  struct Totals;
  static void take_named(const Source& source, std::uint32_t person, const std::byte* payload, Taken& taken);
  void evaluate(Range people, std::span<const ScreenEvent> events, Totals& totals);
  void write_list(const Communicator& comm) const;

  const Persons& persons_;
  std::filesystem::path secure_;
  std::vector<Source> sources_;  // by dataset
  std::vector<DayNumber> first_day_, last_day_;
  std::vector<std::uint16_t> concerned_;  // by person: bits of Screen
  std::unique_ptr<Totals> totals_;
  std::vector<std::string> datasets_;
};

// Collective.  The persons with the most rows, and how many different identities each has (of_owned).
std::vector<LargePerson> largest_persons(const Communicator& comm, const Persons& persons);

// Collective.  Fills in what persons alone tell.  report.datasets: their names, by bit of Person::datasets.
void count_persons(const Communicator& comm, const Persons& persons, ScreenReport& report);

}  // namespace ligature
