// The synth job: the artificial extracts as files, written by all ranks and threads at once.
//
// People are in parts of 250,000; each part has one file an extract.  Parts are dealt to ranks in batches; in a batch
// the threads make neighbourhoods, then every piece of text is written at its place.  The files that all parts share
// (the truth, the reference files) grow batch by batch: the place of a piece is the sum of the sizes before it, over
// threads and ranks.  So every file is the concatenation over neighbourhoods in order, whoever wrote it, in bounded
// memory.
#include "jobs/synth/synth.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "io/files.hpp"
#include "io/progress.hpp"
#include "jobs/synth/extracts.hpp"
#include "jobs/synth/reference.hpp"
#include "partition/communicator.hpp"
#include "partition/shard_map.hpp"

namespace ligature {
namespace {

using namespace synthetic;

constexpr std::uint64_t kPartNeighbourhoods = 25;
constexpr mode_t kDataMode = 0600;  // artificial, but handled like the real ones

std::string part_name(Source source, std::uint64_t part) {
  const SourceFormat& format = format_of(source);
  return fmt::format("{0}/{0}-{1:05}.csv", format.name, part);
}

// Removes what an earlier and larger run of synth left in the folder: the job file takes every *.csv of an extract.
void remove_parts_from(const std::filesystem::path& folder, std::string_view stem, std::uint64_t parts) {
  const std::string prefix = std::string(stem) + "-", suffix = ".csv";
  std::vector<std::filesystem::path> stale;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(suffix) || name.size() <= prefix.size() + suffix.size()) continue;
    const char* const end = name.data() + name.size() - suffix.size();
    std::uint64_t part = 0;
    const auto [stop, error] = std::from_chars(name.data() + prefix.size(), end, part);
    if (error == std::errc{} && stop == end && part >= parts) stale.push_back(entry.path());
  }
  for (const std::filesystem::path& path : stale) std::filesystem::remove(path);
}

void make_key_if_absent(const std::filesystem::path& path) {
  if (std::filesystem::exists(path)) return;
  std::array<char, 32> key{};
  if (::getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) {
    throw Error("the system gave no random bytes for " + path.string());
  }
  write_file_durably(path, std::string_view(key.data(), key.size()), S_IRUSR | S_IWUSR);
}

void check(const SynthArguments& arguments) {
  if (arguments.people == 0 || arguments.people > kSynthMaxPeople) {
    throw UsageError(fmt::format("--people: from 1 to {}: England and Wales have no more valid NHS numbers to give",
                                 with_commas(kSynthMaxPeople)));
  }
  if (arguments.out.empty()) throw UsageError("--out: a folder is needed");
  if (!(arguments.error_scale >= 0 && arguments.error_scale <= 1e6))
    throw UsageError("--error-scale: from 0 to 1000000");
  // SynthRates is nothing but shares.
  using Rates = std::array<double, sizeof(SynthRates) / sizeof(double)>;
  for (const double rate : std::bit_cast<Rates>(arguments.rates)) {
    if (!(rate >= 0 && rate <= 1)) throw UsageError("--rate-...: each rate is a share from 0 to 1");
  }
  for (const double rows :
       {arguments.gp_rows, arguments.inpatient_rows, arguments.outpatient_rows, arguments.ae_rows}) {
    if (!(rows >= 0 && rows <= 100)) throw UsageError("mean rows a person: from 0 to 100");
  }
  if (arguments.rates.superseded > 1.0 / kPlacesPerGroup) {
    throw UsageError("--rate-superseded: from 0 to 0.125");
  }
}

// One file that all parts share.
struct SharedFile {
  std::string_view name, header;
  std::string NeighbourhoodText::*text;
  File file;
  std::uint64_t end = 0;  // bytes so far, the same on every rank
};

class SynthJob {
 public:
  SynthJob(const Communicator& comm, const SynthArguments& arguments)
      : comm_(comm),
        arguments_(arguments),
        population_(arguments),
        writer_(population_, arguments),
        parts_((population_.neighbourhoods() + kPartNeighbourhoods - 1) / kPartNeighbourhoods) {
    shared_.push_back({"truth.csv", kTruthHeader, &NeighbourhoodText::truth, {}, 0});
    if (arguments.people_file) shared_.push_back({"people.csv", kPeopleHeader, &NeighbourhoodText::people, {}, 0});
    shared_.push_back({"optout.csv", kOptOutHeader, &NeighbourhoodText::optout, {}, 0});
    shared_.push_back({"objectors.csv", kObjectorsHeader, &NeighbourhoodText::objectors, {}, 0});
    shared_.push_back({"superseded.csv", kSupersededHeader, &NeighbourhoodText::superseded, {}, 0});
    shared_.push_back({"practices.csv", kPracticesHeader, &NeighbourhoodText::practices, {}, 0});
  }

  // Collective.  Returns rows written by source.
  std::array<std::uint64_t, kSources> run() {
    prepare();
    const auto ranks = static_cast<std::uint64_t>(comm_.size());
    // Enough neighbourhoods at once to keep the threads busy to the end of a batch: some 6 MB of text each.
    const auto threads = static_cast<std::uint64_t>(num_threads());
    const std::uint64_t batch = comm_.max((2 * threads + kPartNeighbourhoods - 1) / kPartNeighbourhoods);
    Progress progress(comm_, "synth", share_of(arguments_.people, comm_.rank(), comm_.size()).size(), "people");
    for (std::uint64_t first = 0; first < parts_; first += batch * ranks) {
      const std::uint64_t count = std::min(batch * ranks, parts_ - first);
      const Range mine = share_of(count, comm_.rank(), comm_.size());
      write_batch(first + mine.begin, first + mine.end, progress);
    }
    for (SharedFile& shared : shared_) shared.file.close();
    comm_.barrier();
    if (comm_.is_root()) finish();
    comm_.sum(rows_);
    return rows_;
  }

