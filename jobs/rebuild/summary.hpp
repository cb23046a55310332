// The end of a rebuild as a person reads it: rows, identities, persons, match rates, quarantine, and the stage table.
#pragma once

#include <string>

#include "io/manifest.hpp"
#include "io/performance.hpp"

namespace ligature {

// Several tables, ready to print.
std::string summary_text(const Manifest& manifest, const Performance& performance);

}  // namespace ligature
