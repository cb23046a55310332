// Writing the published dataset: HDF5 lays the file out and describes it, positional writes fill it.
//
// Format: HDF5 File Format Specification 2.0 (superblock 2, version 2 object headers: their checksums find damage),
// which every HDF5 library since 1.8 reads.  Nothing in the file depends on time, ranks or memory: object times are not
// tracked, and raw data is never filled beforehand, so equal content gives equal bytes.
#include "io/dataset.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "engine/error.hpp"
#include "io/hdf5_handle.hpp"

namespace ligature {

namespace {

constexpr hsize_t kAlignment = 4096;                                // of columns of at least that many bytes
constexpr std::uint64_t kTextPieceBytes = std::uint64_t{4} << 20;   // strings padded and written at a time
constexpr std::uint64_t kDictionaryBytes = std::uint64_t{4} << 30;  // padded; a reader loads a dictionary whole
constexpr std::size_t kPseudonymWidth = 32;

struct TypeFacts {
  StoredType type;
  std::string_view name;
  std::size_t bytes;
};
constexpr std::array<TypeFacts, 11> kTypes{{{StoredType::u8, "u8", 1},
                                            {StoredType::u16, "u16", 2},
                                            {StoredType::u32, "u32", 4},
                                            {StoredType::u64, "u64", 8},
                                            {StoredType::i8, "i8", 1},
                                            {StoredType::i16, "i16", 2},
                                            {StoredType::i32, "i32", 4},
                                            {StoredType::i64, "i64", 8},
                                            {StoredType::f32, "f32", 4},
                                            {StoredType::f64, "f64", 8},
                                            {StoredType::text32, "text32", kPseudonymWidth}}};

bool is_column(const std::string& path) {
  return path.starts_with("/persons/") || path.starts_with("/events/");
}

// What a group is, for those who meet the file without its specification.
std::string group_meaning(const std::string& path) {
  if (path == "/persons") return "one row a person, ordered by pseudonym; all columns have the same length";
  if (path == "/events") return "one group a dataset";
  if (path == "/dictionaries") return "values of category columns; a code is an index into them, from 0";
  if (path == "/provenance") return "what the dataset was made from, and how";
  if (path == "/provenance/files") return "one row an input file; all columns have the same length";
  if (path == "/provenance/stages") return "one row a stage of the run; all columns have the same length";
  if (path == "/provenance/model") return "one row a comparison level; all columns have the same length";
  if (path.starts_with("/events/")) {
    return "one row an event, ordered by person then date; offsets has the first row of each person and one entry more";
  }
  return "part of " + path.substr(0, path.find('/', 1));
}

// Properties of every object: no times, and attributes in the object's own header, under its checksum.  Beyond a number
// of attributes or links HDF5 would move them to heaps and trees, whose damage its error paths do not survive.
constexpr unsigned kCompact = 65535;
void describe_compactly(hid_t properties) {
  check_hdf5(H5Pset_obj_track_times(properties, false), "cannot turn HDF5 object times off");
  check_hdf5(H5Pset_attr_phase_change(properties, kCompact, kCompact), "cannot set the HDF5 attribute storage");
}

// Adds to an open HDF5 file; used when the file is made and again when it is finished.
class Hdf5Writer {
 public:
  explicit Hdf5Writer(Hdf5File file) : file_(std::move(file)) {
    links_ = Hdf5Properties(H5Pcreate(H5P_LINK_CREATE), "cannot make HDF5 link properties");
    check_hdf5(H5Pset_char_encoding(links_.get(), H5T_CSET_UTF8), "cannot set the encoding of HDF5 names");
    group_properties_ = Hdf5Properties(H5Pcreate(H5P_GROUP_CREATE), "cannot make HDF5 group properties");
    describe_compactly(group_properties_.get());
    check_hdf5(H5Pset_link_phase_change(group_properties_.get(), kCompact, kCompact),
               "cannot set the HDF5 link storage");
    dataset_properties_ = Hdf5Properties(H5Pcreate(H5P_DATASET_CREATE), "cannot make HDF5 dataset properties");
    const hid_t properties = dataset_properties_.get();
    describe_compactly(properties);
    check_hdf5(H5Pset_layout(properties, H5D_CONTIGUOUS), "cannot ask for a contiguous HDF5 layout");
    check_hdf5(H5Pset_alloc_time(properties, H5D_ALLOC_TIME_EARLY), "cannot ask for early HDF5 allocation");
    check_hdf5(H5Pset_fill_time(properties, H5D_FILL_TIME_NEVER), "cannot turn HDF5 fill values off");
  }