  [[nodiscard]] std::uint64_t bytes() const { return comm_.sum(bytes_); }

 private:
  void prepare() {
    std::optional<std::string> problem;
    if (comm_.is_root()) {
      try {
        create_files();
      } catch (const std::exception& failure) {
        problem = failure.what();
      }
    }
    comm_.agree(problem);
    for (SharedFile& shared : shared_) {
      shared.file = File::open_update(arguments_.out / shared.name);
      shared.end = shared.header.size();
    }
  }

  void create_files() {
    std::filesystem::create_directories(arguments_.out);
    // A job file beside half-made extracts would link them: it comes last.
    std::filesystem::remove(arguments_.out / "job.toml");
    for (std::size_t s = 0; s < kSources; ++s) {
      const SourceFormat& format = format_of(static_cast<Source>(s));
      std::filesystem::create_directories(arguments_.out / format.name);
      remove_parts_from(arguments_.out / format.name, format.name, parts_);
    }
    for (const SharedFile& shared : shared_) {
      File file = File::create(arguments_.out / shared.name, kDataMode);
      file.write_at(0, std::as_bytes(std::span(shared.header)));
      file.close();
    }
  }

  void finish() {
    make_key_if_absent(arguments_.out / "ligature.key");
    write_file_durably(arguments_.out / "job.toml", job_file_text(arguments_), 0644);
  }

  // Collective: every rank calls it as often, with parts or without.
  void write_batch(std::uint64_t first_part, std::uint64_t last_part, Progress& progress) {
    const std::uint64_t begin = first_part * kPartNeighbourhoods;
    const std::uint64_t end = std::min(last_part * kPartNeighbourhoods, population_.neighbourhoods());
    std::vector<NeighbourhoodText> texts(end > begin ? end - begin : 0);
    for_each_item(texts.size(), [&](std::size_t i) {
      texts[i] = writer_.write(begin + i);
      progress.add(kNeighbourhoodPeople);
    });
    for (const NeighbourhoodText& text : texts) {
      for (std::size_t s = 0; s < kSources; ++s) rows_[s] += text.rows[s];
    }
    for (std::uint64_t part = first_part; part < last_part; ++part) {
      const std::uint64_t from = part * kPartNeighbourhoods - begin;
      const std::uint64_t to = std::min(from + kPartNeighbourhoods, end - begin);
      for (std::size_t s = 0; s < kSources; ++s) {
        write_part(static_cast<Source>(s), part, std::span(texts).subspan(from, to - from));
      }
    }
    for (SharedFile& shared : shared_) append(shared, texts);
  }

  void write_part(Source source, std::uint64_t part, std::span<const NeighbourhoodText> texts) {
    const std::string header = header_line(source);
    File file = File::create(arguments_.out / part_name(source, part), kDataMode);
    file.write_at(0, std::as_bytes(std::span(header)));
    const auto text_of = [&](std::size_t i) -> const std::string& {
      return texts[i].extracts[static_cast<std::size_t>(source)];
    };
    write_pieces(file, header.size(), texts.size(), text_of);
    file.close();
  }

  // Collective.
  void append(SharedFile& shared, std::span<const NeighbourhoodText> texts) {
    std::uint64_t mine = 0;
    for (const NeighbourhoodText& text : texts) mine += (text.*shared.text).size();
    const std::uint64_t begin = shared.end + comm_.exclusive_sum(mine);
    write_pieces(shared.file, begin, texts.size(),
                 [&](std::size_t i) -> const std::string& { return texts[i].*shared.text; });
    shared.end += comm_.sum(mine);
  }

  template <typename TextOf>
  void write_pieces(const File& file, std::uint64_t begin, std::size_t count, const TextOf& text_of) {
    std::vector<std::uint64_t> offsets(count);
    for (std::size_t i = 0; i < count; ++i) {
      offsets[i] = begin;
      begin += text_of(i).size();
      bytes_ += text_of(i).size();
    }
    for_each_item(count, [&](std::size_t i) { file.write_at(offsets[i], std::as_bytes(std::span(text_of(i)))); });
  }

  const Communicator& comm_;
  const SynthArguments& arguments_;
  Population population_;
  ExtractWriter writer_;
  std::uint64_t parts_;
  std::vector<SharedFile> shared_;
  std::array<std::uint64_t, kSources> rows_{};
  std::uint64_t bytes_ = 0;
};

}  // namespace

int synth(const Communicator& comm, const SynthArguments& arguments) {
  check(arguments);
  const ThreadLimit limit(arguments.threads);
  const auto start = std::chrono::steady_clock::now();
  SynthJob job(comm, arguments);
  const std::array<std::uint64_t, kSources> rows = job.run();
  const std::uint64_t bytes = job.bytes();
  const double seconds = comm.max(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  if (!comm.is_root()) return kExitDone;
  std::uint64_t all = 0;
  std::vector<std::vector<std::string>> table = {{"extract", "rows"}};
  for (std::size_t s = 0; s < kSources; ++s) {
    all += rows[s];
    table.push_back({std::string(format_of(static_cast<Source>(s)).name), with_commas(rows[s])});
  }
  table.push_back({"all", with_commas(all)});
  fmt::print("{}\n{} people, {} in {}: {}\nJob file: {}\n", text_table(table), with_commas(arguments.people),
             human_bytes(bytes), human_seconds(seconds), human_rate(static_cast<double>(all) / seconds, "rows"),
             (arguments.out / "job.toml").string());
  return kExitDone;
}

}  // namespace ligature
