// The agreement: what one recipient may be given, why, until when and in what form.  docs/release.md is the user's
// page.
//
// Read like the job file: every mistake with file, line, column and key, and the nearest known name.  What an agreement
// does not name is not released.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/date.hpp"
#include "engine/disclosure.hpp"
#include "engine/legal_basis.hpp"
#include "io/customers.hpp"
#include "io/job_file.hpp"

namespace ligature {

enum class RecipientType : std::uint8_t { researcher, commissioner, company };
enum class ReleaseForm : std::uint8_t { aggregate, extract, identifiable };
enum class ReleaseFormat : std::uint8_t { hdf5, csv };
enum class PersonColumn : std::uint8_t { year_of_birth, age_band, sex, area, link_quality, id_type };
enum class IdentifierColumn : std::uint8_t { nhs_number, date_of_birth, postcode, gender };
enum class TableCount : std::uint8_t { persons, events };

std::string_view recipient_type_name(RecipientType type) noexcept;
std::string_view release_form_name(ReleaseForm form) noexcept;
std::string_view person_column_name(PersonColumn column) noexcept;
std::string_view identifier_column_name(IdentifierColumn column) noexcept;
// Whether somebody who knows a person may know it: the columns that k-anonymity is measured on.
bool is_quasi_identifier(PersonColumn column) noexcept;

inline constexpr std::string_view kKAnonymityRules = "k-anonymity v1";

// Persons that are released: those who fit all that is given.
struct Cohort {
  std::optional<std::int64_t> born_from, born_to;  // years
  std::vector<std::uint8_t> sexes;                 // NHS codes; empty: any
  std::vector<std::string> areas;                  // as released; empty: any
  std::vector<std::string> datasets;               // with rows in each of them
  [[nodiscard]] bool everybody() const noexcept {
    return !born_from && !born_to && sexes.empty() && areas.empty() && datasets.empty();
  }
};

struct ReleasedDataset {
  std::string name;
  std::vector<std::string> columns;                // of the dataset; "row_id" is the release's own
  EventDatePolicy dates = EventDatePolicy::month;  // of every column of dates
};

// A table of counts.  Dimensions are persons' columns, or columns of the dataset.
struct ReleasedTable {
  std::string name;  // of its file
  TableCount count = TableCount::persons;
  std::optional<std::string> dataset;  // whose events are counted; of persons: those with rows in it
  std::vector<std::string> dimensions;
  EventDatePolicy dates = EventDatePolicy::year;
};

struct Agreement {
  std::filesystem::path path;  // of the agreement itself
  std::string id, recipient, purpose;
  RecipientType recipient_type = RecipientType::researcher;
  const LegalBasis* legal_basis = nullptr;  // of legal_bases()
  DayNumber start = kMissingDay, expiry = kMissingDay;
  ReleaseForm form = ReleaseForm::aggregate;
  ReleaseFormat format = ReleaseFormat::hdf5;
  std::filesystem::path key;                                 // absolute; empty in an aggregate
  std::uint64_t k = 0;                                       // of an extract
  DisclosureRules rules = DisclosureRules::suppress_1_5_v1;  // of an aggregate
  std::vector<PersonColumn> person_columns;
  int age_band = 10;                                 // years of a band
  std::optional<std::filesystem::path> area_lookup;  // outward,area: areas of another kind
  Cohort cohort;
  std::vector<ReleasedDataset> datasets;
  std::vector<ReleasedTable> tables;
  std::vector<IdentifierColumn> identifiers;
  // Name and version of what controls disclosure; empty of an identifiable release.
  [[nodiscard]] std::string rules_name() const;
};

// What an agreement may name: customers on their register, and what the dataset has.
struct ReleasableColumn {
  std::string name;
  bool category = false, date = false;
};
struct ReleasableDataset {
  std::string name;
  std::vector<ReleasableColumn> columns;
};
struct Releasable {
  DayNumber today = kMissingDay;
  std::vector<ApprovedCustomer> customers;
  bool area = false;
  std::vector<ReleasableDataset> datasets;
};

// Reads and checks an agreement.  Throws UsageError that lists every mistake, an agreement that has expired or not
// begun and a column that the dataset has not among them.
Agreement parse_agreement(std::string_view text, const std::filesystem::path& path, const Releasable& releasable);
std::string read_agreement(const std::filesystem::path& path);

}  // namespace ligature
