// Files that are whole and on their way to the disk while the caller goes on: a sync waits for whatever else the file
// system has to write first.
#pragma once

#include <future>
#include <utility>
#include <vector>

#include "io/files.hpp"

namespace ligature {

// At the end of its life it waits, and what a file met is lost: call wait() before its name is given.
class LaterSyncs {
 public:
  // Syncs and closes the file on a thread of its own.
  void add(File file) {
    syncs_.push_back(std::async(std::launch::async, [synced = std::move(file)]() mutable {
      synced.sync();
      synced.close();
    }));
  }
  // Throws what the first of them met that met anything.
  void wait() {
    for (std::future<void>& sync : std::exchange(syncs_, {})) sync.get();
  }

 private:
  std::vector<std::future<void>> syncs_;
};

}  // namespace ligature
