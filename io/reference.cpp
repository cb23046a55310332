// The reference files of a job: superseded NHS numbers and the practice register.  Rank 0 reads them; all ranks get the
// readable rows.
#include <algorithm>
#include <functional>
#include <utility>

#include "engine/error.hpp"
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

std::vector<std::string> load_practices(const Communicator& comm, const JobFile& job, ReferenceCounts& counts) {
  counts = ReferenceCounts();
  std::string codes;  // back to back, each ended by a line end, which no code holds
  const auto choose = [](const Header& header, std::vector<std::string>&) {
    for (const char* name : {"practice_code", "provider", "code"}) {
      const auto found = std::find(header.names.begin(), header.names.end(), name);
      if (found != header.names.end()) return std::vector{static_cast<std::uint32_t>(found - header.names.begin())};
    }
    return std::vector<std::uint32_t>{0};
  };
  const auto take = [&](Fields values, std::uint64_t) {
    ++counts.rows;
    std::string_view code = values[0];
    while (!code.empty() && code.front() == ' ') code.remove_prefix(1);
    while (!code.empty() && code.back() == ' ') code.remove_suffix(1);
    if (code.empty() || code.find('\n') != std::string_view::npos) {
      ++counts.malformed;
    } else {
      codes.append(code).push_back('\n');
    }
  };
  if (job.practices) {
    read_on_root(comm, {job.practices->string()}, [&](const std::string& path) {
      read_reference_file(path, job.max_record_bytes, choose, {take, count_broken(counts)});
    });
  }
  comm.broadcast(codes);
  comm.broadcast_value(counts);
  std::vector<std::string> list;
  for (std::size_t at = 0, end = 0; at < codes.size(); at = end + 1) {
    end = codes.find('\n', at);
    list.push_back(codes.substr(at, end - at));
  }
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

}  // namespace ligature
