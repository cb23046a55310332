// What the tests of scoring share: a folder with files that all ranks see.
#pragma once

#include <cstdint>
#include <string>

#include "io/files.hpp"
#include "partition/communicator.hpp"
#include "tests/shared_folder.hpp"

namespace ligature {

// "r7".  (Appending: g++ 12 warns of an overlap that is not there in numbered("r", 7).)
inline std::string numbered(std::string name, std::uint64_t number) {
  return name.append(std::to_string(number));
}

// A shared folder with files in it.
class Folder : public SharedFolder {
 public:
  explicit Folder(const Communicator& comm) : SharedFolder(comm), comm_(comm) {}

  // Collective.  Written by rank 0, there for all afterwards.
  [[nodiscard]] std::string write(const std::string& name, const std::string& text) const {
    comm_.barrier();
    if (comm_.is_root()) write_file_durably(path() / name, text, 0600);
    comm_.barrier();
    return (path() / name).string();
  }

 private:
  const Communicator& comm_;
};

}  // namespace ligature
