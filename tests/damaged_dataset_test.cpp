// A dataset's file is input like any other: whatever its bytes, it is read or refused, and never the end of the
// process.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/error.hpp"
#include "io/dataset_reader.hpp"
#include "io/files.hpp"
#include "io/hdf5_handle.hpp"
#include "tests/shared_folder.hpp"
#include "tests/tiny_run.hpp"

namespace ligature {
namespace {

// Opens a file and reads all of it; true if it could be read, false if it was refused with an Error.
bool can_be_read(const std::filesystem::path& path) {
  try {
    const DatasetReader dataset(path);
    std::vector<std::byte> bytes;
    for (std::size_t c = 0; c < dataset.columns().size(); ++c) {
      const std::uint64_t rows = std::min<std::uint64_t>(dataset.columns()[c].rows, 1000);
      bytes.resize(rows * stored_bytes(dataset.columns()[c].type));
      dataset.read(c, 0, bytes);
    }
    for (std::size_t t = 0; t < dataset.texts().size(); ++t) {
      dataset.visit_texts(t, {0, std::min<std::uint64_t>(dataset.texts()[t].rows, 1000)},
                          [](std::uint64_t, std::string_view) {});
    }
    return true;
  } catch (const Error&) {
    return false;
  }
}

// A finished run of few persons; the tests run on one rank.
class DamagedDataset : public testing::Test {
 protected:
  DamagedDataset() { run_.write(world_); }
  [[nodiscard]] std::filesystem::path path() const { return run_.publish / kDatasetFile; }

  Communicator world_ = Communicator::world();
  SharedFolder folder_{world_};
  TinyRun run_{folder_.path(), 20};
};

TEST_F(DamagedDataset, cut_short_is_refused) {
  const std::string whole = read_small_file(path());
  const std::filesystem::path cut = folder_.path() / "cut.h5";
  for (std::size_t length = 0; length < whole.size(); length += 1 + length / 16) {
    File::create(cut, 0600).write_at(0, std::as_bytes(std::span(whole).first(length)));
    EXPECT_FALSE(can_be_read(cut)) << length;
  }
}

TEST_F(DamagedDataset, any_changed_byte_of_the_description_is_refused_or_harmless) {
  const std::vector<Range> raw = DatasetReader(path()).raw_ranges();
  const File file = File::open_update(path());
  std::size_t refused = 0;
  for (std::uint64_t at = 0; at < file.size(); ++at) {
    const bool is_data =
        std::any_of(raw.begin(), raw.end(), [&](const Range& r) { return at >= r.begin && at < r.end; });
    std::byte was{};
    file.read_exactly_at(at, std::span(&was, 1));
    if (is_data || at % (was == std::byte{0} ? 31 : 3) != 0) continue;  // most zeros are padding
    const std::byte changed = ~was;
    file.write_at(at, std::span(&changed, 1));
    if (!can_be_read(path())) ++refused;
    file.write_at(at, std::span(&was, 1));
  }
  EXPECT_GT(refused, 500U);
  EXPECT_TRUE(can_be_read(path()));
}

TEST_F(DamagedDataset, what_leads_out_of_the_file_is_reported_and_not_followed) {
  {
    const Hdf5File file(H5Fopen(path().c_str(), H5F_ACC_RDWR, H5P_DEFAULT), "cannot open");
    check_hdf5(H5Lcreate_external("other.h5", "/", file.get(), "/events/elsewhere", H5P_DEFAULT, H5P_DEFAULT), "link");
    check_hdf5(H5Lcreate_soft("/persons", file.get(), "/again", H5P_DEFAULT, H5P_DEFAULT), "link");
    const Hdf5Type text(H5Tcopy(H5T_C_S1), "type");
    check_hdf5(H5Tset_size(text.get(), H5T_VARIABLE), "type");
    const Hdf5Space scalar(H5Screate(H5S_SCALAR), "space");
    const Hdf5Attribute attribute(H5Acreate_by_name(file.get(), "/persons", "note", text.get(), scalar.get(),
                                                    H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                                  "attribute");
    const char* words = "of any length";
    check_hdf5(H5Awrite(attribute.get(), text.get(), &words), "attribute");
  }
  const DatasetReader dataset(path());
  EXPECT_EQ(dataset.unexpected(), (std::vector<std::string>{"/again", "/events/elsewhere", "/persons attribute note"}));
  EXPECT_EQ(dataset.events(), (std::vector<std::string>{"ae", "gp"}));
}

TEST_F(DamagedDataset, file_that_holds_itself_comes_to_an_end) {
  {
    const Hdf5File file(H5Fopen(path().c_str(), H5F_ACC_RDWR, H5P_DEFAULT), "cannot open");
    check_hdf5(H5Lcreate_hard(file.get(), "/", file.get(), "/events/loop", H5P_DEFAULT, H5P_DEFAULT), "link");
  }
  EXPECT_FALSE(can_be_read(path()));
}

TEST_F(DamagedDataset, other_files_are_refused) {
  const std::filesystem::path other = folder_.path() / "other.h5";
  EXPECT_FALSE(can_be_read(other));
  for (const std::string text : {"", "x", "record_id,nhs_number\n", "\x89HDF\r\n\x1a\n"}) {
    write_file_durably(other, text, 0600);
    EXPECT_FALSE(can_be_read(other)) << text.size();
  }
  EXPECT_FALSE(can_be_read(folder_.path()));
}

}  // namespace
}  // namespace ligature
