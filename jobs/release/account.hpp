// The account of a release: what the audit log, the recipient, the file's attributes and the terminal are told of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "io/audit_log.hpp"
#include "io/dataset.hpp"
#include "jobs/release/extract.hpp"
#include "jobs/release/objections.hpp"
#include "jobs/release/selection.hpp"
#include "jobs/release/terms.hpp"

namespace ligature {

// True if areas are among what is released.
bool names_areas(const Agreement& agreement);

// What the log, the register and the recipient are told alike.
AuditFields describe(const ReleaseSource& source, const Terms& terms, const Objections& objections,
                     const SelectionCounts& counts);

// Without what tells one making of the release from another, so that they are the same bytes.
Attributes attributes_of(const AuditFields& fields);

// Digests of the files, as lines "sha256  name".
std::string digest_lines(std::vector<WrittenFile> files);

// The recipient's account of the release.
void write_account(const std::filesystem::path& folder, const AuditFields& fields, const std::string& digests,
                   const std::string& entry);

std::string summary(const Terms& terms, const SelectionCounts& counts, std::uint64_t rows,
                    const std::filesystem::path& folder, double seconds, const std::string& entry);

}  // namespace ligature
