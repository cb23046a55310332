// The register of approved customers: who may be given data, and for what.  A table recipient,recipient_type,purpose.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ligature {

struct ApprovedCustomer {
  std::string recipient, type, purpose;
};

// Reads the register; not collective.  Throws UsageError, with the line, if an entry is broken, incomplete or repeated,
// or one recipient has two types: a register that contradicts itself approves of nothing.
std::vector<ApprovedCustomer> read_customers(const std::filesystem::path& path);

// A table outward,area: for outward codes, the areas that are released in their place.  Not collective.  Sorted by
// outward code.  Throws UsageError, with the line, if an entry is broken, incomplete or repeated.
struct AreaOf {
  std::string outward, area;
};
std::vector<AreaOf> read_area_lookup(const std::filesystem::path& path);

}  // namespace ligature
