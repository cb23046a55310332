// The terms of a release: its agreement, whether it may be acted upon, and the key that names are made under.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

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
  std::uint64_t number = 0;
};

// Collective.  Reads the agreement and settles whether it may be acted upon; what is refused is entered in the audit
// log.
Terms settle_terms(const Communicator& comm, const JobFile& job, const ReleaseSource& source,
                   const std::filesystem::path& path);

}  // namespace ligature
