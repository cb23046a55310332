// Tables are read through the HDF5 library, which undoes filters and byte orders, one thread of a process at a time.
#include "jobs/verify/leak_reader.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "engine/error.hpp"
#include "io/block_source.hpp"
#include "io/files.hpp"

namespace ligature {

namespace {

using Kind = LeakSource::Kind;

std::mutex& hdf5_mutex() {
  static std::mutex mutex;
  return mutex;
}

// Searches text and raw bytes; finds with a position in [from, to) count, moved by offset.
void search_both(std::string_view bytes, std::size_t from, std::size_t to, std::uint64_t offset,
                 const FoundForms& found) {
  const FoundForms take = [&](const FoundForm& find) {
    if (find.position >= from && find.position < to) found({find.form, find.key, find.position - from + offset});
  };
  find_in_text(bytes, take);
  find_in_bytes(bytes, take);
}

std::uint64_t search_bytes(const LeakSource& source, Range part, const FoundForms& found) {
  const File file = File::open_read(source.file);
  std::uint64_t looked = 0;
  for (const Range& whole : source.within) {
    const Range range{std::max(part.begin, whole.begin), std::min(part.end, whole.end)};
    if (range.begin >= range.end) continue;
    const std::uint64_t before = std::min<std::uint64_t>(kFormContext, range.begin - whole.begin);
    const std::uint64_t after = std::min<std::uint64_t>(kFormContext, whole.end - range.end);
    std::string bytes(before + range.size() + after, '\0');
    file.read_exactly_at(range.begin - before, std::as_writable_bytes(std::span(bytes)));
    search_both(bytes, before, before + range.size(), range.begin, found);
    looked += range.size();
  }
  return looked;
}

// From beginning to end, decompressed, UTF-16 as ASCII.
std::uint64_t search_stream(const LeakSource& source, const FoundForms& found) {
  std::array<char, 16> first{};
  const std::string_view head(first.data(),
                              File::open_read(source.file).read_at(0, std::as_writable_bytes(std::span(first))));
  ByteStream stream(source.file, compression_of(source.file, std::as_bytes(std::span(head))), kLeakPieceBytes);
  std::string window;
  std::uint64_t looked = 0, offset = 0;
  std::size_t done = 0;  // of the window, searched
  bool wide = false;
  std::vector<char> buffer(kLeakPieceBytes);
  for (bool first_piece = true;; first_piece = false) {
    const std::size_t got = stream.read(buffer);
    looked += got;
    if (first_piece) wide = is_utf16({buffer.data(), got});
    const std::size_t kept = window.size();
    window.append(buffer.data(), got);
    if (wide)
      window.erase(std::remove(window.begin() + static_cast<std::ptrdiff_t>(kept), window.end(), '\0'), window.end());
    const bool last = got < buffer.size();
    const std::size_t to = last ? window.size() : std::max(done, window.size() - std::min(window.size(), kFormContext));
    search_both(window, done, to, offset, found);
    if (last) return looked;
    offset += to - done;
    const std::size_t drop = to - std::min(to, kFormContext);
    window.erase(0, drop);
    done = to - drop;
  }
}

// Numbers of one column or attribute; position: of the first, and each one after that `row` bytes later.
void search_numbers(const LeakSource& source, std::string_view bytes, bool real, std::uint64_t first,
                    const FoundForms& found) {
  for (std::size_t at = 0; at + source.value <= bytes.size(); at += source.value) {
    const std::uint64_t row = first + at / source.row;
    const auto value = [&]<typename T>(T number) {
      std::memcpy(&number, bytes.data() + at, sizeof number);
      return number;
    };
    if (real) {
      find_in_number(source.value == 8 ? value(double{}) : static_cast<double>(value(float{})), row, found);
    } else {
      find_in_number(source.value == 8 ? value(std::uint64_t{}) : std::uint64_t{value(std::uint32_t{})}, row, found);
    }
  }
}

std::uint64_t search_attribute(const LeakSource& source, const FoundForms& found) {
  std::string bytes(source.row, '\0');
  bool real = false;
  {
    const std::lock_guard lock(hdf5_mutex());
    const std::string what = "cannot read an attribute of " + source.file + ":" + source.object;
    const Hdf5File file = open_searched_hdf5(source.file);
    const Hdf5Attribute attribute(
        H5Aopen_by_name(file.get(), source.object.c_str(), source.attribute.c_str(), H5P_DEFAULT, H5P_DEFAULT), what);
    const Hdf5Type type(H5Aget_type(attribute.get()), what);
    const Hdf5Type memory(H5Tget_native_type(type.get(), H5T_DIR_ASCEND), what);
    real = H5Tget_class(type.get()) == H5T_FLOAT;
    if (H5Tget_size(memory.get()) != source.value || H5Aget_storage_size(attribute.get()) != source.row) {
      throw Error(what + ": it has changed");
    }
    check_hdf5(H5Aread(attribute.get(), memory.get(), bytes.data()), what);
  }
  search_numbers(source, bytes, real, 0, found);
  return bytes.size();
}

// A file of JSON, whole.
std::uint64_t search_strings(const LeakSource& source, const FoundForms& found) {
  const std::string text = read_small_file(source.file, source.size);
  find_in_text(json_strings_only(text), found);
  return text.size();
}

std::uint64_t search_table(const LeakSource& source, Range part, const FoundForms& found) {
  std::string bytes(part.size() * source.row, '\0');
  bool real = false;
  {
    const std::lock_guard lock(hdf5_mutex());
    const std::string what = "cannot read " + source.place();
    const Hdf5File file = open_searched_hdf5(source.file);
    const Hdf5Dataset dataset(H5Dopen2(file.get(), source.object.c_str(), H5P_DEFAULT), what);
    const Hdf5Type type(H5Dget_type(dataset.get()), what);
    const Hdf5Space space(H5Dget_space(dataset.get()), what);
    real = H5Tget_class(type.get()) == H5T_FLOAT;
    const Hdf5Type memory(
        source.kind == Kind::numbers ? H5Tget_native_type(type.get(), H5T_DIR_ASCEND) : H5Tcopy(type.get()), what);
    const int rank = check_hdf5(H5Sget_simple_extent_ndims(space.get()), what);
    std::optional<Hdf5Space> into;
    if (rank > 0) {
      std::vector<hsize_t> extent(static_cast<std::size_t>(rank)), start(extent.size(), 0);
      check_hdf5(H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr), what);
      start[0] = part.begin;
      extent[0] = part.size();
      check_hdf5(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, extent.data(), nullptr), what);
      into.emplace(H5Screate_simple(rank, extent.data(), nullptr), what);
    }
    if (H5Tget_size(memory.get()) != source.value) throw Error(what + ": it has changed");
    check_hdf5(
        H5Dread(dataset.get(), memory.get(), into ? into->get() : H5S_ALL, space.get(), H5P_DEFAULT, bytes.data()),
        what);
  }
  if (source.kind == Kind::numbers) {
    search_numbers(source, bytes, real, part.begin, found);
  } else if (source.value > 1 && source.kind == Kind::text) {
    std::uint64_t row = 0;
    const FoundForms in_row = [&](const FoundForm& find) { found({find.form, find.key, row}); };
    for (std::size_t at = 0; at < bytes.size(); at += source.value) {
      row = part.begin + at / source.row;
      find_in_text(std::string_view(bytes).substr(at, source.value), in_row);
    }
  } else {
    const FoundForms by_row = [&](const FoundForm& find) {
      found({find.form, find.key, part.begin + find.position / source.row});
    };
    find_in_text(bytes, by_row);
    if (source.kind == Kind::memory) find_in_bytes(bytes, by_row);
  }
  return bytes.size();
}

}  // namespace

