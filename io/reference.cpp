// The reference files of a job: superseded NHS numbers and the practice register.  Rank 0 reads them; all ranks get the
// readable rows.
#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

#include "engine/error.hpp"
#include "engine/field_text.hpp"
#include "io/intake.hpp"
#include "io/reference_file.hpp"

namespace ligature {

namespace {

// Counts a row that is no row of the table.
std::function<void(std::uint64_t)> count_broken(ReferenceCounts& counts) {
  return [&counts](std::uint64_t) {
    ++counts.rows;
    ++counts.malformed;
  };
}

struct Replaced {
  std::uint64_t old_number = 0, new_number = 0;
};

}  // namespace

SupersessionTable load_superseded(const Communicator& comm, const JobFile& job, ReferenceCounts& counts) {
  counts = ReferenceCounts();
  std::vector<Replaced> replaced;
  const auto take = [&](Fields values, std::uint64_t) {
    ++counts.rows;
    const NhsNumber old_number = standardise_nhs_number(values[0]), new_number = standardise_nhs_number(values[1]);
    const bool valid = old_number.status == NhsStatus::valid && new_number.status == NhsStatus::valid;
    if (valid && old_number.value != new_number.value) {
      replaced.push_back({old_number.value, new_number.value});
    } else {
      ++counts.malformed;
    }
  };
  if (job.superseded) {
    read_on_root(comm, {job.superseded->string()}, [&](const std::string& path) {
      read_reference_file(path, job.max_record_bytes, columns_named({"old_nhs_number", "new_nhs_number"}),
                          {take, count_broken(counts)});
    });
  }
  share_items(comm, replaced);
  comm.broadcast_value(counts);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> pairs;
  pairs.reserve(replaced.size());
  for (const Replaced& entry : replaced) pairs.emplace_back(entry.old_number, entry.new_number);
  try {
    return SupersessionTable(std::move(pairs));
  } catch (const UsageError& error) {
    throw UsageError(job.superseded->string() + ": " + error.what());
  }
}

std::vector<RegisteredPractice> load_practices(const Communicator& comm, const JobFile& job, ReferenceCounts& counts) {
  counts = ReferenceCounts();
  std::string texts;  // code and supplier in turn, each ended by a NUL, which no field holds
  const auto choose = [](const Header& header, std::vector<std::string>&) {
    const auto find = [&](std::string_view name) {
      return static_cast<std::size_t>(std::find(header.names.begin(), header.names.end(), name) - header.names.begin());
    };
    std::vector<std::uint32_t> columns{0};
    for (const std::string_view name : {"code", "provider", "practice_code"}) {
      if (find(name) < header.names.size()) columns[0] = static_cast<std::uint32_t>(find(name));
    }
    if (find("supplier") < header.names.size()) columns.push_back(static_cast<std::uint32_t>(find("supplier")));
    return columns;
  };
  const auto take = [&](Fields values, std::uint64_t) {
    ++counts.rows;
    const std::string_view code = trimmed(values[0]);
    if (code.empty()) {
      ++counts.malformed;
      return;
    }
    texts.append(code).push_back('\0');
    texts.append(values.size() > 1 ? trimmed(values[1]) : std::string_view()).push_back('\0');
  };
  if (job.practices) {
    read_on_root(comm, {job.practices->string()}, [&](const std::string& path) {
      read_reference_file(path, job.max_record_bytes, choose, {take, count_broken(counts)});
    });
  }
  comm.broadcast(texts);
  comm.broadcast_value(counts);
  std::vector<RegisteredPractice> list;
  std::size_t at = 0;
  const auto next = [&] {
    const std::size_t end = texts.find('\0', at);
    std::string text = texts.substr(at, end - at);
    at = end + 1;
    return text;
  };
  while (at < texts.size()) {
    std::string code = next();
    list.push_back({std::move(code), next()});
  }
  std::stable_sort(list.begin(), list.end(),
                   [](const RegisteredPractice& a, const RegisteredPractice& b) { return a.code < b.code; });
  list.erase(std::unique(list.begin(), list.end(),
                         [](const RegisteredPractice& a, const RegisteredPractice& b) { return a.code == b.code; }),
             list.end());
  return list;
}

}  // namespace ligature
