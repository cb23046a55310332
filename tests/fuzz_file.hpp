// A file that holds an input of a fuzz target, for readers that take a path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>

#include <stdlib.h>

#include "io/files.hpp"

namespace ligature::testing {

// A folder of this process, removed with what it holds when the process ends in good order.
class FuzzFolder {
 public:
  FuzzFolder() {
    std::string path = (std::filesystem::temp_directory_path() / "ligature-fuzz-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) std::abort();
    path_ = path;
  }
  ~FuzzFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  FuzzFolder(const FuzzFolder&) = delete;
  FuzzFolder& operator=(const FuzzFolder&) = delete;

  // Writes a file of the folder anew.
  void write(const std::filesystem::path& name, std::span<const std::byte> bytes) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    File::create(path_ / name, 0600).write_at(0, bytes);
  }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace ligature::testing
