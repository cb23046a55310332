#include "io/checkpoint.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "io/part_files.hpp"

namespace ligature {

namespace {

namespace fs = std::filesystem;

// The manifest's pieces: which files the checkpoint is made of, and what the stage has to say.
enum ManifestKind : std::uint64_t { kFiles, kAccount };

fs::path manifest_path(const fs::path& folder) {
  return folder / "stage.lck";
}

fs::path file_path(const fs::path& folder, std::uint64_t file) {
  return folder / fmt::format("{:05}.lck", file);
}

struct StageManifest {
  std::vector<CheckpointFileId> files;
  std::string account;
};

StageManifest read_stage_manifest(const fs::path& folder) {
  const CheckpointFileReader file(manifest_path(folder));
  const auto& pieces = file.pieces();
  if (pieces.size() != 2 || pieces[0].kind != kFiles || pieces[1].kind != kAccount ||
      pieces[0].bytes / sizeof(CheckpointFileId) != pieces[0].items ||
      pieces[0].bytes % sizeof(CheckpointFileId) != 0) {
    throw DamagedCheckpoint(manifest_path(folder).string() + ": it is no manifest");
  }
  StageManifest manifest;
  std::vector<std::byte> bytes;
  file.read(0, bytes);
  manifest.files.resize(pieces[0].items);
  if (!bytes.empty()) std::memcpy(manifest.files.data(), bytes.data(), bytes.size());
  file.read(1, bytes);
  manifest.account.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return manifest;
}

}  // namespace

std::string read_account(const fs::path& folder) {
  return read_stage_manifest(folder).account;
}

CheckpointWriter::CheckpointWriter(const Communicator& comm, fs::path folder, bool scrub)
    : comm_(comm), folder_(std::move(folder)) {
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    fs::remove(manifest_path(folder_));  // first of all: from here on it is none
    if (scrub && fs::exists(folder_)) {
      for (const auto& entry : fs::directory_iterator(folder_)) scrub_file(entry.path());
    }
    fs::remove_all(folder_);
    make_private_directory(folder_);
  });
  agreed_step(comm, [&] { file_.emplace(file_path(folder_, static_cast<std::uint64_t>(comm.rank())), scrub); });
}

std::uint64_t CheckpointWriter::commit(const std::string& account, const std::function<void()>& about_to_name) {
  CheckpointFileId mine;
  agreed_step(comm_, [&] { mine = file_->finish(); });
  const std::vector<CheckpointFileId> files = comm_.all_gather(std::span<const CheckpointFileId>(&mine, 1));
  about_to_name();
  agreed_step(comm_, [&] {
    if (!comm_.is_root()) return;
    const fs::path partial = manifest_path(folder_).string() + ".partial";
    CheckpointFileWriter manifest(partial);
    manifest.add(kFiles, files.size(), std::as_bytes(std::span(files)));
    manifest.add(kAccount, 1, std::as_bytes(std::span(account)));
    manifest.finish();
    sync_folder(folder_);  // the names of the files it speaks of
    rename_durably(partial, manifest_path(folder_));
    sync_folder(folder_.parent_path());
  });
  std::uint64_t bytes = 0;
  for (const CheckpointFileId& file : files) bytes += file.bytes;
  return bytes;
}

CheckpointReader::CheckpointReader(const Communicator& comm, fs::path folder)
    : folder_(std::move(folder)), rank_(comm.rank()), ranks_(comm.size()) {
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    StageManifest manifest = read_stage_manifest(folder_);
    files_ = std::move(manifest.files);
    account_ = std::move(manifest.account);
  });
  files_ = comm.all_gather(std::span<const CheckpointFileId>(files_));  // the root's alone
  comm.broadcast(account_);

  std::vector<Place> places;
  agreed_step(comm, [&] {
    const Range mine = share_of(files_.size(), comm.rank(), comm.size());
    for (std::uint64_t f = mine.begin; f < mine.end; ++f) {
      const CheckpointFileReader file(file_path(folder_, f), files_[f]);
      for (std::uint32_t p = 0; p < file.pieces().size(); ++p) {
        const CheckpointPiece& piece = file.pieces()[p];
        places.push_back({static_cast<std::uint32_t>(f), p, piece.kind, piece.items, piece.bytes});
      }
    }
  });
  places_ = comm.all_gather(std::span<const Place>(places));
}

std::uint64_t CheckpointReader::items(std::uint64_t kind) const noexcept {
  std::uint64_t items = 0;
  for (const Place& place : places_) items += place.kind == kind ? place.items : 0;
  return items;
}

std::uint64_t CheckpointReader::bytes(std::uint64_t kind) const noexcept {
  std::uint64_t bytes = 0;
  for (const Place& place : places_) bytes += place.kind == kind ? place.bytes : 0;
  return bytes;
}

void CheckpointReader::read(const Place& place, std::vector<std::byte>& bytes) const {
  if (open_file_ != place.file) {
    open_file_.reset();
    open_.emplace(file_path(folder_, place.file), files_[place.file]);
    open_file_ = place.file;
  }
  open_->read(place.piece, bytes);
}

void CheckpointReader::for_each_dealt(std::uint64_t kind,
                                      const std::function<void(std::uint64_t, std::span<const std::byte>)>& visit,
                                      const std::optional<Part>& part) const {
  const std::uint64_t total = part ? part->total : bytes(kind);
  std::uint64_t before = part ? part->begin : 0;
  std::vector<std::byte> read_bytes;
  for (const Place& place : places_) {
    if (place.kind != kind) continue;
    // The rank in whose share the middle of the piece lies.
    const int rank = total == 0 ? 0 : owner_in_shares(std::min(before + place.bytes / 2, total - 1), total, ranks_);
    before += place.bytes;
    if (rank != rank_) continue;
    read(place, read_bytes);
    visit(place.items, read_bytes);
  }
}

void CheckpointReader::for_each_at(
    std::uint64_t kind, Range positions,
    const std::function<void(std::uint64_t, std::span<const std::byte>, Range)>& visit) const {
  std::uint64_t first = 0;
  std::vector<std::byte> bytes;
  for (const Place& place : places_) {
    if (place.kind != kind) continue;
    const Range here{first, first + place.items};
    first = here.end;
    const Range wanted{std::max(here.begin, positions.begin), std::min(here.end, positions.end)};
    if (wanted.begin >= wanted.end) continue;
    read(place, bytes);
    visit(place.items, bytes, {wanted.begin - here.begin, wanted.end - here.begin});
  }
}

bool is_checkpoint(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(manifest_path(folder), ignored);
}

}  // namespace ligature
