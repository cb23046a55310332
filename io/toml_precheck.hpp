// What a document must keep to before the TOML parser sees it.
//
// toml++ 3.3 is safe for well-meant documents only: it stores "a.b.c" as nested tables that are destroyed recursively,
// so that enough dots overflow the stack.  And what a word processor made of quotes gets an answer that says so.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ligature {

// The offset of the first byte that is not part of well-formed UTF-8 (Unicode 15, table 3-7); npos if there is none.
std::size_t first_not_utf8(std::string_view text) noexcept;
inline bool is_utf8(std::string_view text) noexcept {
  return first_not_utf8(text) == std::string_view::npos;
}

struct TomlProblem {
  std::size_t offset = 0;  // in bytes
  std::string message;
};

// The first thing that keeps the document from the parser: bytes that are not UTF-8, characters outside quoted text and
// comments that are not ASCII (which TOML 1.0 does not allow either), more dots on a line than any key needs.
std::optional<TomlProblem> precheck_toml(std::string_view text);

}  // namespace ligature
