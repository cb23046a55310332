// Writing CSV (RFC 4180).
#pragma once

#include <string>
#include <string_view>

namespace ligature {

// A field: quoted where it holds a comma, a quote or a line end.
inline void append_csv_field(std::string& line, std::string_view text) {
  if (text.find_first_of("\",\r\n") == std::string_view::npos) {
    line += text;
    return;
  }
  line += '"';
  for (const char c : text) {
    if (c == '"') line += '"';
    line += c;
  }
  line += '"';
}

inline std::string csv_field(std::string_view text) {
  std::string field;
  append_csv_field(field, text);
  return field;
}

}  // namespace ligature
