// Which files a job reads: globs expanded, every header checked before any work, payloads laid out.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "io/block_source.hpp"
#include "io/files.hpp"
#include "io/header.hpp"
#include "io/intake.hpp"

namespace ligature {

namespace {

constexpr std::size_t kMaxDatasets = 32;
constexpr std::size_t kMaxMistakesListed = 20;

std::uint32_t stored_bytes_of(ColumnType type) noexcept {
  switch (type) {
    case ColumnType::int8:
      return 1;
    case ColumnType::int16:
    case ColumnType::date:
      return 2;
    case ColumnType::int64:
    case ColumnType::float64:
      return 8;
    case ColumnType::int32:
    case ColumnType::float32:
    case ColumnType::category:
      break;
  }
  return 4;
}

// The datasets of a job file; to_dataset gets the index of each extract's.  The same on every rank without a message.
std::vector<DatasetSchema> lay_out_datasets(const JobFile& job, std::vector<std::uint32_t>& to_dataset) {
  std::vector<DatasetSchema> datasets;
  for (const Extract& extract : job.extracts) {
    auto known = std::find_if(datasets.begin(), datasets.end(),
                              [&](const DatasetSchema& dataset) { return dataset.name == extract.dataset; });
    if (known == datasets.end()) {
      datasets.push_back({extract.dataset, {}, 0, true});
      known = datasets.end() - 1;
    }
    to_dataset.push_back(static_cast<std::uint32_t>(known - datasets.begin()));
  }
  for (std::size_t d = 0; d < datasets.size(); ++d) {
    DatasetSchema& dataset = datasets[d];
    bool event_date = false, provider = false;
    const Extract* first = nullptr;
    for (std::size_t e = 0; e < job.extracts.size(); ++e) {
      if (to_dataset[e] != d) continue;
      const Extract& extract = job.extracts[e];
      if (first == nullptr) first = &extract;
      event_date = event_date || extract.columns.event_date.has_value();
      provider = provider || extract.columns.provider.has_value();
      dataset.has_row_id = dataset.has_row_id && extract.columns.row_id.has_value();
    }
    const auto add = [&](const std::string& name, PayloadField::Role role, ColumnType type) {
      dataset.fields.push_back({name, role, type, dataset.payload_bytes, stored_bytes_of(type)});
      dataset.payload_bytes += stored_bytes_of(type);
    };
    if (event_date) add("event_date", PayloadField::Role::event_date, ColumnType::date);
    if (provider) add("provider", PayloadField::Role::provider, ColumnType::category);
    for (const KeptColumn& kept : first->keep) add(kept.column, PayloadField::Role::kept, kept.type);
  }
  return datasets;
}

std::int64_t written_at(const struct stat& status) noexcept {
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
  return std::int64_t{status.st_mtim.tv_sec} * kNanoseconds + status.st_mtim.tv_nsec;
}

// Looks at one file: its size, compression and header.  Returns what is wrong with it.
std::vector<std::string> examine(InputFile& file, const Extract& extract, const DatasetSchema& schema,
                                 std::uint64_t max_record_bytes) {
  std::vector<std::string> problems;
  try {
    struct stat status {};
    if (::stat(file.path.c_str(), &status) != 0) return {std::string("cannot read: ") + std::strerror(errno)};
    if (!S_ISREG(status.st_mode)) return {"not a regular file"};
    file.bytes = static_cast<std::uint64_t>(status.st_size);
    file.written_at = written_at(status);
    if (file.bytes == 0) return {"the file is empty: no header"};
    std::array<std::byte, 4> first{};
    const std::size_t got = File::open_read(file.path).read_at(0, first);
    file.compression = compression_of(file.path, std::span(first).first(got));
    const Header header = read_header(file.path, file.compression, extract.delimiter, max_record_bytes);
    lay_out_columns(header, extract, schema, problems);
  } catch (const Error& error) {
    problems.emplace_back(error.what());
  }
  return problems;
}

// "path: problem", unless the problem names the file already.
std::string mistake(const std::string& path, const std::string& problem) {
  return problem.find(path) != std::string::npos ? problem : path + ": " + problem;
}

std::string listed(const std::vector<std::string>& mistakes) {
  std::string text;
  for (std::size_t i = 0; i < std::min(mistakes.size(), kMaxMistakesListed); ++i) {
    text += (i == 0 ? "" : "\n") + mistakes[i];
  }
  if (mistakes.size() > kMaxMistakesListed) text += fmt::format("\nand {} more", mistakes.size() - kMaxMistakesListed);
  return text;
}

// Rank 0: the files of a job, or what is wrong with them.
std::vector<InputFile> look_at_files(const JobFile& job, const std::vector<DatasetSchema>& datasets,
                                     const std::vector<std::uint32_t>& to_dataset, std::vector<std::string>& mistakes) {
  std::vector<InputFile> files;
  std::set<std::pair<std::uint32_t, std::string>> named;
  for (std::uint32_t e = 0; e < job.extracts.size(); ++e) {
    for (const std::string& pattern : job.extracts[e].files) {
      const std::vector<std::string> paths = expand_glob(pattern);
      if (paths.empty()) mistakes.push_back(pattern + ": no such file");
      for (const std::string& path : paths) {
        if (named.emplace(to_dataset[e], path).second) {
          files.push_back({path, e, to_dataset[e], Compression::none, 0});
        } else {
          mistakes.push_back(
              fmt::format("{}: named twice for dataset {}; its rows would count twice", path, job.extracts[e].dataset));
        }
      }
    }
  }
  std::vector<std::vector<std::string>> problems(files.size());
  for_each_item(files.size(), [&](std::size_t i) {
    InputFile& file = files[i];
    problems[i] = examine(file, job.extracts[file.extract], datasets[file.dataset], job.max_record_bytes);
  });
  for (std::size_t i = 0; i < files.size(); ++i) {
    for (const std::string& problem : problems[i]) mistakes.push_back(mistake(files[i].path, problem));
  }
  return files;
}

// The files as bytes for the other ranks: fixed part, then the path.
struct PackedFile {
  std::uint64_t bytes = 0;
  std::int64_t written_at = 0;
  std::uint32_t extract = 0, dataset = 0, path_bytes = 0, compression = 0;
};

std::vector<std::byte> pack_files(const std::vector<InputFile>& files) {
  std::vector<std::byte> packed;
  for (const InputFile& file : files) {
    const PackedFile fixed{file.bytes,
                           file.written_at,
                           file.extract,
                           file.dataset,
                           static_cast<std::uint32_t>(file.path.size()),
                           static_cast<std::uint32_t>(file.compression)};
    const auto head = std::as_bytes(std::span(&fixed, 1)), path = std::as_bytes(std::span(file.path));
    packed.insert(packed.end(), head.begin(), head.end());
    packed.insert(packed.end(), path.begin(), path.end());
  }
  return packed;
}

std::vector<InputFile> unpack_files(const std::vector<std::byte>& packed) {
  std::vector<InputFile> files;
  for (std::size_t at = 0; at < packed.size();) {
    PackedFile fixed;
    std::memcpy(&fixed, packed.data() + at, sizeof fixed);
    at += sizeof fixed;
    std::string path(fixed.path_bytes, '\0');
    std::memcpy(path.data(), packed.data() + at, path.size());
    at += path.size();
    files.push_back({std::move(path), fixed.extract, fixed.dataset, static_cast<Compression>(fixed.compression),
                     fixed.bytes, fixed.written_at});
  }
  return files;
}

}  // namespace

Inputs find_inputs(const Communicator& comm, const JobFile& job) {
  Inputs inputs;
  std::vector<std::uint32_t> to_dataset;
  inputs.datasets = lay_out_datasets(job, to_dataset);
  std::string text;
  std::vector<std::byte> packed;
  if (comm.is_root()) {
    std::vector<std::string> mistakes;
    if (inputs.datasets.size() > kMaxDatasets) {
      mistakes.push_back(fmt::format("{} datasets; at most {} are possible", inputs.datasets.size(), kMaxDatasets));
    }
    packed = pack_files(look_at_files(job, inputs.datasets, to_dataset, mistakes));
    text = listed(mistakes);
  }
  comm.broadcast(text);
  if (!text.empty()) throw UsageError(text);
  comm.broadcast(packed);
  inputs.files = unpack_files(packed);
  return inputs;
}

void check_unchanged(const InputFile& file) {
  struct stat status {};
  if (::stat(file.path.c_str(), &status) != 0) {
    throw Error(file.path + ": it cannot be found any more after it was read: " + std::strerror(errno));
  }
  if (static_cast<std::uint64_t>(status.st_size) != file.bytes || written_at(status) != file.written_at) {
    throw Error(file.path + ": it was changed while the job was reading it; run it again once nobody writes to it");
  }
}

}  // namespace ligature
