// Any bytes as an agreement: read or refused with UsageError, and what is read names nothing that is not there.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/error.hpp"
#include "io/agreement.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

const ligature::Releasable& releasable() {
  static const ligature::Releasable all = [] {
    ligature::Releasable made;
    made.today = 43'600;
    made.area = true;
    made.customers = {{"A", "researcher", "p"}, {"B", "company", "q"}};
    made.datasets = {{"gp", {{"event_date", false, true}, {"code", true, false}, {"amount", false, false}}}};
    return made;
  }();
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const ligature::Agreement agreement = ligature::parse_agreement(text, "/nowhere/a.toml", releasable());
    require(!agreement.id.empty() && agreement.id.find('/') == std::string::npos && agreement.id.front() != '.');
    require(agreement.recipient == "A" || agreement.recipient == "B");
    require(agreement.start <= releasable().today && releasable().today <= agreement.expiry);
    require(agreement.legal_basis != nullptr);
    const bool aggregate = agreement.form == ligature::ReleaseForm::aggregate;
    require(aggregate == agreement.key.empty() && aggregate == !agreement.tables.empty());
    require((agreement.form == ligature::ReleaseForm::extract) == (agreement.k >= 2));
    require(agreement.identifiers.empty() || agreement.legal_basis->identifiable);
    for (const ligature::ReleasedDataset& dataset : agreement.datasets) {
      require(dataset.name == "gp");
      for (const std::string& column : dataset.columns) {
        require(column == "event_date" || column == "code" || column == "amount" || column == "row_id");
      }
    }
    for (const ligature::ReleasedTable& table : agreement.tables) {
      require(table.name.find('/') == std::string::npos && table.dimensions.size() <= ligature::kMostDimensions);
    }
  } catch (const ligature::UsageError&) {
    // Refused: the expected end of nearly every input.
  }
  return 0;
}
