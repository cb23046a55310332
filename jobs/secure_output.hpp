// Where a job may write what is not for publication: row ids, links, identifiers.
#pragma once

#include <filesystem>
#include <string>

namespace ligature {

// The absolute path of a file that an option names.  Throws UsageError if it names a folder or lies in no folder.
std::filesystem::path output_path(const std::filesystem::path& out, const std::string& option);

// Likewise, and throws UsageError if it lies anywhere under the publish folder.
std::filesystem::path secure_output_path(const std::filesystem::path& publish, const std::filesystem::path& out,
                                         const std::string& option);

}  // namespace ligature
