// What share of the disk's own rate does publishing reach?  In one run, on one disk: raw O_DIRECT writes, then columns
// of random events through the dataset writer (laid out by HDF5, written in place, digested, synced), direct and
// buffered.  LIGATURE_BENCH_FOLDER names the folder to write in; the default is the working folder.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <unistd.h>

#include "io/dataset.hpp"
#include "io/direct_writer.hpp"
#include "io/files.hpp"
#include "partition/communicator.hpp"

namespace ligature {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kRows = std::uint64_t{32} << 20;
constexpr std::size_t kRawPiece = std::size_t{8} << 20;
constexpr std::uint64_t kRowsAtOnce = std::uint64_t{1} << 20;  // of a bucket

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<ColumnSpec> columns() {
  return {{"/events/gp/person", StoredType::u32, kRows, "", "", "", ""},
          {"/events/gp/date", StoredType::u16, kRows, "", "", "", ""},
          {"/events/gp/provider", StoredType::u16, kRows, "", "", "", ""},
          {"/events/gp/code", StoredType::u16, kRows, "", "", "", ""},
          {"/events/gp/offsets", StoredType::u64, kRows / 8, "", "", "", ""},
          {"/persons/pseudonym", StoredType::text32, kRows / 8, "", "", "", ""}};
}

std::uint64_t all_bytes() {
  std::uint64_t bytes = 0;
  for (const ColumnSpec& column : columns()) bytes += column.rows * stored_bytes(column.type);
  return bytes;
}

// Megabytes a second, the sync included.
double raw(const std::filesystem::path& path, std::uint64_t bytes) {
  const std::unique_ptr<std::byte, decltype(&std::free)> piece(
      static_cast<std::byte*>(std::aligned_alloc(DirectWriter::kBlockBytes, kRawPiece)), &std::free);
  std::fill_n(piece.get(), kRawPiece, std::byte{'x'});
  const Clock::time_point start = Clock::now();
  {
    const File file = File::create(path, 0600);
    const File direct = File::open_direct(path);
    const File& target = direct.is_open() ? direct : file;
    for (std::uint64_t done = 0; done < bytes; done += kRawPiece) target.write_at(done, {piece.get(), kRawPiece});
    file.sync();
  }
  const double seconds = seconds_since(start);
  std::filesystem::remove(path);
  return static_cast<double>(bytes) / seconds / 1e6;
}

double dataset(const Communicator& comm, const std::filesystem::path& folder, const std::vector<std::byte>& values) {
  const Clock::time_point start = Clock::now();
  {
    const std::vector<ColumnSpec> specs = columns();
    DatasetWriter writer(comm, folder, specs, {});
    ContentDigest digest(specs.size());
    for (std::size_t c = 0; c < specs.size(); ++c) {
      const std::size_t width = stored_bytes(specs[c].type);
      ShardId shard = 0;
      for (std::uint64_t row = 0; row < specs[c].rows; row += kRowsAtOnce) {
        const auto bytes = std::span(values).first(std::min(kRowsAtOnce, specs[c].rows - row) * width);
        writer.write(c, row, bytes);
        digest.set(c, shard++, bytes);
      }
    }
    writer.finish(comm, {}, {});
  }
  const double seconds = seconds_since(start);
  std::filesystem::remove(folder / kDatasetFile);
  return static_cast<double>(all_bytes()) / seconds / 1e6;
}

int run() {
  const Communicator comm = Communicator::world();
  const char* const wanted = std::getenv("LIGATURE_BENCH_FOLDER");
  const std::filesystem::path folder =
      std::filesystem::path(wanted == nullptr ? "." : wanted) / ("publish_bench." + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  std::vector<std::byte> values(kRowsAtOnce * 32);
  std::mt19937_64 random(1);
  for (std::byte& value : values) value = static_cast<std::byte>(random());
  std::printf("%.2f GB; rates in MB/s\nraw O_DIRECT  direct  share  buffered  share\n",
              static_cast<double>(all_bytes()) / 1e9);
  for (int repeat = 0; repeat < 5; ++repeat) {
    const double disk = raw(folder / "raw", all_bytes());
    ::setenv("LIGATURE_WRITES", "direct", 1);
    const double direct = dataset(comm, folder, values);
    ::setenv("LIGATURE_WRITES", "buffered", 1);
    const double buffered = dataset(comm, folder, values);
    std::printf("%12.0f  %6.0f  %4.0f %%  %8.0f  %4.0f %%\n", disk, direct, 100 * direct / disk, buffered,
                100 * buffered / disk);
    std::fflush(stdout);
  }
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace ligature

int main(int argc, char** argv) {
  const ligature::MpiEnvironment environment(argc, argv);
  return ligature::run();
}
