// Reading what a search for leaks looks into, a piece at a time, whatever form it is stored in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "io/hdf5_handle.hpp"
#include "jobs/verify/leak_sources.hpp"

namespace ligature {

inline constexpr std::uint64_t kLeakPieceBytes = std::uint64_t{4} << 20;

// Reads rows or bytes [part.begin, part.end) of a source and gives all that may be an identifier; position: the row or
// byte.  Thread-safe.  Returns the bytes looked at, decompressed.
std::uint64_t search_source(const LeakSource& source, Range part, const FoundForms& found);

// A JSON text with its numbers and literals blanked, so that only keys and strings remain to be searched.
std::string json_strings_only(std::string_view json);

bool is_utf16(std::string_view first) noexcept;

// Read-only, unlocked, by this process alone.
Hdf5File open_searched_hdf5(const std::string& file);

}  // namespace ligature
