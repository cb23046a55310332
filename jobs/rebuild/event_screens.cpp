#include "jobs/rebuild/event_screens.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "engine/error.hpp"
#include "engine/gender.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "io/files.hpp"
#include "jobs/rebuild/secure_files.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

namespace {

constexpr std::size_t kPersonsPerTask = 1U << 11;
constexpr std::size_t kPersonsAtOnce = 1U << 16;
constexpr std::size_t kEventsAtOnce = 1U << 14;  // read from a spool
constexpr std::uint32_t kNoField = 0xFFFFFFFFU;

template <typename T>
T load(const std::byte* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

const std::vector<std::string>& dictionary_of(std::span<const Dictionary> dictionaries, const DatasetSchema& schema,
                                              const std::string& field) {
  const std::string path = "/dictionaries/" + schema.name + "_" + field;
  const auto found = std::find_if(dictionaries.begin(), dictionaries.end(),
                                  [&](const Dictionary& dictionary) { return dictionary.path == path; });
  if (found == dictionaries.end()) throw Error("no dictionary " + path + " for a quality screen");
  return found->values;
}

const PayloadField& field_of(const DatasetSchema& schema, const std::string& name) {
  const auto found = std::find_if(schema.fields.begin(), schema.fields.end(),
                                  [&](const PayloadField& field) { return field.name == name; });
  if (found == schema.fields.end()) throw Error("no column " + name + " for a quality screen");
  return *found;
}

std::vector<std::uint32_t> codes_in(const std::vector<std::string>& sorted, const std::vector<std::string>& values) {
  std::vector<std::uint32_t> codes;
  for (const std::string& value : values) {
    codes.push_back(static_cast<std::uint32_t>(std::lower_bound(sorted.begin(), sorted.end(), value) - sorted.begin()));
  }
  return codes;
}

}  // namespace

// A rule of the job file in terms of payloads.
struct EventScreens::Rule {
  ScreenKind kind = ScreenKind::birth;
  std::uint32_t column = kNoField, until = kNoField, site = kNoField;  // offsets in the payload
  std::vector<bool> meant;                                             // by code of the column
  std::vector<std::uint32_t> site_of_code;                             // the same site has one number in all datasets

  [[nodiscard]] bool names(const std::byte* payload) const {
    if (column == kNoField) return true;
    const auto code = load<std::uint32_t>(payload + column);
    return code != kMissingCategory && meant[code];
  }
};

// A dataset: its rules, and the rows that they named, in order of persons.
struct EventScreens::Source {
  Source(const std::filesystem::path& scratch, SpoolBudget& budget) : spool(scratch, budget) {}

  std::uint32_t date = kNoField, payload_bytes = 0;
  bool has_births = false;
  std::vector<Rule> rules;
  Spool spool;
  std::vector<ScreenEvent> read;  // a piece of the spool
  std::size_t next = 0;           // in read
  std::uint64_t done = 0;         // bytes

  // The next event if it is of a person before end.
  const ScreenEvent* event_before(std::uint64_t end) {
    if (next == read.size()) {
      read.resize(std::min<std::uint64_t>(kEventsAtOnce, (spool.size() - done) / sizeof(ScreenEvent)));
      next = 0;
      if (read.empty()) return nullptr;
      spool.read(std::as_writable_bytes(std::span(read)));
      done += read.size() * sizeof(ScreenEvent);
    }
    return read[next].person < end ? &read[next++] : nullptr;
  }
};

struct EventScreens::Totals {
  std::array<std::uint64_t, kScreens> persons{}, examined{};
  std::array<std::uint64_t, kScreenKinds> rows_of_kind{};

