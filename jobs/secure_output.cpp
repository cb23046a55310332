#include "jobs/secure_output.hpp"

#include "engine/error.hpp"

namespace ligature {

namespace {

// The folder's real path, with links resolved and a slash at its end: one lies in another if it begins with it.
std::string real_folder(const std::filesystem::path& folder) {
  return std::filesystem::weakly_canonical(std::filesystem::absolute(folder)).string() + "/";
}

}  // namespace

std::filesystem::path output_path(const std::filesystem::path& out, const std::string& option) {
  const std::filesystem::path target = std::filesystem::absolute(out);
  std::error_code ignored;
  if (target.filename().empty() || std::filesystem::is_directory(target, ignored)) {
    throw UsageError(option + " names a folder; give the file to write: " + out.string());
  }
  if (!std::filesystem::is_directory(target.parent_path(), ignored)) {
    throw UsageError(option + ": there is no folder " + target.parent_path().string());
  }
  return target;
}

std::filesystem::path secure_output_path(const std::filesystem::path& publish, const std::filesystem::path& out,
                                         const std::string& option) {
  const std::filesystem::path target = output_path(out, option);
  // The folder decides: the file's own name, were it a link, is replaced by the rename.
  if (real_folder(target.parent_path()).starts_with(real_folder(publish))) {
    throw UsageError(option + " must not lie in the publish folder: " + out.string());
  }
  return target;
}

}  // namespace ligature
