#include "io/finished_run.hpp"

#include <array>
#include <string>
#include <system_error>

#include "engine/error.hpp"
#include "io/dataset.hpp"
#include "io/job_file.hpp"

namespace ligature {

namespace {

bool is_file(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

bool same_folder(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::error_code ignored;
  return std::filesystem::equivalent(a, b, ignored) && !ignored;
}

// The folder that lies, seen from `here`, as `to` lay seen from `from`: a run may be moved as a whole.
std::filesystem::path moved(const std::filesystem::path& here, const std::string& from, const std::string& to) {
  return (here / std::filesystem::path(to).lexically_relative(from)).lexically_normal();
}

// Of a file that is taken to be a job file, since it is none of a run's that RUN may be.
std::filesystem::path publish_folder_of_job(const std::filesystem::path& file) {
  try {
    return load_job_file(file).publish;
  } catch (const UsageError& error) {
    throw UsageError(std::string(error.what()) + "\n" + file.string() +
                     " was read as a job file; of the files of a run, " + std::string(kDatasetFile) + " and " +
                     std::string(kManifestFile) + " will do");
  }
}

}  // namespace

std::filesystem::path secure_folder(const Manifest& manifest, const std::filesystem::path& publish) {
  if (same_folder(publish, manifest.publish)) return manifest.secure;
  return moved(std::filesystem::absolute(publish), manifest.publish, manifest.secure);
}

std::filesystem::path own_secure_folder(const Manifest& manifest, const std::filesystem::path& publish) {
  std::filesystem::path secure = secure_folder(manifest, publish);
  const Manifest made_last = read_manifest(secure);
  if (made_last.run_id != manifest.run_id || made_last.content_digest != manifest.content_digest) {
    throw Error(secure.string() + " holds another run than was published to " + publish.string() +
                ": it was made there since.  Give that one, or make this one anew");
  }
  return secure;
}

std::filesystem::path find_run(const std::filesystem::path& argument) {
  std::error_code ignored;
  if (is_file(argument) && argument.filename() != kManifestFile && argument.filename() != kDatasetFile) {
    const std::filesystem::path publish = publish_folder_of_job(argument);
    if (is_file(publish / kManifestFile)) return publish;
    throw UsageError("no finished run of the job " + argument.string() + ": there is no " +
                     (publish / kManifestFile).string());
  }
  if (!std::filesystem::exists(argument, ignored)) {
    throw UsageError("no run at " + argument.string() + ": there is no such file or folder");
  }
  const std::filesystem::path here = std::filesystem::absolute(argument);
  const std::filesystem::path folder = is_file(argument) ? here.parent_path() : here;
  const std::filesystem::path nested = folder / "publish";
  if (is_file(folder / kManifestFile)) {
    const Manifest manifest = read_manifest(folder);
    // Both folders hold the manifest; only the published one holds the dataset.
    if (same_folder(folder, manifest.publish) || is_file(folder / kDatasetFile)) return folder;
    const std::filesystem::path there = manifest.publish, beside = moved(folder, manifest.secure, manifest.publish);
    for (const auto& publish :
         same_folder(folder, manifest.secure) ? std::array{there, beside} : std::array{beside, there}) {
      if (is_file(publish / kManifestFile)) return publish;
    }
    throw UsageError("the run of " + folder.string() + " published to " + manifest.publish +
                     ", where there is no manifest.json");
  }
  if (is_file(nested / kManifestFile)) return nested;
  throw UsageError("no finished run at " + argument.string() +
                   ": looked for manifest.json there and in its folder publish; give the publish or secure folder of "
                   "a run, the folder that holds publish, or the job file");
}

}  // namespace ligature
