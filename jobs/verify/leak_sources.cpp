// Files are told by their first bytes.  HDF5 is walked by rank 0 alone; its tables are read through the library, which
// undoes filters and byte orders, one thread of a process at a time.
#include "jobs/verify/leak_sources.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>

#include <sys/stat.h>

#include "engine/error.hpp"
#include "io/block_source.hpp"
#include "io/files.hpp"
#include "io/hdf5_handle.hpp"
#include "io/hdf5_tree.hpp"

namespace ligature {

namespace {

using Kind = LeakSource::Kind;
constexpr std::uint64_t kPieceBytes = std::uint64_t{4} << 20, kMostPieceBytes = std::uint64_t{256} << 20;
constexpr std::size_t kDeepest = 16, kMostObjects = 1U << 20;
constexpr std::string_view kHdf5Magic("\x89HDF\r\n\x1a\n", 8);

bool is_utf16(std::string_view first) noexcept {
  return first.starts_with("\xFF\xFE") || first.starts_with("\xFE\xFF");
}

// Why the bytes of a file tell nothing of what is in it; empty if they do.
std::string_view opaque_kind(std::string_view first) noexcept {
  struct Magic {
    std::string_view bytes, kind;
  };
  static constexpr std::array<Magic, 7> kMagics{{{"PK\x03\x04", "a zip archive"},
                                                 {"BZh", "compressed by bzip2"},
                                                 {"\xFD"
                                                  "7zXZ",
                                                  "compressed by xz"},
                                                 {"7z\xBC\xAF", "a 7z archive"},
                                                 {"PAR1", "a Parquet file"},
                                                 {"%PDF", "a PDF file"},
                                                 {"\x04\x22\x4D\x18", "compressed by lz4"}}};
  for (const Magic& magic : kMagics) {
    if (first.starts_with(magic.bytes)) return magic.kind;
  }
  return {};
}

std::span<const std::byte> bytes_of(std::string_view text) noexcept {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::mutex& hdf5_mutex() {
  static std::mutex mutex;
  return mutex;
}

Hdf5File open_hdf5(const std::string& file) {
  const std::string what = "cannot open " + file;
  silence_hdf5();
  const Hdf5Properties access(H5Pcreate(H5P_FILE_ACCESS), what);
  check_hdf5(H5Pset_fapl_sec2(access.get()), what);
  check_hdf5(H5Pset_file_locking(access.get(), false, true), what);
  return {H5Fopen(file.c_str(), H5F_ACC_RDONLY, access.get()), what};
}

// How a table's values are read, and as what.
std::optional<Kind> kind_of(hid_t type) {
  const H5T_class_t kind = H5Tget_class(type);
  const std::size_t width = H5Tget_size(type);
  if (H5Tdetect_class(type, H5T_VLEN) != 0 || H5Tdetect_class(type, H5T_REFERENCE) != 0) return std::nullopt;
  if (kind == H5T_STRING) return H5Tis_variable_str(type) == 0 ? std::optional(Kind::text) : std::nullopt;
  if (kind == H5T_INTEGER && (width == 4 || width == 8)) return Kind::numbers;
  // Bytes may be text; numbers of 16 bits hold no identifier, and side by side they are no number of 64.
  if (kind == H5T_INTEGER && width == 1) return Kind::text;
  if (kind == H5T_INTEGER && width < 4) return Kind::narrow;
  if (kind == H5T_FLOAT && (width == 4 || width == 8)) return Kind::numbers;
  return Kind::memory;
}

// Walks one HDF5 file and adds its tables.
class Hdf5Walk {
 public:
  Hdf5Walk(LeakSources& found, const std::string& name, std::uint64_t bytes)
      : found_(found), name_(name), bytes_(bytes), file_(open_hdf5(name)) {
    group("/", 0);
  }
  // The bytes of the file that no table accounts for.
  [[nodiscard]] std::vector<Range> rest() {
    std::sort(raw_.begin(), raw_.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
    std::vector<Range> rest;
    std::uint64_t from = 0;
    for (const Range& range : raw_) {
      if (range.begin > from) rest.push_back({from, range.begin});
      from = std::max(from, range.end);
    }
    if (from < bytes_) rest.push_back({from, bytes_});
    return rest;
  }

 private:
  void skip(const std::string& path, const std::string& why) {
    found_.not_searched.push_back(name_ + ":" + path + ": " + why);
  }

  void group(const std::string& path, std::size_t depth) {
    if (depth > kDeepest || ++objects_ > kMostObjects) return skip(path, "too deep, or too many objects");
    const std::string what = "cannot open " + path;
    const Hdf5Object object(H5Oopen(file_.get(), path.c_str(), H5P_DEFAULT), what);
    for (const Hdf5Link& link : hdf5_links(object.get(), path)) {
      const std::string below = (path == "/" ? path : path + "/") + link.name;
      if (!link.hard) {
        skip(below, "a link that leads elsewhere");
        continue;
      }
      H5O_info_t info;
      const Hdf5Object child(H5Oopen(file_.get(), below.c_str(), H5P_DEFAULT), "cannot open " + below);
      check_hdf5(H5Oget_info(child.get(), &info), "cannot examine " + below);
      if (!seen_.insert(info.addr).second) continue;
      if (info.type == H5O_TYPE_GROUP) group(below, depth + 1);
      if (info.type == H5O_TYPE_DATASET) table(below);
    }
  }

  void table(const std::string& path) {
    if (++objects_ > kMostObjects) return skip(path, "too many objects");
    const std::string what = "cannot examine " + path;
    const Hdf5Dataset dataset(H5Dopen2(file_.get(), path.c_str(), H5P_DEFAULT), what);
    const Hdf5Type type(H5Dget_type(dataset.get()), what);
    const Hdf5Space space(H5Dget_space(dataset.get()), what);
    const Hdf5Properties layout(H5Dget_create_plist(dataset.get()), what);
    const H5D_layout_t placed = H5Pget_layout(layout.get());
    if (H5Pget_external_count(layout.get()) > 0 || placed == H5D_VIRTUAL) return skip(path, "kept in another file");
    // Values of variable length lie in the file's heap, which is never filtered: it is searched as bytes.
    const std::optional<Kind> kind = kind_of(type.get());
    if (!kind) return;
    const bool holds_none = *kind == Kind::narrow;
    const int rank = check_hdf5(H5Sget_simple_extent_ndims(space.get()), what);
    std::vector<hsize_t> extent(static_cast<std::size_t>(std::max(rank, 1)), 1);
    if (rank > 0) check_hdf5(H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr), what);
    LeakSource source{*kind, name_, path, extent[0], 1, 1, H5Tget_size(type.get()), {}};
    source.row = source.value;
    for (std::size_t d = 1; d < extent.size(); ++d) {
      if (__builtin_mul_overflow(source.row, extent[d], &source.row)) return skip(path, "of an impossible size");
    }
    if (source.size == 0 || source.row == 0) return;
    std::uint64_t rows_at_once = 1;
    if (placed == H5D_CHUNKED) {
      std::vector<hsize_t> chunk(extent.size(), 1);
      check_hdf5(H5Pget_chunk(layout.get(), static_cast<int>(chunk.size()), chunk.data()), what);
      rows_at_once = std::min<std::uint64_t>(chunk[0], source.size);  // each chunk is decompressed once
    }
    if (rows_at_once > kMostPieceBytes / source.row) return skip(path, "in rows or chunks too large to read");
    source.piece = rows_at_once * std::max<std::uint64_t>(1, kPieceBytes / (rows_at_once * source.row));
    if (!holds_none) found_.sources.push_back(source);
    const haddr_t offset = placed == H5D_CONTIGUOUS ? H5Dget_offset(dataset.get()) : HADDR_UNDEF;
    if (offset != HADDR_UNDEF) raw_.push_back({offset, offset + H5Dget_storage_size(dataset.get())});
  }

  LeakSources& found_;
  std::string name_;
  std::uint64_t bytes_;
  Hdf5File file_;
  std::set<haddr_t> seen_;
  std::size_t objects_ = 0;
  std::vector<Range> raw_;
};

void add_file(LeakSources& found, const std::string& name) {
  const File file = File::open_read(name);
  std::array<char, 16> first{};
  const std::string_view head(first.data(), file.read_at(0, std::as_writable_bytes(std::span(first))));
  LeakSource source{Kind::bytes, name, {}, file.size(), kPieceBytes, 1, 1, {{0, file.size()}}};
  const auto skip = [&](std::string_view why) { found.not_searched.push_back(name + ": " + std::string(why)); };
  if (const std::string_view kind = opaque_kind(head); !kind.empty()) {
    skip(kind);
  } else if (head.starts_with(kHdf5Magic)) {
    try {
      source.within = Hdf5Walk(found, name, source.size).rest();
    } catch (const Error& error) {
      skip(error.what());
    }
  } else if (const Compression compression = compression_of(name, bytes_of(head)); compression != Compression::none) {
    source.kind = Kind::stream;
    source.piece = source.size;
    try {
      ByteStream stream(name, compression, kPieceBytes);
      std::array<char, 16> inner{};
      const std::string_view inside(inner.data(), stream.read(inner));
      if (!opaque_kind(inside).empty()) skip(opaque_kind(inside));
      if (inside.starts_with(kHdf5Magic)) skip("an HDF5 file, compressed as a whole");
      if (compression_of({}, bytes_of(inside)) != Compression::none) skip("compressed more than once");
    } catch (const Error& error) {
      skip(error.what());
      return;
    }
  } else if (is_utf16(head)) {
    source.kind = Kind::stream;  // its bytes are changed on the way, as a compressed file's are
    source.piece = source.size;
  }
  if (source.size > 0) found.sources.push_back(std::move(source));
}

void add_path(LeakSources& found, const std::filesystem::path& path, std::vector<std::string>& names) {
  const auto look = [&](const std::filesystem::path& entry) {
    struct stat status {};
    if (::lstat(entry.c_str(), &status) != 0) throw Error("cannot examine " + entry.string());
    if (!S_ISLNK(status.st_mode) && (status.st_mode & S_IWOTH) != 0) found.open_to_all.push_back(entry.string());
    if (S_ISREG(status.st_mode)) names.push_back(entry.string());
    if (S_ISLNK(status.st_mode)) found.not_searched.push_back(entry.string() + ": a link that leads elsewhere");
  };
  const std::filesystem::path real = std::filesystem::is_symlink(path) ? std::filesystem::canonical(path) : path;
  look(real);
  if (!std::filesystem::is_directory(real)) return;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(real)) look(entry.path());
}

// Lists as text, for the other ranks: fields end with NUL, which no path has.
std::string packed(const LeakSources& found) {
  std::string text;
  const auto put = [&](const std::string& field) { text += field + '\0'; };
  const auto count = [&](std::uint64_t value) { put(std::to_string(value)); };
  count(found.sources.size());
  for (const LeakSource& s : found.sources) {
    put(s.file), put(s.object);
    for (const std::uint64_t value : {static_cast<std::uint64_t>(s.kind), s.size, s.piece, s.row, s.value})
      count(value);
    count(s.within.size());
    for (const Range& range : s.within) count(range.begin), count(range.end);
  }
  for (const auto* list : {&found.not_searched, &found.open_to_all}) {
    count(list->size());
    for (const std::string& line : *list) put(line);
  }
  return text;
}
LeakSources unpacked(const std::string& text) {
  std::size_t at = 0;
  const auto field = [&] {
    const std::size_t begin = at, end = text.find('\0', at);
    at = end + 1;
    return text.substr(begin, end - begin);
  };
  const auto count = [&] { return std::stoull(field()); };
  LeakSources found;
  found.sources.resize(count());
  for (LeakSource& s : found.sources) {
    s.file = field(), s.object = field();
    s.kind = static_cast<Kind>(count());
    s.size = count(), s.piece = count(), s.row = count(), s.value = count();
    s.within.resize(count());
    for (Range& range : s.within) range.begin = count(), range.end = count();
  }
  for (auto* list : {&found.not_searched, &found.open_to_all}) {
    list->resize(count());
    for (std::string& line : *list) line = field();
  }
  return found;
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
  ByteStream stream(source.file, compression_of(source.file, bytes_of(head)), kPieceBytes);
  std::string window;
  std::uint64_t looked = 0, offset = 0;
  std::size_t done = 0;  // of the window, searched
  bool wide = false;
  std::vector<char> buffer(kPieceBytes);
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

std::uint64_t search_table(const LeakSource& source, Range part, const FoundForms& found) {
  std::string bytes(part.size() * source.row, '\0');
  bool real = false;
  {
    const std::lock_guard lock(hdf5_mutex());
    const std::string what = "cannot read " + source.place();
    const Hdf5File file = open_hdf5(source.file);
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
  if (source.kind == Kind::memory || (source.kind == Kind::text && source.value == 1)) {
    const FoundForms by_row = [&](const FoundForm& find) {
      found({find.form, find.key, part.begin + find.position / source.row});
    };
    find_in_text(bytes, by_row);
    if (source.kind == Kind::memory) find_in_bytes(bytes, by_row);
    return bytes.size();
  }
  std::uint64_t row = 0;
  const FoundForms in_row = [&](const FoundForm& find) { found({find.form, find.key, row}); };
  for (std::size_t at = 0; at < bytes.size(); at += source.value) {
    row = part.begin + at / source.row;
    const auto value = [&]<typename T>(T number) {
      std::memcpy(&number, bytes.data() + at, sizeof number);
      return number;
    };
    if (source.kind == Kind::text) {
      find_in_text(std::string_view(bytes).substr(at, source.value), in_row);
    } else if (real) {
      find_in_number(source.value == 8 ? value(double{}) : static_cast<double>(value(float{})), row, found);
    } else {
      find_in_number(source.value == 8 ? value(std::uint64_t{}) : std::uint64_t{value(std::uint32_t{})}, row, found);
    }
  }
  return bytes.size();
}

}  // namespace

LeakSources list_leak_sources(const Communicator& comm, const std::vector<std::filesystem::path>& paths) {
  LeakSources found;
  std::string text;
  std::optional<std::string> problem;
  if (comm.is_root()) {
    try {
      std::vector<std::string> names;
      for (const std::filesystem::path& path : paths) {
        if (!std::filesystem::exists(path)) throw Error("there is no " + path.string());
        add_path(found, path, names);
      }
      std::sort(names.begin(), names.end());
      names.erase(std::unique(names.begin(), names.end()), names.end());
      for (const std::string& name : names) add_file(found, name);
      text = packed(found);
    } catch (const std::exception& error) {
      problem = error.what();
    }
  }
  comm.agree(problem);
  comm.broadcast(text);
  return unpacked(text);
}

std::uint64_t search_source(const LeakSource& source, Range part, const FoundForms& found) {
  if (source.kind == Kind::bytes) return search_bytes(source, part, found);
  if (source.kind == Kind::stream) return search_stream(source, found);
  return search_table(source, part, found);
}

}  // namespace ligature
