#include "io/manifest_screens.hpp"

namespace ligature {

std::string_view screen_name(Screen screen) noexcept {
  constexpr std::array<std::string_view, kScreens> kNames = {
      "multiple_births",      "event_after_death", "two_births",         "simultaneous_admissions",
      "implausible_delivery", "late_birth",        "event_before_birth", "two_registrations"};
  return kNames[static_cast<std::size_t>(screen)];
}

}  // namespace ligature
