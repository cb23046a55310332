// Parts of a distributed file: named only when all are complete, so that a crash leaves the parts of one run alone.
#include "io/part_files.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>

#include "engine/error.hpp"
#include "io/files.hpp"

namespace ligature {

namespace {

constexpr std::string_view kPrefix = "part-";

// The number of a part by its file name, complete or partial; nullopt for other names.
std::optional<std::uint64_t> part_number(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view rest(end, static_cast<std::size_t>(name.data() + name.size() - end));
  return rest.empty() || rest == ".partial" ? std::optional(number) : std::nullopt;
}

}  // namespace

std::filesystem::path part_path(const std::filesystem::path& folder, std::uint64_t part) {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "part-%05llu", static_cast<unsigned long long>(part));
  return folder / name.data();
}

std::filesystem::path partial_part_path(const std::filesystem::path& folder, std::uint64_t part) {
  return part_path(folder, part).string() + ".partial";
}

void agreed_step(const Communicator& comm, const std::function<void()>& step) {
  std::optional<std::string> problem;
  std::uint64_t exit_code = kExitDone;
  try {
    step();
  } catch (const Error& error) {
    problem = error.what();
    exit_code = static_cast<std::uint64_t>(error.exit_code());
  } catch (const std::exception& error) {
    problem = error.what();
    exit_code = kExitFailed;
  }
  exit_code = comm.max(exit_code);
  if (exit_code != kExitDone) comm.agree(problem, static_cast<int>(exit_code));
}

void name_parts(const Communicator& comm, const std::filesystem::path& folder) {
  const auto rank = static_cast<std::uint64_t>(comm.rank());
  const auto ranks = static_cast<std::uint64_t>(comm.size());
  agreed_step(comm, [&] { rename_durably(partial_part_path(folder, rank), part_path(folder, rank)); });
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::optional<std::uint64_t> number = part_number(entry.path().filename().string());
      if (number && (*number >= ranks || entry.path() != part_path(folder, *number))) {
        std::filesystem::remove(entry.path());
      }
    }
  });
}

}  // namespace ligature
