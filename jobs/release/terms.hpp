// The terms of a release: its agreement, whether it may be acted upon, and the key that names are made under.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "engine/date.hpp"
#include "engine/secret_bytes.hpp"
#include "io/agreement.hpp"
#include "io/job_file.hpp"
#include "jobs/release/source.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// Who is released from, to whom, under which key; the same on every rank.
struct Terms {
  Agreement agreement;
  ReleasedAreas areas;
  SecretBytes key;
  std::string key_id;
  std::string agreement_sha256;
  std::string terms_sha256;       // of what the agreement lets out: see terms_digest()
  DayNumber today = kMissingDay;  // by rank 0's clock
  std::uint64_t number = 0;
};

// Names what decides what goes out of a run: all of the agreement but its dates, purpose and format of files, and its
// id and recipient, which the log holds to each other.  Not collective; reads the lookup of areas.
std::string terms_digest(const Agreement& agreement, const std::string& key_id);

// Collective.  Reads the agreement and settles whether it may be acted upon; what is refused (exit code 2) is
// entered in the audit log, if the agreement could be read at all.
Terms settle_terms(const Communicator& comm, const JobFile& job, const ReleaseSource& source,
                   const std::filesystem::path& path);

}  // namespace ligature
