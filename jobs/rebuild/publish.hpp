// Publication: the layout of the dataset, its columns filled by all ranks, its provenance, and its name at the very
// end.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/dataset.hpp"
#include "io/job_file.hpp"
#include "io/manifest.hpp"
#include "io/manifest_screens.hpp"
#include "io/row_store.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/persons.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// A dataset whose columns are written and digested, but which has no name yet.
struct PublishedContent {
  std::unique_ptr<DatasetWriter> writer;
  Digest content;
  std::vector<std::string> providers;  // the different provider codes of all datasets, sorted
  ScreenReport screens;
};

// Collective.  Lays out publish/dataset.h5, writes /persons, /events and /dictionaries, and digests them.
// Also writes the list screens.csv.  Takes persons.of_local.
PublishedContent write_content(const Communicator& comm, const JobFile& job, const Inputs& inputs,
                               const IntakeReport& intake, RowStore& rows, const Identities& identities,
                               Persons& persons, std::uint64_t memory,
                               const std::function<void(std::uint64_t)>& progress);

// Collective.  Adds the provenance that the manifest holds; the dataset is on the disk then, and lacks but its name.
void finish_dataset(const Communicator& comm, DatasetWriter& writer, const Manifest& manifest);

}  // namespace ligature
