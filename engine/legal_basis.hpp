// The legal bases on which data may leave, and what each allows: a closed list, since what is not listed is not
// permitted.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace ligature {

struct LegalBasis {
  std::string_view name;     // as agreements write it
  std::string_view meaning;  // the law, for the register
  bool identifiable;         // identifiers may leave
  bool objections_apply;     // type 2 and national objections bind it
};

// In the order in which they are listed to users.
std::span<const LegalBasis> legal_bases() noexcept;

}  // namespace ligature
