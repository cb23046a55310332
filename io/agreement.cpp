#include "io/agreement.hpp"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "io/files.hpp"
#include "io/nearest_name.hpp"
#include "io/table_reader.hpp"

namespace ligature {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostAgreementBytes = std::size_t{1} << 20;
constexpr std::size_t kMostTables = 100, kMostDatasets = 32, kMostColumns = 1'000;
constexpr std::size_t kMostId = 64;

constexpr std::array<std::string_view, 3> kRecipientTypes = {"researcher", "commissioner", "company"};
constexpr std::array<std::string_view, 3> kForms = {"aggregate", "extract", "identifiable"};
constexpr std::array<std::string_view, 2> kFormats = {"hdf5", "csv"};
constexpr std::array<std::string_view, 6> kPersonColumns = {"year_of_birth", "age_band",     "sex",
                                                            "area",          "link_quality", "id_type"};
constexpr std::array<std::string_view, 4> kIdentifierColumns = {"nhs_number", "date_of_birth", "postcode", "gender"};
constexpr std::array<std::string_view, 2> kCounts = {"persons", "events"};
constexpr std::array<std::string_view, 3> kDates = {"day", "month", "year"};
constexpr std::array<std::string_view, 2> kTableDates = {"month", "year"};
constexpr std::array<std::string_view, 4> kSexes = {"not known", "male", "female", "not specified"};
constexpr std::array<std::uint8_t, 4> kSexCodes = {0, 1, 2, 9};
constexpr std::string_view kRowId = "row_id";

// Letters, digits, '-', '_' and '.', not first: what may be the name of a folder or file anywhere.
bool is_plain_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  return !name.empty() && name.size() <= kMostId && name.front() != '.' && name.front() != '-' &&
         std::all_of(name.begin(), name.end(), plain);
}

class AgreementParser {
 public:
  AgreementParser(const ConfigNode& document, const fs::path& path, const Releasable& releasable, Mistakes& mistakes)
      : releasable_(releasable),
        mistakes_(mistakes),
        root_(&document, "the agreement", {}, mistakes),
        folder_(fs::absolute(path).lexically_normal().parent_path()) {
    agreement_.path = fs::absolute(path).lexically_normal();
  }

  Agreement parse() {
    read_agreement_table(section("agreement"));
    read_persons(section("persons"));
    read_cohort(section("cohort"));
    read_datasets();
    read_tables();
    read_identifiers(section("identifiers"));
    root_.report_unknown_keys();
    check_form();
    return std::move(agreement_);
  }

 private:
  TableReader section(std::string_view key) { return {root_.table(key), fmt::format("[{}]", key), {}, mistakes_}; }
  [[nodiscard]] fs::path file(const std::string& text) const { return (folder_ / text).lexically_normal(); }

  void read_agreement_table(TableReader table) {
    const auto id = table.required_text("id", "DARS-NIC-00042-A1B2C");
    if (id && !is_plain_name(*id)) {
      table.mistake_at(
          "id", fmt::format("'id' in [agreement] may hold letters, digits, '-', '_' and '.', {} at most", kMostId));
    }
    agreement_.id = id.value_or("");
    agreement_.recipient = table.required_text("recipient", "University of Leeds").value_or("");
    agreement_.recipient_type =
        static_cast<RecipientType>(table.required_one_of("recipient_type", kRecipientTypes).value_or(0));
    agreement_.purpose = table.required_text("purpose", "asthma admissions").value_or("");
    check_customer(table);
    read_legal_basis(table);
    read_term(table);
    form_known_ = table.has("form");
    agreement_.form = static_cast<ReleaseForm>(table.required_one_of("form", kForms).value_or(0));
    has_format_ = table.has("format");
    agreement_.format = static_cast<ReleaseFormat>(table.one_of("format", kFormats).value_or(0));
    if (const auto key = table.text("key")) agreement_.key = file(*key);
    has_key_ = table.has("key");
    has_k_ = table.has("k");
    agreement_.k = static_cast<std::uint64_t>(table.integer("k", 2, 1'000'000).value_or(0));
    read_rules(table);
    table.report_unknown_keys();
    place_ = table.place();
  }

