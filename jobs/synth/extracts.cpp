#include "jobs/synth/extracts.hpp"

#include <algorithm>
#include <vector>

#include "jobs/synth/local_ids.hpp"
#include "jobs/synth/reference.hpp"
#include "jobs/synth/text.hpp"

namespace ligature::synthetic {
namespace {

namespace draw {
// Of a person; the purposes below 64 are taken (population and reference files).
enum PersonDraw : std::uint64_t { kUse = 64, kRegistered, kRows = 80, kTies = 1 << 16, kEvents = 1 << 20 };
enum Move : std::uint64_t { kPractice = 64 };
// Of a row; the purposes below 192 are taken (errors).
enum Row : std::uint64_t { kOtherPatient = 192, kDisguised = 320, kDisguise };
}  // namespace draw

constexpr std::array<SourceFormat, kSources> kFormats = {{
    {"gp", ',', "record_id", "practice_code", "local_patient_id", "nhs_number", "date_of_birth", "postcode", "gender",
     "event_date", "code"},
    {"inpatient", ',', "record_id", "provider", "local_patient_id", "nhs_number", "dob", "postcode", "sex",
     "admission_date", "diagnosis"},
    {"outpatient", ',', "record_id", "provider_code", "local_patient_id", "nhs_no", "birth_date", "home_postcode",
     "sex_code", "appointment_date", "specialty"},
    {"ae", '|', "record_id", "site", "local_patient_id", "nhs_number", "patient_birth_date", "postcode_of_residence",
     "gender", "arrival_date", "presenting_diagnosis"},
}};

struct Style {
  char record_letter;
  bool grouped_number;
  DateStyle date;
  PostcodeStyle postcode;
  GenderStyle gender;
};
constexpr std::array<Style, kSources> kStyles = {{
    {'G', false, DateStyle::iso, PostcodeStyle::spaced, GenderStyle::codes},
    {'I', false, DateStyle::day_first, PostcodeStyle::padded, GenderStyle::words},
    {'O', false, DateStyle::compact, PostcodeStyle::compact, GenderStyle::codes_with_nine},
    {'A', true, DateStyle::month_name, PostcodeStyle::spaced, GenderStyle::letters},
}};

// Read v2 codes of common records in general practice; the first is the registration.
constexpr std::array<std::string_view, 24> kReadCodes = {
    "9123.", "246..", "22A..", "137R.", "229..", "65E..", "8B3..", "G20..", "C10F.", "H33..", "9N1C.", "44P..",
    "1371.", "E2003", "N131.", "M12z0", "H05z.", "K190.", "F26..", "G3...", "C04..", "H3...", "A53..", "N2452"};
// ICD-10, three and four characters; the first is a birth.
constexpr std::array<std::string_view, 24> kDiagnoses = {
    "Z380", "J189", "R074", "I10",  "N390", "E119", "I251", "K297", "S720", "J440", "A099", "R104",
    "C509", "K802", "I639", "O800", "M179", "H269", "C61",  "F329", "L031", "D509", "G409", "T391"};
// Treatment specialty codes.
constexpr std::array<std::string_view, 16> kSpecialties = {"110", "130", "300", "330", "502", "501", "100", "320",
                                                           "120", "101", "340", "410", "650", "303", "301", "710"};
// A&E diagnosis codes.
constexpr std::array<std::string_view, 16> kPresentations = {"02", "05", "01", "20", "26", "38", "14", "08",
                                                             "21", "25", "06", "30", "23", "35", "12", "39"};

std::string_view code_of(Source source, std::uint64_t bits) noexcept {
  // The smaller of two: the first codes are common, the last ones rare.
  const auto pick = [&](std::uint64_t count) {
    return std::min(((bits & 0xFFFFFFFFU) * count) >> 32U, ((bits >> 32U) * count) >> 32U);
  };
  switch (source) {
    case Source::gp:
      return kReadCodes[1 + pick(kReadCodes.size() - 1)];
    case Source::inpatient:
      return kDiagnoses[1 + pick(kDiagnoses.size() - 1)];
    case Source::outpatient:
      return kSpecialties[pick(kSpecialties.size())];
    case Source::ae:
      break;
  }
  return kPresentations[pick(kPresentations.size())];
}

// How much care a person uses, mean 1 over people of one age: most use little, a few use much.
double use_factor(double unit) noexcept {
  return unit < 0.6 ? 0.35 : unit < 0.9 ? 1.3 : 4.0;
}

// And by age, mean 1 over the population.
double age_factor(int years) noexcept {
  const double use = years < 1    ? 1.5
                     : years < 16 ? 0.65
                     : years < 45 ? 0.85
                     : years < 65 ? 1.05
                     : years < 80 ? 1.6
                                  : 2.0;
  return use / 0.997;
}

// A geometric count: P(count >= k) = (mean / (1 + mean))^k.  Only multiplications: the same on every machine.
std::uint32_t geometric(double unit, double mean, std::uint32_t limit) noexcept {
  const double ratio = mean / (1 + mean);
  std::uint32_t count = 0;
  for (double tail = ratio; unit < tail && count < limit; tail *= ratio) ++count;
  return count;
}

struct EventDetails {
  DayNumber day = kMissingDay;
  bool second_trust = false;
  std::string_view code;
};

// The days of the events: one year.
struct Year {
  DayNumber first = day_number(kFirstEvent).value_or(kMissingDay);
  DayNumber last = static_cast<DayNumber>(day_number(kAsAt).value_or(kMissingDay) - 1);
};

bool born_in(const Year& year, const Person& person) noexcept {
  return person.birth >= year.first;
}

// Row 0 at a practice is the registration, and row 0 as an inpatient of somebody born in the year is the birth.
// random: of the person, Subject::person.
EventDetails details(const Random& random, const Person& person, Source source, std::uint32_t row,
                     const Year& year) noexcept {
  constexpr std::uint32_t kRegistrationYears = 20, kOneIn = 7;  // one hospital event in seven is at the second trust
  const std::uint64_t purpose = draw::kEvents + ((static_cast<std::uint64_t>(source) << Event::kRowBits) + row) * 4;
  EventDetails event;
  if (source == Source::gp && row == 0) {
    const auto earliest = static_cast<DayNumber>(year.last - kRegistrationYears * 365);
    const DayNumber from = std::max(earliest, person.birth);
    event.day = static_cast<DayNumber>(from + random.below(purpose, year.last - from + 1U));
    event.code = kReadCodes[0];
    return event;
  }
  if (source == Source::inpatient && row == 0 && born_in(year, person)) {
    event.day = person.birth;
    event.code = kDiagnoses[0];
    return event;
  }
  const DayNumber from = std::max(year.first, person.birth);
  event.day = static_cast<DayNumber>(from + random.below(purpose, year.last - from + 1U));
  event.second_trust = source != Source::gp && random.below(purpose + 1, kOneIn) == 0;
  event.code = code_of(source, random.bits(purpose + 2));
  return event;
}

// "B000012345": by the first of the twins; nothing for people born alone.  first: the neighbourhood's first person.
void append_birth_group(std::string& out, std::uint64_t first, std::uint32_t person, std::uint32_t twin) {
  if (twin == kNoTwin) return;
  out += 'B';
  append_digits(out, first + std::min(person, twin), 9);
}

}  // namespace

const SourceFormat& format_of(Source source) noexcept {
  return kFormats[static_cast<std::size_t>(source)];
}

std::string header_line(Source source) {
  const SourceFormat& format = format_of(source);
  std::string line;
  for (const std::string_view name :
       {format.record_id, format.provider, format.local_id, format.nhs_number, format.date_of_birth, format.postcode,
        format.gender, format.event_date, format.code}) {
    if (!line.empty()) line += format.delimiter;
    line += name;
  }
  return line + '\n';
}

ExtractWriter::ExtractWriter(const Population& population, const SynthArguments& arguments)
    : population_(population),
      errors_(population, arguments),
      rates_(arguments.rates),
      with_people_(arguments.people_file),
      rows_a_person_{arguments.gp_rows, arguments.inpatient_rows, arguments.outpatient_rows, arguments.ae_rows} {}

// The people of a neighbourhood with what the systems hold about them.
struct ExtractWriter::Residents {
  std::uint64_t neighbourhood = 0;
  std::vector<Person> people;
  std::vector<Addresses> addresses;
  std::vector<Registration> registrations;  // kSystems a person
};

NeighbourhoodText ExtractWriter::write(std::uint64_t n) const {
  Residents residents;
  residents.neighbourhood = n;
  residents.people = population_.neighbourhood(n);
  // The last neighbourhood is made whole and written in part: no person depends on how many people there are.
  const auto count =
      static_cast<std::uint32_t>(std::min(kNeighbourhoodPeople, population_.people() - n * kNeighbourhoodPeople));
  residents.addresses.reserve(count);
  residents.registrations.reserve(count * kSystems);
  const Year year;
  NeighbourhoodText text;
  std::array<std::vector<Event>, kSources> events;
  for (std::uint32_t i = 0; i < count; ++i) {
    const Person& person = residents.people[i];
    const Random random = population_.random(Subject::person, n * kNeighbourhoodPeople + i);
    residents.addresses.push_back(population_.addresses(n, person));
    for (std::size_t system = 0; system < kSystems; ++system) {
      residents.registrations.push_back(errors_.registration({n, i, residents.people}, static_cast<System>(system)));
    }
    const double factor = use_factor(random.unit(draw::kUse)) * age_factor((year.last - person.birth) * 100 / 36525);
    for (std::size_t s = 0; s < kSources; ++s) {
      const auto source = static_cast<Source>(s);
      const double mean = rows_a_person_[s];
      std::uint32_t rows = 0;
      if (source == Source::gp ? random.happens(draw::kRegistered, Chance(mean))
                               : source == Source::inpatient && mean > 0 && born_in(year, person)) {
        ++rows;
      }
      const double further = source == Source::gp ? std::max(0.0, mean - 1) : mean;
      rows += geometric(random.unit(draw::kRows + s), further * factor, Event::kMostRows - 1);
      for (std::uint32_t row = 0; row < rows; ++row) {
        if (source == Source::gp) {
          events[s].emplace_back(practice_of(n, person), 0, i, row);
        } else {
          events[s].emplace_back(details(random, person, source, row, year).day, random.bits(draw::kTies + row), i,
                                 row);
        }
      }
    }
    if (with_people_) append_person(text.people, n, i, person);
    append_reference_rows(population_, rates_, person, n * kNeighbourhoodPeople + i, random,
                          {text.optout, text.objectors, text.superseded});
  }
  append_practices(n, text.practices);
  for (std::size_t s = 0; s < kSources; ++s) {
    std::sort(events[s].begin(), events[s].end());
    write_source(residents, static_cast<Source>(s), events[s], text);
  }
  return text;
}

void ExtractWriter::append_person(std::string& out, std::uint64_t n, std::uint32_t i, const Person& person) const {
  const std::uint64_t first = n * kNeighbourhoodPeople;
  for (const std::uint64_t member : {first + i, first + person.first_member}) {
    out += 'P';
    append_digits(out, member, 9);
    out += ',';
  }
  append_date(out, civil_date(person.birth), DateStyle::iso);
  out += ',';
  out += gender_text(person.female ? Gender::female : Gender::male, GenderStyle::letters);
  out += ',';
  const PostcodeText home =
      person.no_fixed_abode ? no_fixed_abode() : postcode_of({static_cast<std::uint32_t>(n), person.unit});
  append_postcode(out, home, PostcodeStyle::spaced, Spelling::standard);
  out += '\n';
}

void ExtractWriter::disguise(const Random& random, const Registration& registration, RecordedRow& row) const noexcept {
  if (!random.happens(draw::kDisguised, Chance(rates_.objector_disguised))) return;
  if (random.below(draw::kDisguise, 2) == 0) {
    row.nhs = kNoNumber;
    row.errors |= bit(ErrorKind::nhs_missing);
  } else {
    row.nhs = mistyped_number(registration.nhs, random);
    row.errors |= bit(ErrorKind::nhs_mistyped);
  }
}

std::uint32_t ExtractWriter::practice_of(std::uint64_t n, const Person& person) const noexcept {
  return population_.random(Subject::move, n * kNeighbourhoodPeople + person.first_member)
      .below(draw::kPractice, kPracticesPerPair);
}

std::uint32_t ExtractWriter::other_patient(const Residents& residents, std::uint32_t person, Source source,
                                           const Random& random) const noexcept {
  constexpr std::uint64_t kAttempts = 64;  // one person in three has the same practice
  const auto count = static_cast<std::uint32_t>(residents.addresses.size());  // those who are written
  const auto practice = [&](std::uint32_t i) { return practice_of(residents.neighbourhood, residents.people[i]); };
  for (std::uint64_t attempt = 0; attempt < kAttempts; ++attempt) {
    const std::uint32_t other = random.below(draw::kOtherPatient + attempt, count);
    if (other != person && (source != Source::gp || practice(other) == practice(person))) return other;
  }
  return person;
}

void ExtractWriter::write_source(const Residents& residents, Source source, std::span<const Event> events,
                                 NeighbourhoodText& text) const {
  const auto s = static_cast<std::size_t>(source);
  const SourceFormat& format = kFormats[s];
  const Style& style = kStyles[s];
  const std::uint64_t n = residents.neighbourhood;
  const Year year;
  std::array<std::string, kPracticesPerPair> practices;
  for (std::uint32_t i = 0; i < kPracticesPerPair; ++i) practices[i] = practice_code(n / 2, i);
  const std::uint64_t trust = n / kNeighbourhoodsPerTrust;
  const std::array<std::string, 2> trusts = {trust_code(trust), trust_code(trust ^ 1U)};
  const auto local_id_at = [&](std::uint64_t provider, std::uint32_t person) {
    return local_id(population_.random(Subject::provider, provider), n * kNeighbourhoodPeople + person);
  };

  std::string& out = text.extracts[s];
  out.reserve(events.size() * 92);
  text.truth.reserve(text.truth.size() + events.size() * 48);
  std::uint64_t written = 0;
  const auto begin_row = [&] {
    out += style.record_letter;
    append_digits(out, n, 5);
    append_digits(out, written, 7);
  };
  const auto note_truth = [&](std::uint32_t person, Errors errors) {
    text.truth += style.record_letter;
    append_digits(text.truth, n, 5);
    append_digits(text.truth, written, 7);
    text.truth += ",P";
    append_digits(text.truth, n * kNeighbourhoodPeople + person, 9);
    text.truth += ',';
    text.truth += format.name;
    text.truth += ',';
    append_errors(text.truth, errors);
    text.truth += ',';
    append_birth_group(text.truth, n * kNeighbourhoodPeople, person, residents.people[person].twin);
    text.truth += '\n';
    ++written;
  };
  struct SentAgain {
    std::size_t begin, size;  // of the row after its record id
    std::uint32_t person;
    Errors errors;
  };
  std::vector<SentAgain> sent_again;

  for (const Event& event : events) {
    const std::uint32_t i = event.person();
    const Person& person = residents.people[i];
    const Random random = population_.random(Subject::person, n * kNeighbourhoodPeople + i);
    const EventDetails what = details(random, person, source, event.row(), year);
    const System system = source == Source::gp ? System::practice
                          : what.second_trust  ? System::second_trust
                                               : System::trust;
    const Registration& registration = residents.registrations[i * kSystems + static_cast<std::size_t>(system)];
    const Resident resident{n, i, residents.people};
    RecordedRow row =
        errors_.record(resident, residents.addresses[i], registration, source, system, what.day, event.row());
    if (rates_.objector_disguised > 0 && is_type1_objector(rates_, random)) {
      disguise(errors_.row_random(resident, source, event.row()), registration, row);
    }
    std::uint32_t patient = i;
    if (row.local_id == LocalId::of_another) {
      patient = other_patient(residents, i, source, errors_.row_random(resident, source, event.row()));
      if (patient != i) row.errors |= bit(ErrorKind::local_id_wrong);
    }
    const std::uint32_t practice = source == Source::gp ? practice_of(n, person) : 0;
    begin_row();
    const std::size_t begin = out.size();
    out += format.delimiter;
    out += source == Source::gp ? practices[practice] : trusts[what.second_trust ? 1 : 0];
    out += format.delimiter;
    if (row.local_id != LocalId::missing) {
      const std::uint64_t provider =
          source == Source::gp ? practice_key(n / 2, practice) : trust_key(what.second_trust ? trust ^ 1U : trust);
      append_digits(out, local_id_at(provider, patient), kLocalIdDigits);
    }
    out += format.delimiter;
    append_nhs_number(out, row.nhs, style.grouped_number);
    out += format.delimiter;
    append_date(out, registration.birth, style.date);
    out += format.delimiter;
    append_postcode(out, row.postcode, style.postcode, row.spelling);
    out += format.delimiter;
    out += gender_text(registration.gender, style.gender);
    out += format.delimiter;
    append_date(out, civil_date(what.day), style.date);
    // A malformed row is a column short, or a column over.
    const bool malformed = (row.errors & bit(ErrorKind::malformed)) != 0;
    if (!malformed || event.row() % 2 == 0) {
      out += format.delimiter;
      out += what.code;
    }
    if (malformed && event.row() % 2 == 0) out += format.delimiter;
    if (row.resubmitted) sent_again.push_back({begin, out.size() - begin, i, row.errors});
    out += '\n';
    note_truth(i, row.errors);
  }
  for (const SentAgain& again : sent_again) {
    begin_row();
    out.append(out.substr(again.begin, again.size));
    out += '\n';
    note_truth(again.person, again.errors | bit(ErrorKind::resubmitted));
  }
  text.rows[s] = written;
}

}  // namespace ligature::synthetic
