// The content digest of a published dataset, computed anew from its file and held against the one it carries.
#include <cstdio>
#include <string>

#include "engine/error.hpp"
#include "io/content_digest.hpp"
#include "io/dataset_reader.hpp"
#include "io/finished_run.hpp"
#include "io/manifest.hpp"
#include "jobs/jobs.hpp"

namespace ligature {

int digest_run(const Communicator& comm, const std::filesystem::path& run) {
  const DatasetReader dataset(find_run(run) / kDatasetFile);
  const std::string computed = hex(recompute_content_digest(comm, dataset));
  const std::string carried = dataset.attribute("content_digest");
  if (computed != carried) {
    throw Error("the content of " + dataset.path().string() + " has the digest " + computed +
                ", but the file says content_digest = " + (carried.empty() ? std::string("nothing") : carried) +
                ": it was changed after it was published");
  }
  if (comm.is_root()) {
    std::printf("%s\n", computed.c_str());
    std::fflush(stdout);
  }
  return kExitDone;
}

}  // namespace ligature
