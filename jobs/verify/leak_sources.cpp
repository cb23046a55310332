// Files are told by their first bytes.  HDF5 is walked by rank 0 alone.
#include "jobs/verify/leak_sources.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include <sys/stat.h>

#include "engine/error.hpp"
#include "io/block_source.hpp"
#include "io/files.hpp"
#include "io/hdf5_handle.hpp"
#include "io/hdf5_tree.hpp"
#include "io/manifest.hpp"
#include "jobs/verify/leak_reader.hpp"

namespace ligature {

namespace {

using Kind = LeakSource::Kind;
constexpr std::uint64_t kMostPieceBytes = std::uint64_t{256} << 20, kMostManifestBytes = std::uint64_t{1} << 30;
constexpr std::size_t kDeepest = 16, kMostObjects = 1U << 20;
constexpr std::string_view kHdf5Magic("\x89HDF\r\n\x1a\n", 8);

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

// How a table's values are read, and as what.
std::optional<Kind> kind_of(hid_t dataset, hid_t type) {
  const H5T_class_t kind = H5Tget_class(type);
  const std::size_t width = H5Tget_size(type);
  if (H5Tdetect_class(type, H5T_VLEN) != 0 || H5Tdetect_class(type, H5T_REFERENCE) != 0) return std::nullopt;
  if (kind == H5T_STRING) return H5Tis_variable_str(type) == 0 ? std::optional(Kind::text) : std::nullopt;
  if (kind == H5T_INTEGER && (width == 4 || width == 8)) return Kind::numbers;
  // Bytes may be text, unless a unit says what they count; numbers of 16 bits hold no identifier, and side by side they
  // are no number of 64.
  if (kind == H5T_INTEGER && width == 1) return H5Aexists(dataset, "unit") > 0 ? Kind::codes : Kind::text;
  if (kind == H5T_INTEGER && width < 4) return Kind::narrow;
  if (kind == H5T_FLOAT && (width == 4 || width == 8)) return Kind::numbers;
  return Kind::memory;
}

// Walks one HDF5 file and adds its tables.
class Hdf5Walk {
 public:
  Hdf5Walk(LeakSources& found, const std::string& name, std::uint64_t bytes)
      : found_(found), name_(name), bytes_(bytes), file_(open_searched_hdf5(name)) {
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
    if (depth == 0) attributes(object.get(), path);
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
      attributes(child.get(), below);
      if (info.type == H5O_TYPE_GROUP) group(below, depth + 1);
      if (info.type == H5O_TYPE_DATASET) table(below);
    }
  }

  // Numbers; their texts are found among the bytes that belong to no table.
  void attributes(hid_t object, const std::string& path) {
    const std::string what = "cannot examine the attributes of " + path;
    H5O_info_t info;
    check_hdf5(H5Oget_info(object, &info), what);
    for (hsize_t i = 0; i < info.num_attrs; ++i) {
      const Hdf5Attribute attribute(
          H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT), what);
      const Hdf5Type type(H5Aget_type(attribute.get()), what);
      const H5T_class_t kind = H5Tget_class(type.get());
      const std::size_t width = H5Tget_size(type.get());
      if ((kind != H5T_INTEGER && kind != H5T_FLOAT) || (width != 4 && width != 8)) continue;
      const std::uint64_t bytes = H5Aget_storage_size(attribute.get());
      std::string name(static_cast<std::size_t>(check_hdf5(H5Aget_name(attribute.get(), 0, nullptr), what)), '\0');
      check_hdf5(H5Aget_name(attribute.get(), name.size() + 1, name.data()), what);
      if (bytes > bytes_) {
        skip(path, "an attribute of an impossible size");
      } else if (bytes > 0) {
        found_.sources.push_back({Kind::attribute, name_, path, name, 1, 1, bytes, width, {}});
      }
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
    const std::optional<Kind> kind = kind_of(dataset.get(), type.get());
    if (!kind) return;
    const bool holds_none = *kind == Kind::narrow;
    const int rank = check_hdf5(H5Sget_simple_extent_ndims(space.get()), what);
    std::vector<hsize_t> extent(static_cast<std::size_t>(std::max(rank, 1)), 1);
    if (rank > 0) check_hdf5(H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr), what);
    LeakSource source{*kind, name_, path, {}, extent[0], 1, 1, H5Tget_size(type.get()), {}};
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
    source.piece = rows_at_once * std::max<std::uint64_t>(1, kLeakPieceBytes / (rows_at_once * source.row));
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

// Whether a file is byte for byte a manifest that this program writes.  In a large run some of its counts have ten
// digits, and the estimates of its model have ten behind the point.
bool is_own_manifest(const std::filesystem::path& file) {
  if (file.filename() != "manifest.json" || std::filesystem::file_size(file) > kMostManifestBytes) return false;
  const std::string text = read_small_file(file, kMostManifestBytes);
  try {
    return text == to_json(manifest_of_json(text));
  } catch (const std::exception&) {
    return false;  // then it is searched as it is
  }
}

void add_file(LeakSources& found, const std::string& name) {
  const File file = File::open_read(name);
  std::array<char, 16> first{};
  const std::string_view head(first.data(), file.read_at(0, std::as_writable_bytes(std::span(first))));
  LeakSource source{Kind::bytes, name, {}, {}, file.size(), kLeakPieceBytes, 1, 1, {{0, file.size()}}};
  const auto skip = [&](std::string_view why) { found.not_searched.push_back(name + ": " + std::string(why)); };
  if (const std::string_view kind = opaque_kind(head); !kind.empty()) {
    skip(kind);
  } else if (head.starts_with(kHdf5Magic)) {
    try {
      source.kind = Kind::description;
      source.within = Hdf5Walk(found, name, source.size).rest();
    } catch (const Error& error) {
      skip(error.what());
    }
  } else if (const Compression compression = compression_of(name, bytes_of(head)); compression != Compression::none) {
    source.kind = Kind::stream;
    source.piece = source.size;
    try {
      ByteStream stream(name, compression, kLeakPieceBytes);
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
  } else if (is_own_manifest(name)) {
    source.kind = Kind::strings;
    source.piece = source.size;
  }
  found.sources.push_back(std::move(source));  // of an empty one the name is searched
}

void add_path(LeakSources& found, const std::filesystem::path& path, std::vector<std::string>& names) {
  const auto look = [&](const std::filesystem::path& entry) {
    struct stat status {};
    if (::lstat(entry.c_str(), &status) != 0) throw Error("cannot examine " + entry.string());
    if (!S_ISLNK(status.st_mode) && (status.st_mode & S_IWOTH) != 0) found.open_to_all.push_back(entry.string());
    if (S_ISREG(status.st_mode)) names.push_back(entry.string());
    if (S_ISDIR(status.st_mode)) found.sources.push_back({Kind::bytes, entry.string(), {}, {}, 0, 1, 1, 1, {}});
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
    put(s.file), put(s.object), put(s.attribute);
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
    s.file = field(), s.object = field(), s.attribute = field();
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

}  // namespace ligature
