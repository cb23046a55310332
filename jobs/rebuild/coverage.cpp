#include "jobs/rebuild/coverage.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "io/csv_field.hpp"
#include "io/files.hpp"
#include "io/finished_run.hpp"
#include "io/reference_file.hpp"
#include "jobs/rebuild/secure_files.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::string_view kHeader =
    "dataset,provider,registered,supplier,status,rows,previous_rows,latest_extract,nhs_number_valid,nhs_number_invalid,"
    "nhs_number_missing,date_of_birth_missing,date_of_birth_default,postcode_missing,postcode_default,gender_missing\n";

// A provider's rows in one dataset, on their way to the root; the name follows.
struct ProviderItem {
  std::uint64_t dataset = 0;
  std::uint64_t rows = 0;  // published
  ProviderCounts counts;
  std::uint64_t name_bytes = 0;
};

struct ProviderRows {
  std::uint64_t rows = 0;
  ProviderCounts counts;
};

using Key = std::pair<std::string, std::string>;  // dataset, provider
using ProviderTable = std::map<Key, ProviderRows>;

// Collective.  On the root: all ranks' providers together.
ProviderTable gather_providers(const Communicator& comm, const Inputs& inputs, const RowStore& rows) {
  std::vector<std::byte> bytes;
  for (std::size_t d = 0; d < inputs.datasets.size(); ++d) {
    const std::vector<ProviderCounts>& counts = rows.providers()[d];
    const std::vector<PayloadField>& fields = inputs.datasets[d].fields;
    const auto field = std::find_if(fields.begin(), fields.end(),
                                    [](const PayloadField& f) { return f.role == PayloadField::Role::provider; });
    if (field == fields.end()) continue;
    const LocalDictionary& names = rows.dictionaries()[d][static_cast<std::size_t>(field - fields.begin())];
    for (std::uint32_t code = 0; code < counts.size(); ++code) {
      const std::string& name = names.values()[code];
      const std::uint64_t published = names.rows(code);
      if (published == 0) continue;
      const ProviderItem item{d, published, counts[code], name.size()};
      const std::size_t at = bytes.size();
      bytes.resize(at + sizeof item + name.size());
      std::memcpy(bytes.data() + at, &item, sizeof item);
      std::memcpy(bytes.data() + at + sizeof item, name.data(), name.size());
    }
  }
  std::vector<std::uint64_t> send_first(static_cast<std::size_t>(comm.size()) + 1, bytes.size());  // all to the root
  send_first.front() = 0;
  std::vector<std::byte> all;
  exchange_into(comm, bytes, send_first, [&](std::size_t size) {
    all.resize(size);
    return all.data();
  });
  ProviderTable table;
  for (std::size_t at = 0; at < all.size();) {
    ProviderItem item;
    std::memcpy(&item, all.data() + at, sizeof item);
    at += sizeof item;
    const std::string name(reinterpret_cast<const char*>(all.data() + at), item.name_bytes);
    at += item.name_bytes;
    ProviderRows& provider = table[{inputs.datasets[item.dataset].name, name}];
    provider.rows += item.rows;
    provider.counts += item.counts;
  }
  return table;
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? "" : fmt::format("{:.2f}", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string line_of(const Key& key, bool has_register, const RegisteredPractice* practice, ProviderStatus status,
                    const ProviderRows& provider, std::optional<std::uint64_t> before) {
  const ProviderCounts& counts = provider.counts;
  const bool dated = counts.latest > 0 && counts.latest < std::numeric_limits<DayNumber>::max();
  std::string line = csv_field(key.first) + ',' + csv_field(key.second) + ',';
  line += !has_register ? "" : practice != nullptr ? "yes" : "no";
  line += ',' + (practice == nullptr ? std::string() : csv_field(practice->supplier)) + ',';
  line += provider_status_name(status);
  line += fmt::format(",{},{},{}", provider.rows, before ? std::to_string(*before) : "",
                      dated ? iso_date(static_cast<DayNumber>(counts.latest)) : "");
  for (const std::uint64_t part :
       {counts.nhs_valid, counts.nhs_invalid, counts.nhs_missing, counts.birth_missing, counts.birth_default,
        counts.postcode_missing, counts.postcode_default, counts.gender_missing}) {
    line += ',' + percent(part, counts.rows);
  }
  return line + '\n';
}

}  // namespace

std::string digest_of_providers(const std::filesystem::path& publish) {
  constexpr std::size_t kMostBytes = std::size_t{1} << 30;
  if (!std::filesystem::exists(publish / kProvidersFile)) return {};
  const std::string text = read_small_file(publish / kProvidersFile, kMostBytes);
  return hex(digest(std::as_bytes(std::span(text))));
}

std::map<Key, std::uint64_t> previous_rows(const JobFile& job) {
  const std::filesystem::path publish = find_run(*job.consent.previous);
  const std::filesystem::path path = publish / kProvidersFile;
  if (digest_of_providers(publish) != read_manifest(publish).providers_digest) {
    throw UsageError(path.string() + " is not what that run wrote");
  }
  std::map<Key, std::uint64_t> rows;
  const auto wrong = [&](std::uint64_t line) {
    throw UsageError(fmt::format("{}:{}: not a line of a finished run", path.string(), line));
  };
  const auto take = [&](Fields fields, std::uint64_t line) {
    std::uint64_t count = 0;
    const auto [end, error] = std::from_chars(fields[2].data(), fields[2].data() + fields[2].size(), count);
    if (error != std::errc() || end != fields[2].data() + fields[2].size()) wrong(line);
    if (!fields[0].empty()) rows[{std::string(fields[0]), std::string(fields[1])}] = count;
  };
  read_reference_file(path.string(), job.max_record_bytes, columns_named({"dataset", "provider", "rows"}),
                      {take, wrong});
  return rows;
}

std::string_view provider_status_name(ProviderStatus status) noexcept {
  switch (status) {
    case ProviderStatus::sent:
      return "sent";
    case ProviderStatus::partial:
      return "partial";
    case ProviderStatus::late:
      return "late";
    case ProviderStatus::silent:
      break;
  }
  return "silent";
}

ProviderStatus judge_provider(std::uint64_t rows, std::optional<std::uint64_t> before, DayNumber latest,
                              DayNumber as_at, double partial_below, std::int64_t late_after) noexcept {
  if (rows == 0) return ProviderStatus::silent;
  if (latest != kMissingDay && std::int64_t{as_at} - latest > late_after) return ProviderStatus::late;
  const bool less = before && static_cast<double>(rows) < partial_below * static_cast<double>(*before);
  return less ? ProviderStatus::partial : ProviderStatus::sent;
}

std::unique_ptr<UnnamedFile> report_coverage(const Communicator& comm, const JobFile& job, const Inputs& inputs,
                                             const RowStore& rows, DayNumber as_at, Manifest& manifest) {
  ReferenceCounts ignored;
  const std::vector<RegisteredPractice> practices = load_practices(comm, job, ignored);
  const ProviderTable table = gather_providers(comm, inputs, rows);
  std::unique_ptr<UnnamedFile> list;
  std::optional<std::string> problem;
  int exit_code = kExitFailed;
  if (comm.is_root()) {
    try {
      std::map<Key, std::uint64_t> before;
      if (job.consent.previous) before = previous_rows(job);
      std::set<std::string> seen, late, partial, unregistered;
      std::string text(kHeader);
      const auto add = [&](const Key& key, const ProviderRows& provider) {
        const auto practice =
            std::lower_bound(practices.begin(), practices.end(), key.second,
                             [](const RegisteredPractice& p, const std::string& code) { return p.code < code; });
        const bool registered = practice != practices.end() && practice->code == key.second;
        const auto known = before.find(key);
        const std::optional<std::uint64_t> rows_before =
            known == before.end() ? std::nullopt : std::optional(known->second);
        const ProviderStatus status =
            judge_provider(provider.rows, rows_before, static_cast<DayNumber>(provider.counts.latest), as_at,
                           job.partial_below, job.late_after);
        if (status == ProviderStatus::late) late.insert(key.second);
        if (status == ProviderStatus::partial) partial.insert(key.second);
        if (provider.rows > 0) seen.insert(key.second);
        if (provider.rows > 0 && !registered) unregistered.insert(key.second);
        text +=
            line_of(key, job.practices.has_value(), registered ? &*practice : nullptr, status, provider, rows_before);
      };
      for (const auto& [key, provider] : table) add(key, provider);
      for (const auto& [key, count] : before) {
        if (count > 0 && !table.contains(key)) add(key, {});
      }
      for (const RegisteredPractice& practice : practices) {
        if (seen.contains(practice.code)) continue;
        ++manifest.practices_silent;
        text += line_of({"", practice.code}, true, &practice, ProviderStatus::silent, {}, std::nullopt);
      }
      manifest.practices_registered = practices.size();
      manifest.providers_unregistered = job.practices ? unregistered.size() : 0;
      manifest.providers_late = late.size();
      manifest.providers_partial = partial.size();
      manifest.providers_digest = hex(digest(std::as_bytes(std::span(text))));
      list = std::make_unique<UnnamedFile>(job.publish / kProvidersFile, text, 0644);
    } catch (const Error& error) {
      problem = error.what();
      exit_code = error.exit_code();
    }
  }
  comm.agree(problem, exit_code);
  return list;
}

}  // namespace ligature
