// The dataset's reader: HDF5 for the description, pread for the data.
#include "io/dataset_reader.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <mutex>

#include "engine/error.hpp"
#include "io/hdf5_handle.hpp"
#include "io/hdf5_tree.hpp"

namespace ligature {

namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
constexpr std::uint64_t kWholeDictionaryBytes = std::uint64_t{4} << 30;
constexpr std::size_t kDeepest = 4;             // "/events/<name>/<column>" is 3 deep
constexpr std::size_t kMostObjects = 1U << 20;  // a file that links to itself has no end of paths

// A one-dimensional table of the file.
struct Table {
  std::string path;
  Hdf5Dataset dataset;
  std::optional<StoredType> type;  // none: text of some other width
  std::size_t width = 0;
  std::uint64_t rows = 0;
  std::optional<std::uint64_t> offset;  // where the raw data lies, if contiguous
};

std::optional<StoredType> stored_type(hid_t type) {
  for (auto code = static_cast<unsigned>(StoredType::u8); code < static_cast<unsigned>(StoredType::text32); ++code) {
    const auto candidate = static_cast<StoredType>(code);
    if (H5Tequal(type, hdf5_numeric_type(candidate)) > 0) return candidate;
  }
  return std::nullopt;
}

std::string text_attribute(const Attributes& attributes, std::string_view name) {
  for (const auto& [key, value] : attributes) {
    if (key != name) continue;
    const auto* text = std::get_if<std::string>(&value);
    return text != nullptr ? *text : std::to_string(std::get<std::uint64_t>(value));
  }
  return {};
}

// Opens a dataset as a table; nullopt if it is of a kind that this format does not have.
std::optional<Table> open_table(Hdf5Dataset dataset, const std::string& path, const std::filesystem::path& file,
                                std::uint64_t file_bytes) {
  const std::string what = "cannot read the description of " + path + " in " + file.string();
  Table table;
  table.path = path;
  const Hdf5Space space(H5Dget_space(dataset.get()), what);
  hsize_t rows = 0;
  if (H5Sget_simple_extent_ndims(space.get()) != 1) return std::nullopt;
  check_hdf5(H5Sget_simple_extent_dims(space.get(), &rows, nullptr), what);
  table.rows = rows;

  const Hdf5Type type(H5Dget_type(dataset.get()), what);
  table.width = H5Tget_size(type.get());
  const H5T_class_t kind = H5Tget_class(type.get());
  if (kind == H5T_STRING) {
    if (check_hdf5(H5Tis_variable_str(type.get()), what) > 0) return std::nullopt;
    if (table.width == stored_bytes(StoredType::text32) && path.starts_with("/persons/")) {
      table.type = StoredType::text32;
    }
  } else if (table.type = stored_type(type.get()); !table.type) {
    return std::nullopt;
  }
  if (table.width == 0 || table.width > file_bytes) throw Error(what + ": impossible width");

  const Hdf5Properties properties(H5Dget_create_plist(dataset.get()), what);
  const H5D_layout_t layout = H5Pget_layout(properties.get());
  // Data that lies in other files is not this dataset's: the name and place of a file must not decide what is read.
  if (layout == H5D_VIRTUAL || check_hdf5(H5Pget_external_count(properties.get()), what) > 0) return std::nullopt;
  if (layout == H5D_CONTIGUOUS && rows > 0) {
    const haddr_t offset = H5Dget_offset(dataset.get());
    if (offset == HADDR_UNDEF || offset > file_bytes || rows > (file_bytes - offset) / table.width) {
      throw Error("the column " + path + " does not lie within the file " + file.string());
    }
    table.offset = offset;
  }
  table.dataset = std::move(dataset);
  return table;
}

}  // namespace

struct DatasetReader::State {
  std::filesystem::path path;
  File raw;
  std::uint64_t bytes = 0;
  Hdf5File file;
  mutable std::mutex hdf5;  // for reads that go through the library

  std::vector<Table> columns, texts, numbers;
  std::vector<ColumnSpec> specs;
  std::vector<TextColumn> text_columns;
  std::vector<std::string> events;
  Attributes attributes;
  std::vector<std::pair<std::string, std::string>> attribute_texts;
  std::vector<std::string> unexpected;
  std::vector<Range> raw_ranges;
  std::size_t objects = 0;

  void visit_group(hid_t group, const std::string& path, std::size_t depth);
  void visit_dataset(Hdf5Dataset dataset, const std::string& path, const Attributes& words);
  Attributes keep_attributes(hid_t object, const std::string& path);
  void read_rows(const Table& table, std::uint64_t first_row, std::span<std::byte> bytes) const;
};

Attributes DatasetReader::State::keep_attributes(hid_t object, const std::string& where) {
  Hdf5Attributes found = hdf5_attributes(object, where, bytes);
  for (const std::string& name : found.unexpected) unexpected.push_back(where + " attribute " + name);
  for (const auto& [name, value] : found.values) {
    attribute_texts.emplace_back(where, name);
    if (const auto* text = std::get_if<std::string>(&value)) attribute_texts.emplace_back(where, *text);
  }
  return std::move(found.values);
}

