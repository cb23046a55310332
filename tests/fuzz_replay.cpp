// Replays a corpus through a fuzz target without libFuzzer, so that every build and compiler runs the found inputs.
//
// Usage: fuzz_x FOLDER...   Every regular file below each folder is one input, in order of its path.  A folder that
// gives no file is an error: a corpus that has moved would otherwise pass unnoticed.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::filesystem::path> inputs_below(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  if (files.empty()) throw std::runtime_error("no input file below " + folder.string());
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::uint8_t> read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (!stream) throw std::runtime_error("cannot read " + path.string());
  return {text.begin(), text.end()};
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) throw std::runtime_error("usage: fuzz target FOLDER...");
  std::size_t replayed = 0;
  for (int i = 1; i < argc; ++i) {
    for (const std::filesystem::path& path : inputs_below(argv[i])) {
      // Named before it runs: a crash then says which input did it.
      std::fprintf(stderr, "%s\n", path.c_str());
      const std::vector<std::uint8_t> input = read_file(path);
      LLVMFuzzerTestOneInput(input.data(), input.size());
      ++replayed;
    }
  }
  std::printf("%zu inputs replayed\n", replayed);
  return 0;
} catch (const std::exception& failure) {
  std::fprintf(stderr, "fuzz replay: %s\n", failure.what());
  return 1;
}
