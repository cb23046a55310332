// Which providers (practices, hospitals) rows came from, as a set in 64 bits.
//
// Each provider has one of 64 places, by the hash of its code.  Two share a place now and then, so a set may seem to
// hold one that it does not: enough for evidence whose worth is counted on the same sets (moves.hpp), and no more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/linkage_key.hpp"

namespace ligature {

using ProviderSet = std::uint64_t;
using ProviderPlace = std::uint8_t;  // 1 .. 64; 0 for a row that names no provider

inline ProviderPlace provider_place(std::string_view provider) noexcept {
  if (provider.empty()) return 0;
  return static_cast<ProviderPlace>(1 + linkage_key(std::as_bytes(std::span(provider))) % 64);
}
constexpr ProviderSet provider_set(std::uint64_t place) noexcept {
  return ProviderSet{place != 0} << ((place - 1) & 63);  // no branch
}

}  // namespace ligature
