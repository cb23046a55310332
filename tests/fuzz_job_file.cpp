// Any bytes as a job file and as --set overrides: read or refused with UsageError, and what is read is within bounds.
//
// Input: the job file's text, then overrides, parted by NUL bytes.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.hpp"
#include "io/job_file.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(data, data + size);
  const std::size_t text_end = std::min(input.find('\0'), input.size());
  std::vector<std::string> overrides;
  for (std::size_t begin = text_end; begin < input.size();) {
    const std::size_t end = std::min(input.find('\0', begin + 1), input.size());
    overrides.push_back(input.substr(begin + 1, end - begin - 1));
    begin = end;
  }
  try {
    const ligature::JobFile job =
        ligature::parse_job_file(std::string_view(input).substr(0, text_end), "/nowhere/job.toml", overrides);
    require(!job.name.empty() && job.secure != job.publish);
    require(job.secure.is_absolute() && job.publish.is_absolute() && job.key.is_absolute());
    require(!job.extracts.empty());
    require(job.threads >= 0 && job.max_quarantined_share >= 0 && job.max_quarantined_share <= 1);
    for (const ligature::Extract& extract : job.extracts) {
      require(!extract.dataset.empty() && !extract.files.empty());
      require(std::string_view(",;|\t").find(extract.delimiter) != std::string_view::npos);
      const ligature::ExtractColumns& columns = extract.columns;
      require(columns.nhs_number || columns.date_of_birth || columns.postcode || columns.gender);
      for (const ligature::KeptColumn& kept : extract.keep) {
        require(kept.column != columns.nhs_number && kept.column != columns.date_of_birth &&
                kept.column != columns.postcode && kept.column != columns.gender && kept.column != "person");
      }
    }
  } catch (const ligature::UsageError&) {
    // Refused: the expected end of nearly every input.
  }
  return 0;
}
