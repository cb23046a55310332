// Which persons of a finished run object, as a ledger has it now: what a release leaves out.
//
// The rebuild applies type 1 objections; type 2 and national ones bind what goes out, as they stand when it goes out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "engine/consent.hpp"
#include "engine/supersession.hpp"
#include "io/dataset_reader.hpp"
#include "partition/communicator.hpp"

namespace ligature {

struct Objectors {
  // Rows of /persons with a standing objection, ascending: those in this rank's share (share_of) of all persons.
  std::vector<std::uint64_t> rows;
  // Over all ranks.
  std::uint64_t persons = 0;
  std::uint64_t numbers = 0;          // NHS numbers with a standing objection that the run knows
  std::uint64_t default_numbers = 0;  // of them, those that a system writes for many people: nobody's, they bind nobody
};

// Collective.  A number binds the person who owns it; where several persons carry it and none owns it, all of them; and
// those who carry it though another owns it, if no other number is known of them (IdType::contested).  So does a number
// that the person's other records carry.  secure: the run's secure folder, read for its claims to
// numbers.  run: the manifest's identity_records_digest.  superseded: the numbers that were replaced, as the ledger was
// read with; claims are as they were when the run was made, so that they are mapped too, though whose a number is stays
// as the run found it.  kinds: which objections count.  on: the day they must stand on; kMissingDay: the end of the
// ledger.
// Cost: one reading of claims, shared by the ranks; what travels is 16 bytes a claim to a number that objects.  Throws
// Error if secure folder and manifest are not of one run.
Objectors find_objectors(const Communicator& comm, const std::filesystem::path& secure, std::string_view run,
                         const DatasetReader& dataset, const ObjectionLedger& ledger,
                         const SupersessionTable& superseded, ObjectionKinds kinds, DayNumber on);

}  // namespace ligature
