// What the quality screens of a run found, and its fields in the manifest.
//
// Screens need no truth: they count persons whose rows cannot all be one person's (docs/quality.md defines each and
// names its source).  A screen that the job file gives nothing to look at is "not evaluated", which is not zero.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/screen_settings.hpp"

namespace ligature {

enum class Screen : std::uint8_t {
  multiple_births,          // two babies in one person
  event_after_death,        // more than three days after
  two_births,               // more than four weeks apart
  simultaneous_admissions,  // a night at two hospitals
  implausible_delivery,     // by a child under ten or by a male
  late_birth,               // the birth of somebody over one year old
  event_before_birth,       // more than a year before
  two_registrations,        // live at two practices
};
inline constexpr std::size_t kScreens = 8;
std::string_view screen_name(Screen screen) noexcept;  // as printed, e.g. "two_births"

struct ScreenCount {
  bool evaluated = false;
  std::uint64_t persons = 0;   // concerned
  std::uint64_t examined = 0;  // persons with rows that the screen looks at
};

struct LargePerson {
  std::uint64_t rows = 0;
  std::uint64_t identities = 0;  // different ones
};

inline constexpr std::size_t kRowClasses = 5;
inline constexpr std::array<std::string_view, kRowClasses> kRowClassNames = {"1", "2-5", "6-20", "21-100", "over 100"};

struct ScreenReport {
  std::array<ScreenCount, kScreens> screens{};
  std::array<std::uint64_t, kScreenKinds> rows_of_kind{};         // rows that the job file's rules name
  std::array<std::uint64_t, kRowClasses> persons_by_rows{};       // by kRowClassNames
  std::vector<LargePerson> largest;                               // persons with the most rows, most first
  std::uint64_t residual_persons = 0, residual_ids_repeated = 0;  // ids not made of an owned NHS number
  std::vector<std::string> datasets;
  std::vector<std::uint64_t> shared;  // persons with rows in datasets a and b: [a * datasets + b]; a == b: in a
};

// Lists the fields for an archive of io/manifest.cpp, for writing and reading alike.
template <typename Archive>
void fields(Archive& archive, LargePerson& person) {
  archive("rows", person.rows);
  archive("identities", person.identities);
}

template <typename Archive>
void fields(Archive& archive, ScreenReport& report) {
  archive.group("implausible", [&](auto& screens) {
    for (std::size_t s = 0; s < kScreens; ++s) {
      ScreenCount& screen = report.screens[s];
      screens.group(screen_name(static_cast<Screen>(s)), [&](auto& count) {
        std::string status = screen.evaluated ? "evaluated" : "not evaluated";
        count("status", status);
        screen.evaluated = status == "evaluated";
        count("persons", screen.persons);
        count("examined", screen.examined);
      });
    }
  });
  archive.group("rows_of_kind", [&](auto& kinds) {
    for (std::size_t k = 0; k < kScreenKinds; ++k) kinds(kScreenKindNames[k], report.rows_of_kind[k]);
  });
  archive.group("persons_by_rows", [&](auto& classes) {
    for (std::size_t c = 0; c < kRowClasses; ++c) classes(kRowClassNames[c], report.persons_by_rows[c]);
  });
  archive("largest", report.largest);
  archive("residual_persons", report.residual_persons);
  archive("residual_ids_repeated", report.residual_ids_repeated);
  archive("datasets", report.datasets);
  archive("persons_in_both", report.shared);
}

}  // namespace ligature
