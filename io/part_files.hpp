// Folders of numbered parts, one a rank: part-00000, part-00001, ...  Written under a temporary name, named together.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

#include "partition/communicator.hpp"

namespace ligature {

std::filesystem::path part_path(const std::filesystem::path& folder, std::uint64_t part);
std::filesystem::path partial_part_path(const std::filesystem::path& folder, std::uint64_t part);

// Collective.  Gives every rank's partial part its name, once all ranks have written theirs, and removes the parts that
// an earlier run with more ranks left behind.
void name_parts(const Communicator& comm, const std::filesystem::path& folder);

// Collective.  Runs step on every rank; if it throws on any, every rank throws the Error of the lowest such rank, with
// the highest exit code of all.
void agreed_step(const Communicator& comm, const std::function<void()>& step);

}  // namespace ligature