std::uint64_t search_source(const LeakSource& source, Range part, const FoundForms& found) {
  switch (source.kind) {
    case Kind::bytes:
    case Kind::description:
      return search_bytes(source, part, found);
    case Kind::stream:
      return search_stream(source, found);
    case Kind::strings:
      return search_strings(source, found);
    case Kind::attribute:
      return search_attribute(source, found);
    default:
      return search_table(source, part, found);
  }
}

bool is_utf16(std::string_view first) noexcept {
  return first.starts_with("\xFF\xFE") || first.starts_with("\xFE\xFF");
}

std::string json_strings_only(std::string_view json) {
  std::string text(json);
  bool quoted = false, escaped = false;
  for (char& c : text) {
    if (quoted) {
      quoted = escaped || c != '"';
      escaped = !escaped && c == '\\';
    } else if (c == '"') {
      quoted = true;
    } else if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      c = ',';  // no separator of either identifier: what stands on its sides stays apart
    }
  }
  return text;
}

Hdf5File open_searched_hdf5(const std::string& file) {
  const std::string what = "cannot open " + file;
  silence_hdf5();
  const Hdf5Properties access(H5Pcreate(H5P_FILE_ACCESS), what);
  check_hdf5(H5Pset_fapl_sec2(access.get()), what);
  check_hdf5(H5Pset_file_locking(access.get(), false, true), what);
  return {H5Fopen(file.c_str(), H5F_ACC_RDONLY, access.get()), what};
}

}  // namespace ligature