  // Only customers on the register, for purposes that it lists for them.
  void check_customer(TableReader& table) {
    if (agreement_.recipient.empty() || agreement_.purpose.empty()) return;
    std::vector<std::string_view> recipients, purposes;
    const ApprovedCustomer* of_recipient = nullptr;
    for (const ApprovedCustomer& customer : releasable_.customers) {
      recipients.push_back(customer.recipient);
      if (customer.recipient != agreement_.recipient) continue;
      of_recipient = &customer;
      purposes.push_back(customer.purpose);
    }
    if (of_recipient == nullptr) {
      const auto near = nearest_name(agreement_.recipient, recipients);
      table.mistake_at("recipient",
                       fmt::format("'{}' is not on the register of approved customers{}", agreement_.recipient,
                                   near ? fmt::format("; did you mean '{}'?", *near) : std::string()));
    } else if (std::find(purposes.begin(), purposes.end(), agreement_.purpose) == purposes.end()) {
      table.mistake_at(
          "purpose",
          fmt::format("'{}' is not a purpose that the register of approved customers lists for {}{}",
                      agreement_.purpose, agreement_.recipient, suggestion(agreement_.purpose, purposes, "purposes")));
    } else if (of_recipient->type != recipient_type_name(agreement_.recipient_type)) {
      table.mistake_at("recipient_type", fmt::format("the register of approved customers has {} as a {}",
                                                     agreement_.recipient, of_recipient->type));
    }
  }

  void read_legal_basis(TableReader& table) {
    std::vector<std::string_view> names;
    for (const LegalBasis& basis : legal_bases()) names.push_back(basis.name);
    if (const auto basis = table.required_one_of("legal_basis", names)) agreement_.legal_basis = &legal_bases()[*basis];
  }

  void read_term(TableReader& table) {
    for (const std::string_view key : {"start", "expiry"}) {
      if (!table.has(key)) {
        table.mistake(fmt::format("'{0}' in [agreement] is required, for instance {0} = 2014-04-01", key));
      }
    }
    const auto start = table.date("start"), expiry = table.date("expiry");
    agreement_.start = start.value_or(kMissingDay);
    agreement_.expiry = expiry.value_or(kMissingDay);
    if (start && expiry && *expiry < *start) {
      table.mistake_at("expiry", "the agreement expires before it starts");
    } else if (expiry && *expiry < releasable_.today) {
      table.mistake_at("expiry", fmt::format("the agreement expired on {}", iso_date(*expiry)));
    } else if (start && *start > releasable_.today) {
      table.mistake_at("start", fmt::format("the agreement starts on {} only", iso_date(*start)));
    }
  }

  void read_rules(TableReader& table) {
    constexpr std::array<std::string_view, 3> kRules = {"suppress-1-5 v1", "hes-2018 v1", kKAnonymityRules};
    const auto rules = table.one_of("rules", kRules);
    has_rules_ = table.has("rules");
    k_rules_ = rules == 2U;
    if (rules && !k_rules_) agreement_.rules = static_cast<DisclosureRules>(*rules);
  }

  void read_persons(TableReader table) {
    if (const auto columns = table.some_of("columns", kPersonColumns)) {
      for (const std::size_t column : *columns) agreement_.person_columns.push_back(static_cast<PersonColumn>(column));
      if (names_area(agreement_.person_columns)) require_area(table, "columns");
    }
    agreement_.age_band = static_cast<int>(table.integer("age_band", 1, 45).value_or(agreement_.age_band));
    if (const auto lookup = table.text("area_lookup")) {
      agreement_.area_lookup = file(*lookup);
      require_area(table, "area_lookup");
    }
    table.report_unknown_keys();
  }

  static bool names_area(const std::vector<PersonColumn>& columns) {
    return std::find(columns.begin(), columns.end(), PersonColumn::area) != columns.end();
  }
  void require_area(TableReader& table, std::string_view key) {
    if (!releasable_.area) table.mistake_at(key, "the dataset has no areas (its job file says area = \"none\")");
  }

