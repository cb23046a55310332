// The yardstick of bench/release.sh: reads columns of a dataset as any program of a recipient does, whole and one after
// another, through the HDF5 library into memory.
//
//   read_columns FILE COLUMN...      COLUMN: /persons/sex
//
// Prints the columns and bytes read.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include "io/hdf5_handle.hpp"

namespace {

using namespace ligature;

std::vector<std::vector<unsigned char>> read_columns(const std::string& path, std::span<char*> names) {
  const Hdf5File file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), "cannot open " + path);
  std::vector<std::vector<unsigned char>> columns;
  for (const std::string name : names) {
    const std::string what = "cannot read " + name;
    const Hdf5Dataset column(H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT), what);
    const Hdf5Space space(H5Dget_space(column.get()), what);
    const Hdf5Type stored(H5Dget_type(column.get()), what);
    const Hdf5Type type(H5Tget_native_type(stored.get(), H5T_DIR_DEFAULT), what);
    const auto values = static_cast<std::size_t>(H5Sget_simple_extent_npoints(space.get()));
    columns.emplace_back(values * H5Tget_size(type.get()));
    check_hdf5(H5Dread(column.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, columns.back().data()), what);
  }
  return columns;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) {
    std::fputs("read_columns FILE COLUMN...\n", stderr);
    return 2;
  }
  try {
    std::uint64_t bytes = 0;
    const auto columns = read_columns(arguments[1], std::span(arguments + 2, static_cast<std::size_t>(count - 2)));
    for (const auto& column : columns) bytes += column.size();
    std::printf("%zu columns, %llu bytes\n", columns.size(), static_cast<unsigned long long>(bytes));
    return 0;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "read_columns: %s\n", problem.what());
    return 1;
  }
}
