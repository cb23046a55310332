// The register of approved customers: who may be given data, and for what.  A table recipient,recipient_type,purpose.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace ligature {

struct ApprovedCustomer {
  std::string recipient, type, purpose;
};

// Reads the register; not collective.  Throws UsageError, with the line, if an entry is broken, incomplete or repeated,
// or one recipient has two types or two spellings: a register that contradicts itself approves of nothing.  So it does
// if the name of a recipient has characters that are not folded: of those nobody could say whether two are one.
std::vector<ApprovedCustomer> read_customers(const std::filesystem::path& path);

// One customer under two names could be given what one may not have together: names that differ only in case, spaces,
// punctuation, accents or marks that are not seen are one customer's.  What is neither ASCII nor of U+0080 to U+017F,
// U+2000 to U+207F or U+FEFF stays as it is.
std::string folded_recipient(std::string_view name);
inline bool same_recipient(std::string_view a, std::string_view b) {
  return folded_recipient(a) == folded_recipient(b);
}

// A table outward,area: for outward codes, the areas that are released in their place.  Not collective.  Sorted by
// outward code.  Throws UsageError, with the line, if an entry is broken, incomplete or repeated.
struct AreaOf {
  std::string outward, area;
};
std::vector<AreaOf> read_area_lookup(const std::filesystem::path& path);

}  // namespace ligature
