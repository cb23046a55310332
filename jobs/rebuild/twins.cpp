#include "jobs/rebuild/twins.hpp"

#include <utility>

#include "partition/shuffle.hpp"

namespace ligature {

void flag_twins(const Communicator& comm, const Identities& identities, std::vector<TwinPair>&& twins,
                std::span<Evidence> evidence) {
  std::vector<TwinPair> own;
  for (const TwinPair& pair :
       shuffle(comm, std::move(twins), [&](const TwinPair& of) { return identities.owner(of.twin); }).items) {
    const Evidence& twin = evidence[pair.twin - identities.first_id];
    if (!twin.has(Evidence::number_disowned) && !twin.has(Evidence::number_default)) own.push_back(pair);
  }
  for (const TwinPair& pair :
       shuffle(comm, std::move(own), [&](const TwinPair& of) { return identities.owner(of.id); }).items) {
    evidence[pair.id - identities.first_id].flags |= static_cast<std::uint8_t>(pair.flags);
  }
}

}  // namespace ligature