  void attribute(hid_t object, const std::string& name, const AttributeValue& value) const {
    const std::string what = "cannot write the attribute " + name;
    const Hdf5Space space(H5Screate(H5S_SCALAR), what);
    if (const auto* number = std::get_if<std::uint64_t>(&value)) {
      const Hdf5Attribute attribute(
          H5Acreate2(object, name.c_str(), H5T_STD_U64LE, space.get(), H5P_DEFAULT, H5P_DEFAULT), what);
      check_hdf5(H5Awrite(attribute.get(), H5T_NATIVE_UINT64, number), what);
      return;
    }
    // Of fixed width, so that it lies in the object's header, under its checksum; strings of variable length lie in a
    // heap that HDF5 reads without any check.
    std::string text = std::get<std::string>(value);
    if (text.empty()) text.resize(1);
    const Hdf5Type type = hdf5_text_type(text.size());
    const Hdf5Attribute attribute(H5Acreate2(object, name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT),
                                  what);
    check_hdf5(H5Awrite(attribute.get(), type.get(), text.data()), what);
  }

  void root_attributes(const Attributes& attributes) const {
    const Hdf5Object root(H5Oopen(file_.get(), "/", H5P_DEFAULT), "cannot open the root group");
    for (const auto& [name, value] : attributes) attribute(root.get(), name, value);
  }

  // Makes the groups above an object, each once, with their meaning.
  void groups_of(const std::string& path) {
    for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      const std::string group = path.substr(0, slash);
      if (!groups_.insert(group).second || H5Lexists(file_.get(), group.c_str(), H5P_DEFAULT) > 0) continue;
      const Hdf5Group made(H5Gcreate2(file_.get(), group.c_str(), links_.get(), group_properties_.get(), H5P_DEFAULT),
                           "cannot make the group " + group);
      attribute(made.get(), "meaning", group_meaning(group));
    }
  }

  Hdf5Dataset dataset(const std::string& path, hid_t type, std::uint64_t rows, const ColumnSpec& words) {
    groups_of(path);
    const std::string what = "cannot make the column " + path;
    const hsize_t extent = rows;
    const Hdf5Space space(H5Screate_simple(1, &extent, nullptr), what);
    Hdf5Dataset made(
        H5Dcreate2(file_.get(), path.c_str(), type, space.get(), links_.get(), dataset_properties_.get(), H5P_DEFAULT),
        what);
    attribute(made.get(), "unit", words.unit);
    attribute(made.get(), "meaning", words.meaning);
    attribute(made.get(), "missing", words.missing);
    if (is_column(path)) attribute(made.get(), "dictionary", words.dictionary);
    if (!words.names.empty()) attribute(made.get(), "names", words.names);
    return made;
  }

  // Text as fixed-width strings, padded piece by piece.
  void texts(const std::string& path, const std::vector<std::string>& values, const std::string& meaning) {
    std::size_t width = 1;
    for (const std::string& value : values) {
      if (value.find('\0') != std::string::npos) throw Error("a text value of " + path + " holds a NUL byte");
      width = std::max(width, value.size());
    }
    if (values.size() > kDictionaryBytes / width) {
      throw LimitError("the values of " + path + " would fill more than 4 GiB: " + std::to_string(values.size()) +
                       " values, the longest of " + std::to_string(width) +
                       " bytes; lower limits.max_categories, or do not keep that column");
    }
    const Hdf5Type type = hdf5_text_type(width);
    ColumnSpec words;
    words.meaning = meaning;
    const Hdf5Dataset made = dataset(path, type.get(), values.size(), words);
    const std::string what = "cannot write the values of " + path;
    const Hdf5Space space(H5Dget_space(made.get()), what);
    const std::size_t piece = std::max<std::size_t>(1, kTextPieceBytes / width);
    std::vector<char> padded;
    for (std::size_t first = 0; first < values.size(); first += piece) {
      const std::size_t count = std::min(piece, values.size() - first);
      padded.assign(count * width, '\0');
      for (std::size_t i = 0; i < count; ++i) {
        const std::string& value = values[first + i];
        if (!value.empty()) std::memcpy(&padded[i * width], value.data(), value.size());
      }
      const hsize_t start = first, extent = count;
      check_hdf5(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, &start, nullptr, &extent, nullptr), what);
      const Hdf5Space memory(H5Screate_simple(1, &extent, nullptr), what);
      check_hdf5(H5Dwrite(made.get(), type.get(), memory.get(), space.get(), H5P_DEFAULT, padded.data()), what);
    }
  }