  void read_cohort(TableReader table) {
    Cohort& cohort = agreement_.cohort;
    cohort.born_from = table.integer("born_from", 1895, 2074);
    cohort.born_to = table.integer("born_to", 1895, 2074);
    if (cohort.born_from && cohort.born_to && *cohort.born_from > *cohort.born_to) {
      table.mistake_at("born_to", "'born_to' in [cohort] comes before 'born_from': nobody fits");
    }
    for (const std::size_t sex : table.some_of("sex", kSexes).value_or(std::vector<std::size_t>{})) {
      cohort.sexes.push_back(kSexCodes[sex]);
    }
    cohort.areas = table.texts("areas").value_or(std::vector<std::string>{});
    if (table.has("areas")) require_area(table, "areas");
    cohort.datasets = table.texts("datasets").value_or(std::vector<std::string>{});
    for (const std::string& name : cohort.datasets) find_dataset(table, "datasets", name);
    table.report_unknown_keys();
  }

  const ReleasableDataset* find_dataset(TableReader& table, std::string_view key, const std::string& name) {
    std::vector<std::string_view> names;
    for (const ReleasableDataset& dataset : releasable_.datasets) {
      if (dataset.name == name) return &dataset;
      names.push_back(dataset.name);
    }
    table.mistake_at(key, fmt::format("there is no dataset '{}'{}", name, suggestion(name, names, "datasets")));
    return nullptr;
  }

  // The column of a dataset that a key names, or a mistake.
  const ReleasableColumn* find_column(TableReader& table, std::string_view key, const ReleasableDataset& dataset,
                                      const std::string& name, std::span<const std::string_view> others) {
    std::vector<std::string_view> names(others.begin(), others.end());
    for (const ReleasableColumn& column : dataset.columns) {
      if (column.name == name) return &column;
      names.push_back(column.name);
    }
    table.mistake_at(key, fmt::format("there is no column '{}' in dataset '{}'{}", name, dataset.name,
                                      suggestion(name, names, "columns")));
    return nullptr;
  }

  // Reports what is named twice; too long a list is cut, and reported.
  void check_repeats(TableReader& table, std::string_view key, std::vector<std::string>& names) {
    if (names.size() > kMostColumns) {
      table.mistake_at(key, fmt::format("{} names; at most {} are possible", names.size(), kMostColumns));
      names.resize(kMostColumns);
    }
    std::vector<std::string> sorted = names;
    std::sort(sorted.begin(), sorted.end());
    const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
    if (twice != sorted.end()) table.mistake_at(key, fmt::format("'{}' is named twice", *twice));
  }

  void read_datasets() {
    const auto nodes = root_.tables("dataset", "[[dataset]]");
    if (nodes.size() > kMostDatasets) return root_.mistake_at("dataset", "more [[dataset]]s than a dataset file has");
    for (const ConfigNode* const node : nodes) {
      TableReader table(node, "[[dataset]]", {}, mistakes_);
      ReleasedDataset released;
      released.name = table.required_text("name", "gp").value_or("");
      const ReleasableDataset* const dataset =
          released.name.empty() ? nullptr : find_dataset(table, "name", released.name);
      if (!table.has("columns")) {
        table.mistake("'columns' in [[dataset]] is required: what is not named is not released");
      }
      released.columns = table.texts("columns").value_or(std::vector<std::string>{});
      check_repeats(table, "columns", released.columns);
      const auto dates = table.one_of("dates", kDates);
      table.report_unknown_keys();
      bool has_date = false;
      constexpr std::array<std::string_view, 1> kOwn = {kRowId};
      for (const std::string& name : released.columns) {
        if (dataset == nullptr || name == kRowId) continue;
        const ReleasableColumn* const column = find_column(table, "columns", *dataset, name, kOwn);
        has_date = has_date || (column != nullptr && column->date);
      }
      if (has_date && !table.has("dates")) {
        table.mistake("'dates' in [[dataset]] is required where a date is named: \"day\", \"month\" or \"year\"");
      }
      released.dates = static_cast<EventDatePolicy>(dates.value_or(1));
      for (const ReleasedDataset& other : agreement_.datasets) {
        if (other.name == released.name)
          table.mistake_at("name", fmt::format("dataset '{}' is named twice", other.name));
      }
      agreement_.datasets.push_back(std::move(released));
    }
  }

