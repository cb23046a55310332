// A fresh folder that all ranks of a test see, removed when the test ends.
#pragma once

#include <filesystem>
#include <string>

#include <stdlib.h>

#include "engine/error.hpp"
#include "partition/communicator.hpp"

namespace ligature {

class SharedFolder {
 public:
  // Collective.
  explicit SharedFolder(const Communicator& comm) : comm_(comm) {
    std::string path;
    if (comm.is_root()) {
      path = (std::filesystem::temp_directory_path() / "ligature-test-XXXXXX").string();
      if (::mkdtemp(path.data()) == nullptr) throw Error("cannot make a folder for a test");
    }
    comm.broadcast(path);
    path_ = path;
  }
  // Collective.
  ~SharedFolder() {
    comm_.barrier();
    std::error_code ignored;
    if (comm_.is_root()) std::filesystem::remove_all(path_, ignored);
  }
  SharedFolder(const SharedFolder&) = delete;
  SharedFolder& operator=(const SharedFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  const Communicator& comm_;
  std::filesystem::path path_;
};

}  // namespace ligature