  void numbers(const std::string& path, const std::vector<std::uint64_t>& values, const std::string& meaning,
               const std::string& unit) {
    ColumnSpec words;
    words.unit = unit;
    words.meaning = meaning;
    const Hdf5Dataset made = dataset(path, H5T_STD_U64LE, values.size(), words);
    if (values.empty()) return;
    check_hdf5(H5Dwrite(made.get(), H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
               "cannot write the values of " + path);
  }

  void close(const std::string& what) { file_.close(what); }

 private:
  Hdf5File file_;
  Hdf5Properties links_, group_properties_, dataset_properties_;
  std::set<std::string> groups_;
};

Hdf5Properties access_properties() {
  silence_hdf5();
  Hdf5Properties access(H5Pcreate(H5P_FILE_ACCESS), "cannot make HDF5 file properties");
  check_hdf5(H5Pset_fapl_sec2(access.get()), "cannot choose the HDF5 file driver");
  check_hdf5(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V18, H5F_LIBVER_V18), "cannot choose the HDF5 version");
  check_hdf5(H5Pset_alignment(access.get(), kAlignment, kAlignment), "cannot set the HDF5 alignment");
  // One process opens the file through HDF5, and parallel file systems are often mounted without flock.
  check_hdf5(H5Pset_file_locking(access.get(), false, true), "cannot turn HDF5 file locking off");
  return access;
}

// A name of an HDF5 link is what lies between two slashes: a column whose name holds one would become a group.
void check_path(const std::string& path) {
  const auto slashes = static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
  const std::size_t expected = path.starts_with("/persons/") ? 2 : path.starts_with("/events/") ? 3 : 0;
  if (slashes != expected || path.ends_with("/") || path.ends_with("/.") || path.ends_with("/..") ||
      path.find('\0') != std::string::npos) {
    throw Error("not the path of a column: " + path);
  }
}

// Creates the file with every column laid out and the dictionaries written; returns where each column lies.
std::vector<std::uint64_t> create_dataset(const std::filesystem::path& path, const std::vector<ColumnSpec>& columns,
                                          const std::vector<Dictionary>& dictionaries) {
  std::filesystem::create_directories(path.parent_path());
  std::filesystem::remove(path);
  const std::string what = "cannot create " + path.string();
  const Hdf5Properties access = access_properties();
  const Hdf5Properties create(H5Pcreate(H5P_FILE_CREATE), what);
  describe_compactly(create.get());
  check_hdf5(H5Pset_link_phase_change(create.get(), kCompact, kCompact), what);
  Hdf5Writer writer(Hdf5File(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, create.get(), access.get()), what));

  std::vector<std::uint64_t> offsets;
  for (const ColumnSpec& column : columns) {
    check_path(column.path);
    Hdf5Type text;
    if (column.type == StoredType::text32) text = hdf5_text_type(kPseudonymWidth);
    const hid_t type = column.type == StoredType::text32 ? text.get() : hdf5_numeric_type(column.type);
    const Hdf5Dataset made = writer.dataset(column.path, type, column.rows, column);
    const haddr_t offset = column.rows == 0 ? 0 : H5Dget_offset(made.get());
    if (offset == HADDR_UNDEF) throw_hdf5("HDF5 gave no place in the file to the column " + column.path);
    offsets.push_back(offset);
  }
  for (const Dictionary& dictionary : dictionaries) {
    writer.texts(dictionary.path, dictionary.values, "values in byte order; a code is an index into them, from 0");
  }
  writer.close(what);
  return offsets;
}

// Runs rank 0's part of a step; every rank throws what it threw.
template <typename Step>
void on_root(const Communicator& comm, const Step& step) {
  std::optional<std::string> problem;
  int exit_code = kExitFailed;
  if (comm.is_root()) {
    try {
      step();
    } catch (const Error& error) {
      problem = error.what();
      exit_code = error.exit_code();
    } catch (const std::exception& error) {
      problem = error.what();
    }
  }
  comm.broadcast_value(exit_code);
  comm.agree(problem, exit_code);
}

}  // namespace

std::size_t stored_bytes(StoredType type) noexcept {
  return kTypes[static_cast<std::size_t>(type)].bytes;
}

