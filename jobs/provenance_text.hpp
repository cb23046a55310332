// How a row came to its person, in words: what export and explain have in common.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model.hpp"
#include "io/manifest.hpp"

namespace ligature {

// A weight in bits with so many decimals; three tell apart what the model tells apart.
std::string bits_text(Weight weight, int decimals);

// The names of the flags (Evidence::Flag) and notes (Provenance::Note) that are set, in the order of their bits.
std::vector<std::string_view> flag_names(std::uint8_t flags, std::uint8_t notes);

std::string_view id_type_name(IdType type) noexcept;  // empty for none

}  // namespace ligature
