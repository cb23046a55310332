// May this release be made, in view of all that were made before?  Asked of the audit log.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "engine/secret_bytes.hpp"
#include "io/agreement.hpp"
#include "io/manifest.hpp"
#include "jobs/release/terms.hpp"

namespace ligature {

// With or without those who object: what the legal basis says.
std::string_view objections_basis(const Agreement& agreement) noexcept;

// Returns the number of this release under the agreement, from 1.  Not collective.  run: what is released from.  Throws
// UsageError
//   if the key is the key of a dataset or of another agreement: their files could be joined;
//   if the agreement's id was another recipient's, or was released under with other terms;
//   if the recipient has had data on another basis, with objections applied or without: whoever has both can tell who
//   objected.
// Throws Error if today is before the run was started or a day that the log knows: expiry and objections are judged by
// the day, and a clock that is behind would lift them.  Throws Error if the log's chain is broken, or it does not have
// the making of the run or a release of its runs that is still in release_folder or secure: nothing is released that it
// could not account for.
std::uint64_t admit_release(const std::filesystem::path& secure, const Terms& terms, const Manifest& run,
                            const std::optional<std::filesystem::path>& release_folder);

// The key that names are made under.  Where objections are not applied it is one that is derived from the agreement's,
// so that files with and without those who object have no name in common, whatever run they are of and whether or not
// its log knows of the other.
SecretBytes naming_key(const Agreement& agreement, SecretBytes key);

}  // namespace ligature
