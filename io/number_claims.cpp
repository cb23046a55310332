#include "io/number_claims.hpp"

#include <type_traits>

#include "engine/error.hpp"

namespace ligature {

static_assert(sizeof(NumberClaim) == 12 && std::is_trivially_copyable_v<NumberClaim>);
static_assert(std::has_unique_object_representations_v<NumberClaim>, "padding would make files differ at random");

const RecordForm kNumberClaimForm{
    {'L', 'I', 'G', 'C', 'L', 'A', 'I', 'M'}, sizeof(NumberClaim), "claims", "claims to NHS numbers"};

NumberClaimReader::NumberClaimReader(const std::filesystem::path& secure, std::string_view run, int rank, int ranks)
    : claims_(kNumberClaimForm, secure, rank, ranks) {
  // Rows of another run are other persons.
  if (run_of_records(claims_.headers().front().run) != run) {
    throw Error("the claims to NHS numbers in " + secure.string() + " are another run's than the manifest: rebuild");
  }
}

}  // namespace ligature