  void read_tables() {
    const auto nodes = root_.tables("table", "[[table]]");
    if (nodes.size() > kMostTables) {
      return root_.mistake_at("table", fmt::format("{} tables; at most {} are possible", nodes.size(), kMostTables));
    }
    for (const ConfigNode* const node : nodes) {
      TableReader table(node, "[[table]]", {}, mistakes_);
      ReleasedTable released;
      released.name = table.required_text("name", "admissions").value_or("");
      if (!released.name.empty() && !is_plain_name(released.name)) {
        table.mistake_at("name", "the name of a table may hold letters, digits, '-', '_' and '.'");
      }
      for (const ReleasedTable& other : agreement_.tables) {
        if (other.name == released.name)
          table.mistake_at("name", fmt::format("two tables are called '{}'", other.name));
      }
      released.count = static_cast<TableCount>(table.required_one_of("count", kCounts).value_or(0));
      released.dataset = table.text("dataset");
      const ReleasableDataset* const dataset =
          released.dataset ? find_dataset(table, "dataset", *released.dataset) : nullptr;
      if (released.count == TableCount::events && !table.has("dataset")) {
        table.mistake("'dataset' in [[table]] is required where events are counted");
      }
      if (!table.has("dimensions")) table.mistake("'dimensions' in [[table]] is required");
      released.dimensions = table.texts("dimensions").value_or(std::vector<std::string>{});
      check_repeats(table, "dimensions", released.dimensions);
      if (released.dimensions.size() > kMostDimensions) {
        table.mistake_at("dimensions", fmt::format("{} dimensions; at most {} are possible", released.dimensions.size(),
                                                   kMostDimensions));
        released.dimensions.resize(kMostDimensions);
      }
      const auto dates = table.one_of("dates", kTableDates);
      released.dates = dates == 0U ? EventDatePolicy::month : EventDatePolicy::year;
      table.report_unknown_keys();
      for (const std::string& dimension : released.dimensions) check_dimension(table, released, dataset, dimension);
      agreement_.tables.push_back(std::move(released));
    }
  }

  void check_dimension(TableReader& table, const ReleasedTable& released, const ReleasableDataset* dataset,
                       const std::string& name) {
    constexpr std::array<std::string_view, 4> kDimensions = {"year_of_birth", "age_band", "sex", "area"};
    if (std::find(kDimensions.begin(), kDimensions.end(), name) != kDimensions.end()) {
      if (name == "area") require_area(table, "dimensions");
      return;
    }
    if (released.count == TableCount::persons || dataset == nullptr) {
      return table.mistake_at("dimensions", fmt::format("persons cannot be counted by '{}'{}", name,
                                                        suggestion(name, kDimensions, "dimensions")));
    }
    const ReleasableColumn* const column = find_column(table, "dimensions", *dataset, name, kDimensions);
    if (column == nullptr) return;
    if (!column->category && !column->date) {
      table.mistake_at("dimensions",
                       fmt::format("events cannot be counted by '{}': it is neither a category nor a date", name));
    } else if (column->date && !table.has("dates")) {
      table.mistake("'dates' in [[table]] is required where events are counted by a date: \"month\" or \"year\"");
    }
  }

  void read_identifiers(TableReader table) {
    if (const auto columns = table.some_of("columns", kIdentifierColumns)) {
      for (const std::size_t c : *columns) agreement_.identifiers.push_back(static_cast<IdentifierColumn>(c));
    }
    table.report_unknown_keys();
  }

