// The time of day, in UTC, as manifests and logs write it.
#pragma once

#include <string>

#include "engine/date.hpp"

namespace ligature {

// "2014-04-01T08:30:00Z".
std::string utc_now();

// Today's date; kMissingDay if the clock is outside the calendar of day numbers.
DayNumber utc_today();

}  // namespace ligature