void DatasetReader::State::visit_dataset(Hdf5Dataset dataset, const std::string& where, const Attributes& words) {
  const bool column = where.starts_with("/persons/") || where.starts_with("/events/");
  std::optional<Table> table = open_table(std::move(dataset), where, path, bytes);
  if (!table) {
    if (column) throw Error("the column " + where + " of " + path.string() + " is of a kind the format does not have");
    unexpected.push_back(where);
    return;
  }
  if (column) {
    if (!table->type) throw Error("the column " + where + " of " + path.string() + " is text of an unknown width");
    ColumnSpec spec;
    spec.path = where;
    spec.type = *table->type;
    spec.rows = table->rows;
    spec.unit = text_attribute(words, "unit");
    spec.meaning = text_attribute(words, "meaning");
    spec.missing = text_attribute(words, "missing");
    spec.dictionary = text_attribute(words, "dictionary");
    spec.names = text_attribute(words, "names");
    specs.push_back(std::move(spec));
    columns.push_back(std::move(*table));
  } else if (!table->type) {
    text_columns.push_back({where, table->rows, table->width});
    texts.push_back(std::move(*table));
  } else if (*table->type == StoredType::u64) {
    numbers.push_back(std::move(*table));
  } else {
    unexpected.push_back(where);
  }
}

void DatasetReader::State::visit_group(hid_t group, const std::string& where, std::size_t depth) {
  for (const Hdf5Link& link : hdf5_links(group, where + " of " + path.string())) {
    const std::string child = (depth == 0 ? "/" : where + "/") + link.name;
    if (!link.hard || depth + 1 > kDeepest) {
      unexpected.push_back(child);
      continue;
    }
    if (++objects > kMostObjects) throw Error("too many objects in " + path.string());
    const std::string what = "cannot open " + child + " of " + path.string();
    Hdf5Object object(H5Oopen(group, link.name.c_str(), H5P_DEFAULT), what);
    const Attributes words = keep_attributes(object.get(), child);
    const H5I_type_t kind = H5Iget_type(object.get());
    if (kind == H5I_GROUP) {
      if (where == "/events") events.push_back(link.name);
      visit_group(object.get(), child, depth + 1);
    } else if (kind == H5I_DATASET) {
      visit_dataset(Hdf5Dataset(H5Dopen2(group, link.name.c_str(), H5P_DEFAULT), what), child, words);
    } else {
      unexpected.push_back(child);
    }
  }
}

void DatasetReader::State::read_rows(const Table& table, std::uint64_t first_row, std::span<std::byte> into) const {
  const std::uint64_t rows = into.size() / table.width;
  if (rows * table.width != into.size() || first_row > table.rows || rows > table.rows - first_row) {
    throw Error("rows read outside the column " + table.path);
  }
  if (rows == 0) return;
  if (table.offset) {
    raw.read_exactly_at(*table.offset + first_row * table.width, into);
    return;
  }
  const std::lock_guard lock(hdf5);
  const std::string what = "cannot read " + table.path + " of " + path.string();
  const Hdf5Space space(H5Dget_space(table.dataset.get()), what);
  const hsize_t start = first_row, extent = rows;
  check_hdf5(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, &start, nullptr, &extent, nullptr), what);
  const Hdf5Space memory(H5Screate_simple(1, &extent, nullptr), what);
  const Hdf5Type type(H5Dget_type(table.dataset.get()), what);
  check_hdf5(H5Dread(table.dataset.get(), type.get(), memory.get(), space.get(), H5P_DEFAULT, into.data()), what);
}

