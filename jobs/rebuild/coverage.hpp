// Coverage and quality by provider: who of the register sent nothing, who sent late or less than before, and how
// complete and valid the identifiers are that each one sent.
//
// The measures are those of the national data quality reports: coverage, completeness, validity and use of default
// values, for each provider.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/files.hpp"
#include "io/job_file.hpp"
#include "io/manifest.hpp"
#include "io/row_store.hpp"
#include "partition/communicator.hpp"

namespace ligature {

enum class ProviderStatus : std::uint8_t {
  sent,
  partial,  // fewer rows than the share partial_below of the last run's
  late,     // its latest extract is more than late_after days older than the day of the run
  silent,   // on the register, or in the last run's table, and no rows
};
std::string_view provider_status_name(ProviderStatus status) noexcept;

// rows, latest: of the provider in this run; before: its rows in the last run, if known.  The worst that applies.
ProviderStatus judge_provider(std::uint64_t rows, std::optional<std::uint64_t> before, DayNumber latest,
                              DayNumber as_at, double partial_below, std::int64_t late_after) noexcept;

// Rows by dataset and provider of the run that consent.previous names.  Throws Error unless it is a finished run whose
// list is as it was written.  Not collective.
std::map<std::pair<std::string, std::string>, std::uint64_t> previous_rows(const JobFile& job);

// Collective.  Writes publish/providers.csv, which the root is to name, one line a dataset and provider, compares with
// that of the previous run if the job names one (consent.previous), and counts in the manifest.  Rows are those
// published; quality is of the rows that intake kept, in percent.  It says nothing of objections.
std::unique_ptr<UnnamedFile> report_coverage(const Communicator& comm, const JobFile& job, const Inputs& inputs,
                                             const RowStore& rows, DayNumber as_at, Manifest& manifest);

// The digest of what is there under that name, to be held against the manifest's; empty if nothing is.
std::string digest_of_providers(const std::filesystem::path& publish);

}  // namespace ligature
