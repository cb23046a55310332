// The known name nearest to a mistyped one, for messages that say "did you mean".
//
// Distance: optimal string alignment (insert, delete, replace, swap of neighbours), letters without case.
// Source: Damerau, Communications of the ACM 7(3), 1964.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ligature {

// Edits that turn one name into the other.  Cost: the product of the lengths.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The nearest known name, if it is near enough to be meant: at most a third of the name's letters (at least one)
// differ. The first of equally near ones.  Names over 64 bytes are never near anything.
std::optional<std::string_view> nearest_name(std::string_view name, std::span<const std::string_view> known);

// "; did you mean 'publish'?" or, with nothing near, "; known LABEL: a, b, c".
std::string suggestion(std::string_view name, std::span<const std::string_view> known, std::string_view label);

}  // namespace ligature
