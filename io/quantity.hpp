// Counts and sizes as people write them: "20M" people, "12GiB" of memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ligature {

// "60000", "1M", "1.5M", "20k", "2G": a whole number, with k, M or G (or K, m, g) for thousands, millions and
// milliards. nullopt for anything else, for a fraction of one and for what does not fit in 64 bits (53 bits with a
// fraction).
std::optional<std::uint64_t> parse_count(std::string_view text) noexcept;

// "1073741824", "512MiB", "12 GiB", "1.5GB", "64K": bytes, with kB/MB/GB/TB (powers of 1000) or KiB/MiB/GiB/TiB (powers
// of 1024); K, M, G and T alone are powers of 1024.  Case does not matter.  nullopt as for parse_count.
std::optional<std::uint64_t> parse_bytes(std::string_view text) noexcept;

}  // namespace ligature