  void add(const Totals& other) {
    for (std::size_t s = 0; s < kScreens; ++s) {
      persons[s] += other.persons[s];
      examined[s] += other.examined[s];
    }
    for (std::size_t k = 0; k < kScreenKinds; ++k) rows_of_kind[k] += other.rows_of_kind[k];
  }
};

EventScreens::EventScreens(const JobFile& job, const Inputs& inputs, std::span<const Dictionary> dictionaries,
                           const Persons& persons, SpoolBudget& budget)
    : persons_(persons),
      secure_(job.secure),
      first_day_(persons.owned.size(), kMissingDay),
      last_day_(persons.owned.size(), kMissingDay),
      concerned_(persons.owned.size(), 0),
      totals_(std::make_unique<Totals>()) {
  std::vector<std::string> sites;
  std::vector<const std::vector<ScreenRule>*> rules_of;
  for (const DatasetSchema& schema : inputs.datasets) {
    datasets_.push_back(schema.name);
    const auto extract = std::find_if(job.extracts.begin(), job.extracts.end(),
                                      [&](const Extract& e) { return e.dataset == schema.name; });
    if (extract == job.extracts.end()) throw Error("no extract of dataset " + schema.name);
    rules_of.push_back(&extract->screens);  // the job file sees to it that they are the same in all of the dataset
    for (const ScreenRule& rule : extract->screens) {
      if (rule.site.empty()) continue;
      const std::vector<std::string>& values = dictionary_of(dictionaries, schema, rule.site);
      sites.insert(sites.end(), values.begin(), values.end());
    }
  }
  std::sort(sites.begin(), sites.end());
  sites.erase(std::unique(sites.begin(), sites.end()), sites.end());

  for (std::size_t d = 0; d < inputs.datasets.size(); ++d) {
    const DatasetSchema& schema = inputs.datasets[d];
    Source& source = sources_.emplace_back(job.secure / "scratch", budget);
    source.payload_bytes = schema.payload_bytes;
    for (const PayloadField& field : schema.fields) {
      if (field.role == PayloadField::Role::event_date) source.date = field.offset;
    }
    for (const ScreenRule& rule : *rules_of[d]) {
      Rule& resolved = source.rules.emplace_back();
      resolved.kind = rule.kind;
      source.has_births = source.has_births || rule.kind == ScreenKind::birth;
      if (!rule.column.empty()) {
        resolved.column = field_of(schema, rule.column).offset;
        const std::vector<std::string>& values = dictionary_of(dictionaries, schema, rule.column);
        for (const std::string& value : values) {
          resolved.meant.push_back(std::find(rule.values.begin(), rule.values.end(), value) != rule.values.end());
        }
      }
      if (!rule.until.empty()) resolved.until = field_of(schema, rule.until).offset;
      if (!rule.site.empty()) {
        resolved.site = field_of(schema, rule.site).offset;
        resolved.site_of_code = codes_in(sites, dictionary_of(dictionaries, schema, rule.site));
      }
    }
  }
}

EventScreens::~EventScreens() = default;

bool EventScreens::compares_rows(std::uint32_t dataset) const noexcept {
  return sources_[dataset].has_births;
}

void EventScreens::examine(std::uint32_t dataset, const PersonRows& rows, Taken& taken) {
  const Source& source = sources_[dataset];
  if (source.date == kNoField) return;  // without dates no screen has anything to go by
  DayNumber first = first_day_[rows.person], last = last_day_[rows.person];
  for (const std::uint32_t row : rows.rows) {
    const std::byte* const payload = rows.events.data() + row * rows.stride + rows.payload_at;
    const auto day = load<DayNumber>(payload + source.date);
    if (day != kMissingDay) {
      if (first == kMissingDay || day < first) first = day;
      last = std::max(last, day);
    }
    if (!source.rules.empty()) take_named(source, rows.person, payload, taken);
  }
  first_day_[rows.person] = first;
  last_day_[rows.person] = last;
}

// Takes a row that a rule names.
void EventScreens::take_named(const Source& source, std::uint32_t person, const std::byte* payload, Taken& taken) {
  unsigned kinds = 0;  // two rules of one kind may name one row
  for (const Rule& rule : source.rules) {
    const auto kind = static_cast<std::size_t>(rule.kind);
    if ((kinds >> kind & 1U) != 0 || !rule.names(payload)) continue;
    kinds |= 1U << kind;
    ++taken.rows_of_kind[kind];
    ScreenEvent event{person, load<DayNumber>(payload + source.date), kMissingDay, kNoSite, rule.kind, 0};
    if (rule.until != kNoField) event.until = load<DayNumber>(payload + rule.until);
    if (rule.site != kNoField) {
      const auto code = load<std::uint32_t>(payload + rule.site);
      if (code != kMissingCategory) event.site = rule.site_of_code[code];
    }
    if (rule.kind == ScreenKind::birth) {
      event.content = linkage_key(std::span(payload, source.payload_bytes + sizeof(std::uint64_t)));
    }
    taken.named.push_back(event);
  }
}

void EventScreens::keep(std::uint32_t dataset, const Taken& taken) {
  for (std::size_t k = 0; k < kScreenKinds; ++k) totals_->rows_of_kind[k] += taken.rows_of_kind[k];
  sources_[dataset].spool.append(std::as_bytes(std::span(taken.named)));
}

void EventScreens::evaluate(Range people, std::span<const ScreenEvent> events, Totals& totals) {
  // Each dataset's are in the order of persons: counted and placed, so that only one person's are ever sorted.
  std::vector<std::uint32_t> start(people.size() + 2, 0);  // counted one place ahead
  for (const ScreenEvent& event : events) ++start[event.person - people.begin + 2];
  for (std::size_t p = 2; p < start.size(); ++p) start[p] += start[p - 1];
  std::vector<ScreenEvent> by_person(events.size());
  for (const ScreenEvent& event : events) by_person[start[event.person - people.begin + 1]++] = event;
  const std::size_t tasks = (people.size() + kPersonsPerTask - 1) / kPersonsPerTask;
  std::vector<Totals> of_task(tasks);
  for_blocks(people.size(), kPersonsPerTask, [&](std::size_t first, std::size_t last) {
    Totals& sums = of_task[first / kPersonsPerTask];
    for (std::uint64_t person = people.begin + first; person < people.begin + last; ++person) {
      const std::size_t p = person - people.begin;
      const auto own = std::span(by_person).subspan(start[p], start[p + 1] - start[p]);
      std::sort(own.begin(), own.end(), [](const ScreenEvent& a, const ScreenEvent& b) {
        return std::tie(a.kind, a.day, a.until, a.site, a.content) <
               std::tie(b.kind, b.day, b.until, b.site, b.content);
      });
      const Person& known = persons_.owned[person];
      const ScreenVerdict verdict = screen_person(
          own, {known.birth_year, known.sex == gender_code(Gender::male), first_day_[person], last_day_[person]});
      concerned_[person] = verdict.concerned;
      for (std::size_t s = 0; s < kScreens; ++s) {
        sums.persons[s] += verdict.concerned >> s & 1U;
        sums.examined[s] += verdict.examined >> s & 1U;
      }
    }
  });
  for (const Totals& sums : of_task) totals.add(sums);
}

ScreenReport EventScreens::finish(const Communicator& comm) {
  std::vector<ScreenEvent> events;
  for (std::uint64_t begin = 0; begin < persons_.owned.size(); begin += kPersonsAtOnce) {
    const Range people{begin, std::min<std::uint64_t>(begin + kPersonsAtOnce, persons_.owned.size())};
    events.clear();
    for (Source& source : sources_) {
      while (const ScreenEvent* event = source.event_before(people.end)) events.push_back(*event);
    }
    evaluate(people, events, *totals_);
  }
  for (Source& source : sources_) source.spool.clear();
  first_day_ = last_day_ = {};
  write_list(comm);

  ScreenReport report;
  report.datasets = datasets_;
  count_persons(comm, persons_, report);
  comm.sum(totals_->persons);
  comm.sum(totals_->examined);
  comm.sum(totals_->rows_of_kind);
  report.rows_of_kind = totals_->rows_of_kind;

  std::array<bool, kScreenKinds> named{};
  bool has_dates = false;
  for (const Source& source : sources_) {
    has_dates = has_dates || source.date != kNoField;
    for (const Rule& rule : source.rules) named[static_cast<std::size_t>(rule.kind)] = true;
  }
  const auto evaluated = [&](Screen screen) {
    switch (screen) {
      case Screen::multiple_births:
      case Screen::two_births:
      case Screen::late_birth:
        return named[static_cast<std::size_t>(ScreenKind::birth)];
      case Screen::event_after_death:
        return named[static_cast<std::size_t>(ScreenKind::death)];
      case Screen::simultaneous_admissions:
        return named[static_cast<std::size_t>(ScreenKind::admission)];
      case Screen::implausible_delivery:
        return named[static_cast<std::size_t>(ScreenKind::delivery)];
      case Screen::two_registrations:
        return named[static_cast<std::size_t>(ScreenKind::registration)];
      case Screen::event_before_birth:
        break;
    }
    return has_dates;
  };
  for (std::size_t s = 0; s < kScreens; ++s) {
    report.screens[s] = {evaluated(static_cast<Screen>(s)), totals_->persons[s], totals_->examined[s]};
  }
  return report;
}

void EventScreens::write_list(const Communicator& comm) const {
  constexpr std::string_view kHeader = "pseudonym,screen\n";
  constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
  std::uint64_t bytes = 0;
  // Most persons are concerned by none.
  const auto for_each_screen = [&](std::size_t p, const auto& visit) {
    for (unsigned left = concerned_[p]; left != 0; left &= left - 1) {
      visit(screen_name(static_cast<Screen>(std::countr_zero(left))));
    }
  };
  for (std::size_t p = 0; p < concerned_.size(); ++p) {
    for_each_screen(p, [&](std::string_view name) { bytes += 32 + 1 + name.size() + 1; });
  }
  std::uint64_t offset = kHeader.size() + comm.exclusive_sum(bytes);
  const std::filesystem::path partial = unnamed_list(secure_ / "screens.csv");
  if (comm.is_root()) File::create(partial, 0600).write_at(0, std::as_bytes(std::span(kHeader)));
  comm.barrier();
  {
    const File file = File::open_update(partial);
    std::string piece;
    const auto write_piece = [&] {
      file.write_at(offset, std::as_bytes(std::span(piece)));
      offset += piece.size();
      piece.clear();
    };
    for (std::size_t p = 0; p < concerned_.size(); ++p) {
      for_each_screen(p, [&](std::string_view name) {
        piece += hex(persons_.owned[p].pseudonym) + ",";
        piece += name;
        piece += '\n';
      });
      if (piece.size() >= kPieceBytes) write_piece();
    }
    write_piece();
    file.sync();
  }
  comm.barrier();
}

}  // namespace ligature
