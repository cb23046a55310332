// The checkpoint of a stage: a folder with one file a rank, and a manifest that is named when all of them are on the
// disk.  What has no manifest under its name is no checkpoint, however much of it there is.
//
// Pieces of one kind are in the order of the ranks that wrote them, and in each rank's order.  Any number of ranks
// reads them back: by position, where a kind has an item a position, or dealt in runs of about equal bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "io/checkpoint_file.hpp"
#include "partition/communicator.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

class CheckpointWriter {
 public:
  // Collective.  Makes the folder anew; what was in it counts no more.  scrub: whatever is removed, now or by restart
  // of the file, is overwritten first.
  CheckpointWriter(const Communicator& comm, std::filesystem::path folder, bool scrub = false);

  // This rank's file.
  [[nodiscard]] CheckpointFileWriter& file() noexcept { return *file_; }
  // Items one after the other, in pieces.
  template <typename T>
  void add_items(std::uint64_t kind, std::span<T> items) {
    static_assert(std::is_trivially_copyable_v<T>);
    constexpr std::size_t kAtOnce = (std::size_t{1} << 20) / sizeof(T);
    for (std::size_t begin = 0; begin < items.size(); begin += kAtOnce) {
      const auto piece = items.subspan(begin, std::min(kAtOnce, items.size() - begin));
      file_->add(kind, piece.size(), std::as_bytes(piece));
    }
  }

  // Collective.  All files are on the disk; then the checkpoint counts.  account: what the stage has to say beside its
  // pieces, the root's.  about_to_name is called when only the name is missing.  Returns the bytes of all ranks.
  std::uint64_t commit(const std::string& account, const std::function<void()>& about_to_name);

 private:
  const Communicator& comm_;
  std::filesystem::path folder_;
  std::optional<CheckpointFileWriter> file_;
};

class CheckpointReader {
 public:
  // Collective.  Throws Error on every rank alike, if the manifest or a file's table is not as it was written.
  CheckpointReader(const Communicator& comm, std::filesystem::path folder);

  [[nodiscard]] const std::string& account() const noexcept { return account_; }
  // How many items of a kind there are, over all files.
  [[nodiscard]] std::uint64_t items(std::uint64_t kind) const noexcept;

  // Bytes of a kind, over all files.
  [[nodiscard]] std::uint64_t bytes(std::uint64_t kind) const noexcept;

  // Where a checkpoint is dealt as a part of several: so many bytes of the kind are before it, and in all.
  struct Part {
    std::uint64_t begin = 0, total = 0;
  };
  // Calls visit(items, bytes) for this rank's run of pieces of a kind, in order.  Throws on this rank alone.
  void for_each_dealt(std::uint64_t kind, const std::function<void(std::uint64_t, std::span<const std::byte>)>& visit,
                      const std::optional<Part>& part = std::nullopt) const;
  // This rank's run of items of a kind.  Throws on this rank alone.
  template <typename T>
  [[nodiscard]] std::vector<T> dealt(std::uint64_t kind) const {
    std::vector<T> result;
    for_each_dealt(kind, [&](std::uint64_t items, std::span<const std::byte> bytes) {
      append(result, items, bytes, {0, items});
    });
    return result;
  }
  // The items of a kind at these positions.  Throws on this rank alone.
  template <typename T>
  [[nodiscard]] std::vector<T> at(std::uint64_t kind, Range positions) const {
    std::vector<T> result;
    result.reserve(positions.size());
    for_each_at(kind, positions, [&](std::uint64_t items, std::span<const std::byte> bytes, Range wanted) {
      append(result, items, bytes, wanted);
    });
    if (result.size() != positions.size()) throw DamagedCheckpoint(folder_.string() + ": it holds too little");
    return result;
  }

 private:
  struct Place {
    std::uint32_t file = 0, piece = 0;
    std::uint64_t kind = 0, items = 0, bytes = 0;
  };
  static_assert(sizeof(Place) == 32);

  void read(const Place& place, std::vector<std::byte>& bytes) const;
  void for_each_at(std::uint64_t kind, Range positions,
                   const std::function<void(std::uint64_t, std::span<const std::byte>, Range)>& visit) const;
  template <typename T>
  void append(std::vector<T>& result, std::uint64_t items, std::span<const std::byte> bytes, Range wanted) const {
    static_assert(std::is_trivially_copyable_v<T>);
    if (bytes.size() / sizeof(T) != items || bytes.size() % sizeof(T) != 0) {
      throw DamagedCheckpoint(folder_.string() + ": it holds something else");
    }
    const std::size_t before = result.size();
    result.resize(before + wanted.size());
    if (wanted.size() > 0) {
      std::memcpy(result.data() + before, bytes.data() + wanted.begin * sizeof(T), wanted.size() * sizeof(T));
    }
  }

  std::filesystem::path folder_;
  int rank_, ranks_;
  std::string account_;
  std::vector<CheckpointFileId> files_;
  std::vector<Place> places_;  // of all files, in order
  mutable std::optional<std::uint32_t> open_file_;
  mutable std::optional<CheckpointFileReader> open_;
};

// True if a checkpoint of that folder counts.
bool is_checkpoint(const std::filesystem::path& folder);

// The account of a checkpoint; its pieces are not looked at.  Throws Error.
std::string read_account(const std::filesystem::path& folder);

}  // namespace ligature
