// Two persons under one NHS number: strangers, who are alike by chance alone, and members of one household.
#pragma once

#include <array>

#include "engine/model.hpp"

namespace ligature {

struct WrongNumbers {
  double of_strangers = 0, of_household = 0;  // shares of all pairs with the same valid number
  std::array<double, kPostcodeLevels> household_postcode{};
  double household_different_gender = 0;
};

// Before any is seen: the same postcode, but for moves.
std::array<double, kPostcodeLevels> household_postcodes();

// Fills model.wrong_number.  The u of postcode and gender must be set.
void set_wrong_numbers(const WrongNumbers& wrong, ModelParameters& model);

}  // namespace ligature
