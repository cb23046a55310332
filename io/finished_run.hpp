// Where a finished run lies: the folders that a RUN argument of the command line means, by way of the manifest.
#pragma once

#include <filesystem>

#include "io/manifest.hpp"

namespace ligature {

// The secure folder of a run that was found in a publish folder: where the manifest says, or, if the run was moved as a
// whole, where it lies from there.
std::filesystem::path secure_folder(const Manifest& manifest, const std::filesystem::path& publish);

// The same of a run whose secure files are to be used.  Throws Error unless the folder is still that run's: a job that
// publishes elsewhere may have made another in it since.
std::filesystem::path own_secure_folder(const Manifest& manifest, const std::filesystem::path& publish);

// Finds the run that a RUN argument means: a publish or secure folder, a folder that holds publish/, or a job file.
// Throws UsageError that says what was looked for.
std::filesystem::path find_run(const std::filesystem::path& argument);  // returns the publish folder

}  // namespace ligature
