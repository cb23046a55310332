// The secure index as CSV (RFC 4180): one line a kept row, saying which person it was put to.  Secure use only.
//
// Every rank formats its share of the index twice, first to know its size and so where its lines begin, then to write
// them in place: nothing is gathered, and the lines are in input order whatever the number of ranks.
#include <string>
#include <string_view>

#include "engine/error.hpp"
#include "engine/pseudonym.hpp"
#include "io/files.hpp"
#include "io/manifest.hpp"
#include "io/part_files.hpp"
#include "io/secure_index.hpp"
#include "jobs/jobs.hpp"

namespace ligature {

namespace {

constexpr std::string_view kHeader = "dataset,row_id,person\n";
constexpr std::size_t kPieceBytes = std::size_t{4} << 20;

// A field as RFC 4180 has it: quoted where it holds a comma, a quote or a line end.
void append_field(std::string& line, std::string_view text) {
  if (text.find_first_of("\",\r\n") == std::string_view::npos) {
    line += text;
    return;
  }
  line += '"';
  for (const char c : text) {
    if (c == '"') line += '"';
    line += c;
  }
  line += '"';
}

// Calls visit(line) for every row of this rank's share.
template <typename Visit>
void for_each_line(const Communicator& comm, const std::filesystem::path& secure, const Manifest& manifest,
                   const Visit& visit) {
  std::string line;
  read_secure_index(secure, comm.rank(), comm.size(), [&](const IndexRow& row) {
    if (row.dataset >= manifest.datasets.size()) throw Error("the secure index names a dataset that the run has not");
    line.clear();
    append_field(line, manifest.datasets[row.dataset].name);
    line += ',';
    append_field(line, row.row_id);
    line += ',';
    line += hex(row.person);
    line += '\n';
    visit(line);
  });
}

// The folder's real path, with links resolved and a slash at its end: one lies in another if it begins with it.
std::string real_folder(const std::filesystem::path& folder) {
  return std::filesystem::weakly_canonical(std::filesystem::absolute(folder)).string() + "/";
}

}  // namespace

int export_index(const Communicator& comm, const std::filesystem::path& run, const std::filesystem::path& out) {
  const std::filesystem::path publish = find_run(run);
  const Manifest manifest = read_manifest(publish);
  const std::filesystem::path secure = secure_folder(manifest, publish);
  const std::filesystem::path target = std::filesystem::absolute(out);
  std::error_code ignored;
  if (target.filename().empty() || std::filesystem::is_directory(target, ignored)) {
    throw UsageError("--index names a folder; give the file to write: " + out.string());
  }
  // The row ids of an extract are not for publication.  The folder decides: the file's own name, were it a link, is
  // replaced by the rename.
  if (real_folder(target.parent_path()).starts_with(real_folder(publish))) {
    throw UsageError("--index must not lie in the publish folder: " + out.string());
  }
  if (!std::filesystem::is_directory(target.parent_path(), ignored)) {
    throw UsageError("--index: there is no folder " + target.parent_path().string());
  }

  const std::filesystem::path partial = target.string() + ".partial";
  std::uint64_t bytes = 0;
  agreed_step(comm,
              [&] { for_each_line(comm, secure, manifest, [&](const std::string& line) { bytes += line.size(); }); });
  std::uint64_t offset = kHeader.size() + comm.exclusive_sum(bytes);
  agreed_step(comm, [&] {
    if (comm.is_root()) File::create(partial, 0600).write_at(0, std::as_bytes(std::span(kHeader)));
  });
  agreed_step(comm, [&] {
    File file = File::open_update(partial);
    std::string piece;
    const auto write_piece = [&] {
      file.write_at(offset, std::as_bytes(std::span(piece)));
      offset += piece.size();
      piece.clear();
    };
    for_each_line(comm, secure, manifest, [&](const std::string& line) {
      piece += line;
      if (piece.size() >= kPieceBytes) write_piece();
    });
    write_piece();
    file.sync();
    file.close();
  });
  agreed_step(comm, [&] {
    if (comm.is_root()) rename_durably(partial, target);
  });
  return kExitDone;
}

}  // namespace ligature
