// One pass over the bytes that knows comments and the four kinds of TOML string (toml.io, version 1.0).
#include "io/toml_precheck.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace ligature {
namespace {

// A key of this many dots in each of toml++'s 256 nested values makes 4,000 levels; about 30,000 overflow a stack of 8
// MiB.
constexpr std::size_t kMaxDots = 16;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// The offset just after the string that begins with the quote at i, or of the end of the line or text that ends it.
std::size_t end_of_string(std::string_view text, std::size_t i) {
  const char quote = text[i];
  const bool multi_line = text.substr(i, 3) == std::string(3, quote);
  const std::string closing(multi_line ? 3U : 1U, quote);
  for (i += closing.size(); i < text.size(); ++i) {
    if (text.substr(i, closing.size()) == closing) {
      i += closing.size();
      while (multi_line && i < text.size() && text[i] == quote) ++i;  // it may end in two quotes of its own
      return i;
    }
    if (text[i] == '\n' && !multi_line) return i;
    if (text[i] == '\\' && quote == '"' && i + 1 < text.size() && (multi_line || text[i + 1] != '\n')) ++i;
  }
  return text.size();
}

}  // namespace

std::size_t first_not_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if ((lead >= 0x80 && lead < 0xC2) || lead > 0xF4 || length > text.size() - i) return i;
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      const unsigned low = k > 1 ? 0x80 : lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
      const unsigned high = k > 1 ? 0xBF : lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
      if (next < low || next > high) return i;
    }
    i += length;
  }
  return std::string_view::npos;
}

std::optional<TomlProblem> precheck_toml(std::string_view text) {
  if (const std::size_t offset = first_not_utf8(text); offset != std::string_view::npos) {
    return TomlProblem{offset, "not UTF-8 text; save the file in that encoding"};
  }
  std::size_t dots = 0;
  std::size_t i = text.substr(0, kByteOrderMark.size()) == kByteOrderMark ? kByteOrderMark.size() : 0;
  while (i < text.size()) {
    const char c = text[i];
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size());
    } else if (c == '"' || c == '\'') {
      i = end_of_string(text, i);
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      return TomlProblem{i,
                         "a character that is not ASCII outside quoted text; are these curly quotes or a long dash?"};
    } else if (c == '.' && ++dots > kMaxDots) {
      return TomlProblem{i, fmt::format("more than {} dots on one line outside quoted text", kMaxDots)};
    } else {
      if (c == '\n') dots = 0;
      ++i;
    }
  }
  return std::nullopt;
}

}  // namespace ligature