  // What goes with the form, and what does not.
  void check_form() {
    if (!form_known_) return;
    const ReleaseForm form = agreement_.form;
    const bool aggregate = form == ReleaseForm::aggregate;
    const auto expect = [&](bool holds, const std::string& otherwise) {
      if (!holds) mistakes_.add(place_, otherwise);
    };
    expect(aggregate != has_key_, aggregate ? "an aggregate has no pseudonyms, and so no 'key'"
                                            : "'key' in [agreement] is required: a key of its own for each agreement");
    expect(!aggregate || agreement_.datasets.empty(), "an aggregate has tables, and no [[dataset]]");
    expect(aggregate || agreement_.tables.empty(), "only an aggregate has a [[table]]");
    expect(!aggregate || !agreement_.tables.empty(), "an aggregate needs at least one [[table]]");
    expect(!aggregate || agreement_.person_columns.empty(),
           "an aggregate releases no row of a person: 'columns' in [persons] has no place in it");
    expect(aggregate || !agreement_.person_columns.empty() || !agreement_.datasets.empty() ||
               !agreement_.identifiers.empty(),
           "the agreement names nothing to be released");
    expect(!aggregate || !has_format_, "an aggregate is always CSV: 'format' has no place in it");
    const bool extract = form == ReleaseForm::extract;
    expect(extract == has_k_, extract
                                  ? "'k' in [agreement] is required of an extract: how many persons, at least, must "
                                    "share all that is released of a person"
                                  : "only an extract has a 'k'");
    expect(aggregate ? has_rules_ && !k_rules_
           : extract ? has_rules_ && k_rules_
                     : !has_rules_,
           aggregate ? "'rules' in [agreement] must be \"suppress-1-5 v1\" or \"hes-2018 v1\" for an aggregate"
           : extract ? fmt::format("'rules' in [agreement] must be \"{}\" for an extract", kKAnonymityRules)
                     : std::string("no disclosure rules apply to an identifiable release: 'rules' has no place in it"));
    const bool identifiable = form == ReleaseForm::identifiable;
    expect(identifiable || agreement_.identifiers.empty(),
           "identifiers are released only in an agreement with form = \"identifiable\"");
    expect(!identifiable || !agreement_.identifiers.empty(),
           "'columns' in [identifiers] is required of an identifiable release");
    if (identifiable && agreement_.legal_basis != nullptr && !agreement_.legal_basis->identifiable) {
      mistakes_.add(place_, fmt::format("legal basis {} does not allow identifiers to be released",
                                        agreement_.legal_basis->name));
    }
  }

  Agreement agreement_;
  const Releasable& releasable_;
  Mistakes& mistakes_;
  TableReader root_;
  fs::path folder_;
  ConfigPlace place_;
  bool form_known_ = false, has_format_ = false, has_key_ = false, has_k_ = false, has_rules_ = false, k_rules_ = false;
};

}  // namespace

std::string_view recipient_type_name(RecipientType type) noexcept {
  return kRecipientTypes[static_cast<std::size_t>(type)];
}
std::string_view release_form_name(ReleaseForm form) noexcept {
  return kForms[static_cast<std::size_t>(form)];
}
std::string_view person_column_name(PersonColumn column) noexcept {
  return kPersonColumns[static_cast<std::size_t>(column)];
}
std::string_view identifier_column_name(IdentifierColumn column) noexcept {
  return kIdentifierColumns[static_cast<std::size_t>(column)];
}

bool is_quasi_identifier(PersonColumn column) noexcept {
  return column != PersonColumn::link_quality && column != PersonColumn::id_type;
}

std::string Agreement::rules_name() const {
  if (form == ReleaseForm::aggregate) return std::string(disclosure_rules_name(rules));
  return form == ReleaseForm::extract ? std::string(kKAnonymityRules) : std::string();
}

Agreement parse_agreement(std::string_view text, const fs::path& path, const Releasable& releasable) {
  Mistakes mistakes(path.string(), "agreement");
  const ConfigNode document = parse_toml(text, mistakes);
  mistakes.throw_if_any();
  Agreement agreement = AgreementParser(document, path, releasable, mistakes).parse();
  mistakes.throw_if_any();
  return agreement;
}

std::string read_agreement(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) throw UsageError("no such agreement: " + path.string());
  if (!fs::is_regular_file(status)) throw UsageError("the agreement is not a regular file: " + path.string());
  try {
    return read_small_file(path, kMostAgreementBytes);
  } catch (const Error& failure) {
    throw UsageError(failure.what());
  }
}

}  // namespace ligature
