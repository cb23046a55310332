// Any bytes as a dataset: read to its end or refused with Error, within the memory that its size allows.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/error.hpp"
#include "io/dataset_reader.hpp"
#include "tests/fuzz_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ligature::testing::FuzzFolder folder;
  folder.write("dataset.h5", std::as_bytes(std::span(data, size)));
  try {
    const ligature::DatasetReader dataset(folder.path() / "dataset.h5");
    std::vector<std::byte> bytes;
    for (std::size_t c = 0; c < dataset.columns().size(); ++c) {
      const std::uint64_t rows = std::min<std::uint64_t>(dataset.columns()[c].rows, size);
      bytes.resize(rows * stored_bytes(dataset.columns()[c].type));
      dataset.read(c, 0, bytes);
    }
    for (std::size_t t = 0; t < dataset.texts().size(); ++t) {
      dataset.visit_texts(t, {0, std::min<std::uint64_t>(dataset.texts()[t].rows, size)},
                          [](std::uint64_t, std::string_view) {});
    }
  } catch (const ligature::Error&) {
    // Refused: the expected end of nearly every input.
  }
  return 0;
}
