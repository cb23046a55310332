// Any bytes as a manifest: read or refused with Error; what is read is written and read again as itself.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "engine/error.hpp"
#include "io/manifest.hpp"
#include "tests/fuzz_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ligature::testing::FuzzFolder folder;
  folder.write("manifest.json", std::as_bytes(std::span(data, size)));
  try {
    const std::string text = to_json(ligature::read_manifest(folder.path()));
    folder.write("manifest.json", std::as_bytes(std::span(text)));
    if (to_json(ligature::read_manifest(folder.path())) != text) std::abort();
  } catch (const ligature::Error&) {
    // Refused: the expected end of nearly every input.
  }
  return 0;
}
