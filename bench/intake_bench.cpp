// Bytes a second of intake: the tokenizer alone, and a whole extract from the page cache to identities and payload.
//
// The extract has seven columns and rows of about 75 bytes, as a practice uploads them; intake_threads sets the
// threads.
#include <array>
#include <cstdio>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/parallel.hpp"
#include "io/csv.hpp"
#include "io/files.hpp"
#include "io/intake.hpp"
#include "io/share_reader.hpp"

namespace ligature {
namespace {

constexpr int kRows = 1'000'000;

// Rows that differ where real ones do; every identifier well formed.
std::string extract_text(bool quoted) {
  std::mt19937_64 random(1);
  std::string text = "record_id,practice_code,nhs_number,date_of_birth,postcode,gender,event_date,code\n";
  std::array<char, 160> row{};
  const auto below = [&](unsigned bound) { return static_cast<unsigned>(random() % bound); };
  const auto letter = [&] { return "ABDEFGHJLN"[below(10)]; };
  for (int i = 0; i < kRows; ++i) {
    const auto size = static_cast<std::size_t>(std::snprintf(
        row.data(), row.size(), "gp-%09d,A%05d,%010llu,%02u/%02u/%04u,SW%uA %u%c%c,%u,2013-%02u-%02u,%c%03u.", i,
        81000 + i / 8000, static_cast<unsigned long long>(4'000'000'000 + random() % 2'000'000'000), 1 + below(28),
        1 + below(12), 1920 + below(94), 1 + below(9), below(10), letter(), letter(), 1 + below(2), 1 + below(12),
        1 + below(28), letter(), below(1000)));
    if (!quoted) {
      text.append(row.data(), size).push_back('\n');
      continue;
    }
    text.push_back('"');
    for (std::size_t at = 0; at < size; ++at) text.append(row[at] == ',' ? "\",\"" : std::string(1, row[at]));
    text.append("\"\n");
  }
  return text;
}

JobFile job_of(const std::string& files) {
  JobFile job;
  Extract gp;
  gp.dataset = "gp";
  gp.files = {files};
  gp.columns.row_id = "record_id";
  gp.columns.provider = "practice_code";
  gp.columns.nhs_number = "nhs_number";
  gp.columns.date_of_birth = "date_of_birth";
  gp.columns.postcode = "postcode";
  gp.columns.gender = "gender";
  gp.columns.event_date = "event_date";
  gp.keep = {{"code", ColumnType::category}};
  job.extracts = {gp};
  return job;
}

void tokenize(benchmark::State& state) {
  std::string text = extract_text(state.range(0) != 0);
  const std::size_t size = text.size();
  text.append(kReadAhead, '\0');
  RecordTokenizer tokenizer(',', 65536);
  for (auto _ : state) {
    tokenizer.attach(text.data(), size, true);
    std::size_t fields = 0;
    for (std::size_t at = 0; at < size; at = tokenizer.read(at).next) fields += tokenizer.fields().size();
    benchmark::DoNotOptimize(fields);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(size) * state.iterations());
}
BENCHMARK(tokenize)->ArgName("quoted")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

void read_extract(benchmark::State& state) {
  const Communicator comm = Communicator::world();
  const ThreadLimit limit(static_cast<int>(state.range(1)));
  const std::string path = (std::filesystem::temp_directory_path() / "ligature_intake_bench.csv").string();
  const std::string text = extract_text(state.range(0) != 0);
  File::create(path, 0600).write_at(0, std::as_bytes(std::span(text)));
  const JobFile job = job_of(path);
  const Inputs inputs = find_inputs(comm, job);
  for (auto _ : state) {
    std::size_t rows = 0;
    read_extracts(
        comm, job, inputs, {}, [] {}, [&](RowBlock&& block) { rows += block.identities.size(); }, [](std::uint64_t) {});
    benchmark::DoNotOptimize(rows);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
  state.SetItemsProcessed(std::int64_t{kRows} * state.iterations());
  std::filesystem::remove(path);
}
BENCHMARK(read_extract)
    ->ArgNames({"quoted", "intake_threads"})
    ->Args({0, 1})
    ->Args({0, 0})
    ->Args({1, 1})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// Many practices, a small file each: from globs to rows, with the check of every header.
void read_small_files(benchmark::State& state) {
  const Communicator comm = Communicator::world();
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "ligature_intake_bench";
  std::filesystem::create_directory(folder);
  const std::string text = extract_text(false).substr(0, 20'000);
  for (int f = 0; f < state.range(0); ++f) {
    File::create(folder / (std::to_string(f) + ".csv"), 0600).write_at(0, std::as_bytes(std::span(text)));
  }
  const JobFile job = job_of((folder / "*.csv").string());
  for (auto _ : state) {
    std::size_t rows = 0;
    const Inputs inputs = find_inputs(comm, job);
    read_extracts(
        comm, job, inputs, {}, [] {}, [&](RowBlock&& block) { rows += block.identities.size(); }, [](std::uint64_t) {});
    benchmark::DoNotOptimize(rows);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.range(0) * state.iterations());
  state.counters["files_per_second"] =
      benchmark::Counter(static_cast<double>(state.range(0) * state.iterations()), benchmark::Counter::kIsRate);
  std::filesystem::remove_all(folder);
}
BENCHMARK(read_small_files)->ArgName("files")->Arg(10'000)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace ligature

int main(int argc, char** argv) {
  const ligature::MpiEnvironment environment(argc, argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