DatasetReader::DatasetReader(const std::filesystem::path& file) : state_(std::make_unique<State>()) {
  silence_hdf5();
  State& state = *state_;
  state.path = file;
  state.raw = File::open_read(file);
  state.bytes = state.raw.size();
  const std::string what = "cannot open the dataset " + file.string();
  const Hdf5Properties access(H5Pcreate(H5P_FILE_ACCESS), what);
  check_hdf5(H5Pset_fapl_sec2(access.get()), what);
  check_hdf5(H5Pset_file_locking(access.get(), false, true), what);  // a published file has no writer
  state.file = Hdf5File(H5Fopen(file.c_str(), H5F_ACC_RDONLY, access.get()), what);

  const Hdf5Object root(H5Oopen(state.file.get(), "/", H5P_DEFAULT), what);
  state.attributes = state.keep_attributes(root.get(), "/");
  state.visit_group(root.get(), "/", 0);
  const auto by_path = [](const auto& a, const auto& b) { return a.path < b.path; };
  std::sort(state.columns.begin(), state.columns.end(), by_path);
  std::sort(state.specs.begin(), state.specs.end(), by_path);
  std::sort(state.texts.begin(), state.texts.end(), by_path);
  std::sort(state.text_columns.begin(), state.text_columns.end(), by_path);
  std::sort(state.unexpected.begin(), state.unexpected.end());
  for (const std::vector<Table>* tables : {&state.columns, &state.texts, &state.numbers}) {
    for (const Table& table : *tables) {
      if (table.offset) state.raw_ranges.push_back({*table.offset, *table.offset + table.rows * table.width});
    }
  }
  std::sort(state.raw_ranges.begin(), state.raw_ranges.end(),
            [](const Range& a, const Range& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
}

DatasetReader::~DatasetReader() = default;

const std::filesystem::path& DatasetReader::path() const noexcept {
  return state_->path;
}
const std::vector<ColumnSpec>& DatasetReader::columns() const noexcept {
  return state_->specs;
}
const std::vector<std::string>& DatasetReader::events() const noexcept {
  return state_->events;
}
const Attributes& DatasetReader::attributes() const noexcept {
  return state_->attributes;
}
const std::vector<TextColumn>& DatasetReader::texts() const noexcept {
  return state_->text_columns;
}
const std::vector<std::string>& DatasetReader::unexpected() const noexcept {
  return state_->unexpected;
}
const std::vector<Range>& DatasetReader::raw_ranges() const noexcept {
  return state_->raw_ranges;
}
const std::vector<std::pair<std::string, std::string>>& DatasetReader::attribute_texts() const noexcept {
  return state_->attribute_texts;
}

std::optional<std::size_t> DatasetReader::find(std::string_view path) const noexcept {
  const auto& specs = state_->specs;
  const auto found = std::lower_bound(specs.begin(), specs.end(), path,
                                      [](const ColumnSpec& spec, std::string_view name) { return spec.path < name; });
  if (found == specs.end() || found->path != path) return std::nullopt;
  return static_cast<std::size_t>(found - specs.begin());
}

std::size_t DatasetReader::column(std::string_view path) const {
  if (const std::optional<std::size_t> found = find(path)) return *found;
  throw Error("no column " + std::string(path) + " in " + state_->path.string());
}

std::string DatasetReader::attribute(std::string_view name) const {
  return text_attribute(state_->attributes, name);
}

void DatasetReader::visit_texts(std::size_t index, Range rows,
                                const std::function<void(std::uint64_t, std::string_view)>& visit) const {
  const Table& table = state_->texts.at(index);
  const std::uint64_t piece = std::max<std::uint64_t>(1, kPieceBytes / table.width);
  std::vector<char> buffer;
  for (std::uint64_t first = rows.begin; first < rows.end; first += piece) {
    const std::uint64_t count = std::min(piece, rows.end - first);
    buffer.resize(count * table.width);
    state_->read_rows(table, first, std::as_writable_bytes(std::span(buffer)));
    for (std::uint64_t i = 0; i < count; ++i) {
      std::string_view value(&buffer[i * table.width], table.width);
      while (value.ends_with('\0')) value.remove_suffix(1);
      visit(first + i, value);
    }
  }
}

Dictionary DatasetReader::dictionary(std::string_view path) const {
  const auto& texts = state_->text_columns;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].path != path) continue;
    if (texts[i].rows > kWholeDictionaryBytes / texts[i].width) throw Error(texts[i].path + " is larger than 4 GiB");
    Dictionary dictionary{texts[i].path, {}};
    visit_texts(i, {0, texts[i].rows},
                [&](std::uint64_t, std::string_view value) { dictionary.values.emplace_back(value); });
    return dictionary;
  }
  throw Error("no dictionary " + std::string(path) + " in " + state_->path.string());
}

std::vector<std::uint64_t> DatasetReader::numbers(std::string_view path) const {
  for (const Table& table : state_->numbers) {
    if (table.path != path) continue;
    if (table.rows > kWholeDictionaryBytes / table.width) throw Error(table.path + " is larger than 4 GiB");
    std::vector<std::uint64_t> values(table.rows);
    state_->read_rows(table, 0, std::as_writable_bytes(std::span(values)));
    return values;
  }
  throw Error("no table " + std::string(path) + " in " + state_->path.string());
}

void DatasetReader::read(std::size_t column, std::uint64_t first_row, std::span<std::byte> bytes) const {
  state_->read_rows(state_->columns.at(column), first_row, bytes);
}

void DatasetReader::read_unsigned(std::size_t column, Range rows, std::vector<std::uint64_t>& values) const {
  const Table& table = state_->columns.at(column);
  if (table.type != StoredType::u8 && table.type != StoredType::u16 && table.type != StoredType::u32 &&
      table.type != StoredType::u64) {
    throw Error("not an unsigned column: " + table.path);
  }
  values.resize(rows.size());
  // Read into the end of the result and widened towards its beginning: the source is never behind the destination.
  const auto bytes = std::as_writable_bytes(std::span(values)).last(rows.size() * table.width);
  state_->read_rows(table, rows.begin, bytes);
  const auto widen = [&](auto narrow) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::memcpy(&narrow, bytes.data() + i * sizeof narrow, sizeof narrow);
      values[i] = narrow;
    }
  };
  if (table.width == 1) return widen(std::uint8_t{});
  if (table.width == 2) return widen(std::uint16_t{});
  if (table.width == 4) return widen(std::uint32_t{});
}

}  // namespace ligature