StoredType code_type(std::size_t values) noexcept {
  if (values < std::numeric_limits<std::uint8_t>::max()) return StoredType::u8;
  if (values < std::numeric_limits<std::uint16_t>::max()) return StoredType::u16;
  return StoredType::u32;
}

std::uint64_t missing_code(StoredType type) noexcept {
  return (std::uint64_t{1} << (8 * stored_bytes(type))) - 1;
}

std::string_view stored_type_name(StoredType type) noexcept {
  return kTypes[static_cast<std::size_t>(type)].name;
}

DatasetWriter::DatasetWriter(const Communicator& comm, const std::filesystem::path& publish,
                             std::vector<ColumnSpec> columns, std::vector<Dictionary> dictionaries)
    : partial_(publish / (std::string(kDatasetFile) + ".partial")),
      final_(publish / kDatasetFile),
      columns_(std::move(columns)) {
  offsets_.resize(columns_.size());
  on_root(comm, [&] {
    owns_partial_ = true;
    offsets_ = create_dataset(partial_, columns_, dictionaries);
    File::open_update(partial_).allocate();  // in one piece, and a full disk is found before the work is done
  });
  std::vector<std::byte> bytes(offsets_.size() * sizeof(std::uint64_t));
  if (!bytes.empty()) std::memcpy(bytes.data(), offsets_.data(), bytes.size());
  comm.broadcast(bytes);
  if (!bytes.empty()) std::memcpy(offsets_.data(), bytes.data(), bytes.size());

  std::optional<std::string> problem;
  try {
    file_ = File::open_update(partial_);
    writes_.emplace(file_, write_strategy());
  } catch (const Error& error) {
    problem = error.what();
  }
  comm.agree(problem);
}

DatasetWriter::~DatasetWriter() {
  std::error_code ignored;
  if (owns_partial_) std::filesystem::remove(partial_, ignored);
}

std::uint64_t DatasetWriter::place_of(std::size_t column, std::uint64_t first_row, std::size_t bytes) const {
  const ColumnSpec& spec = columns_.at(column);
  const std::size_t width = stored_bytes(spec.type);
  const std::uint64_t rows = bytes / width;
  // Past its end lies the next column, so a write is checked however sure its caller is.
  if (rows * width != bytes || first_row > spec.rows || rows > spec.rows - first_row) {
    throw Error("rows written outside the column " + spec.path);
  }
  return offsets_[column] + first_row * width;
}

void DatasetWriter::write(std::size_t column, std::uint64_t first_row, std::span<const std::byte> bytes) {
  const std::uint64_t place = place_of(column, first_row, bytes.size());
  if (!bytes.empty()) writes_->write_at(place, bytes);
}

void DatasetWriter::write(std::size_t column, std::uint64_t first_row, std::span<const std::byte> bytes,
                          std::shared_ptr<const void> owner) {
  const std::uint64_t place = place_of(column, first_row, bytes.size());
  if (!bytes.empty()) writes_->write_from(place, bytes, std::move(owner));
}

void DatasetWriter::finish(const Communicator& comm, const Attributes& attributes,
                           std::span<const SmallColumn> provenance) {
  // Each rank syncs what it wrote: on a parallel file system one client's fsync says nothing of another's pages.
  std::optional<std::string> problem;
  try {
    writes_->finish();
    writes_.reset();
    file_.sync();
    file_.close();
  } catch (const Error& error) {
    problem = error.what();
  }
  comm.agree(problem);

  on_root(comm, [&] {
    const std::string what = "cannot finish " + partial_.string();
    const Hdf5Properties access = access_properties();
    // Attributes and small tables are new objects: HDF5 appends them and never touches the columns' bytes.
    Hdf5Writer writer(Hdf5File(H5Fopen(partial_.c_str(), H5F_ACC_RDWR, access.get()), what));
    writer.root_attributes(attributes);
    for (const SmallColumn& column : provenance) {
      if (const auto* texts = std::get_if<std::vector<std::string>>(&column.values)) {
        writer.texts(column.path, *texts, column.meaning);
      } else {
        writer.numbers(column.path, std::get<std::vector<std::uint64_t>>(column.values), column.meaning, column.unit);
      }
    }
    writer.close(what);
    File file = File::open_update(partial_);
    file.sync();
    file.close();
  });
}

void DatasetWriter::name(const Communicator& comm) {
  on_root(comm, [&] {
    rename_durably(partial_, final_);
    owns_partial_ = false;
  });
}

}  // namespace ligature
