// Any bytes as a file of a checkpoint, and as a piece of one: an error, or what was written; never a crash.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "io/checkpoint_file.hpp"
#include "io/row_block_record.hpp"

namespace {

using namespace ligature;

// A whole file around the bytes must be read back; the bytes themselves must not be taken for one.
void read_as_file(std::span<const std::byte> bytes) {
  const int descriptor = ::memfd_create("checkpoint", 0);
  if (descriptor < 0) std::abort();
  const File file = File::adopt(descriptor, "/proc/self/fd/" + std::to_string(descriptor));
  file.write_at(0, bytes);
  try {
    const CheckpointFileReader reader(file.path());
    std::vector<std::byte> piece;
    for (std::size_t p = 0; p < reader.pieces().size(); ++p) reader.read(p, piece);
  } catch (const DamagedCheckpoint&) {
    return;
  }
}

Inputs inputs() {
  Inputs made;
  made.datasets.push_back({"gp", {{"code", PayloadField::Role::provider, ColumnType::category, 0, 4}}, 4, true});
  made.datasets.push_back({"ae", {}, 0, false});
  made.files.resize(2);
  made.files[1].dataset = 1;
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  read_as_file(bytes);
  static const Inputs known = inputs();
  RowBlock block;
  try {
    unpack(bytes, known, block);
  } catch (const Error&) {
    return 0;
  }
  Packer packer;
  pack(block, packer);
  RowBlock again;
  unpack(packer.bytes(), known, again);
  if (again.identities != block.identities || again.payload != block.payload) std::abort();
  return 0;
}
