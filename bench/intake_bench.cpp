// Bytes a second of intake: the structural index alone, parsing in memory, and a whole extract from the page cache.
//
// The extract has eight columns and rows of about 70 bytes, as a practice uploads them; intake_threads sets the
// threads, LIGATURE_SIMD the instruction set.
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/column_chunk.hpp"
#include "engine/parallel.hpp"
#include "io/csv.hpp"
#include "io/files.hpp"
#include "io/header.hpp"
#include "io/identity_column.hpp"
#include "io/intake.hpp"
#include "io/row_parser.hpp"
#include "io/share_reader.hpp"
#include "io/structural_index.hpp"

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

// The index of one window after another, as read_records asks for it.
template <void (*index_window)(const char*, std::size_t, char, StructuralIndex&)>
void index_text(benchmark::State& state) {
  constexpr std::size_t kWindow = std::size_t{16} << 10;
  const std::string text = extract_text(state.range(0) != 0);
  StructuralIndex index(kWindow);
  for (auto _ : state) {
    std::size_t records = 0;
    for (std::size_t at = 0; at + kWindow + kReadAhead < text.size();) {
      index_window(text.data() + at, kWindow, ',', index);
      records += index.record_count;
      at += index.ends[index.records[index.record_count]] + 1;
    }
    benchmark::DoNotOptimize(records);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}
BENCHMARK(index_text<index_records>)->Name("index")->ArgName("quoted")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(index_text<index_records_plainly>)
    ->Name("index_plainly")
    ->ArgName("quoted")
    ->Arg(0)
    ->Arg(1)
    ->Unit(benchmark::kMillisecond);

// An extract in memory to packed identities, with or without its row ids, codes and dates; blocks of 8 MiB.
void parse(benchmark::State& state) {
  const Communicator comm = Communicator::world();
  const std::string path = (std::filesystem::temp_directory_path() / "ligature_intake_bench.csv").string();
  std::string text = extract_text(state.range(0) != 0);
  const std::size_t size = text.size();
  File::create(path, 0600).write_at(0, std::as_bytes(std::span(text)));
  JobFile job = job_of(path);
  if (state.range(1) == 0) {
    Extract& extract = job.extracts.front();
    extract.columns.row_id = extract.columns.provider = extract.columns.event_date = std::nullopt;
    extract.keep.clear();
  }
  const Inputs inputs = find_inputs(comm, job);
  std::filesystem::remove(path);
  text.append(kReadAhead, '\0');
  const RowRules rules;
  FileContext context;
  context.input = &inputs.files.front();
  context.extract = &job.extracts.front();
  context.schema = &inputs.datasets.front();
  context.rules = &rules;
  context.max_record_bytes = job.max_record_bytes;
  context.header = parse_header(text.data(), size, true, ',', job.max_record_bytes).value();
  std::vector<std::string> problems;
  context.layout = lay_out_columns(context.header, *context.extract, *context.schema, problems);
  RecordTokenizer tokenizer(',', job.max_record_bytes);
  RowBlock rows;
  for (auto _ : state) {
    constexpr std::size_t kBlock = std::size_t{8} << 20;
    for (std::size_t at = context.header.data_offset; at < size;) {
      const Piece piece{text.data() + at, std::min(kBlock, size - at), at, at + kBlock >= size};
      ReadingState unread;
      RowParser parser(context, piece.size, std::move(rows));
      read_records(tokenizer, unread, piece, 0, piece.size, parser);
      at += piece.size - unread.carry.size();
      rows = parser.take();
      benchmark::DoNotOptimize(rows.identities.data());
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(size) * state.iterations());
  state.SetItemsProcessed(std::int64_t{kRows} * state.iterations());
}
BENCHMARK(parse)
    ->ArgNames({"quoted", "payload"})
    ->Args({0, 0})
    ->Args({0, 1})
    ->Args({1, 0})
    ->Args({1, 1})
    ->Unit(benchmark::kMillisecond);

// One identifier of as many rows as a window of the index has, from fields in the cache.
enum class Identifier { nhs_number, date_of_birth, postcode, all_packed };

void read_column(benchmark::State& state) {
  constexpr std::size_t kColumnRows = 230;
  const std::string text = extract_text(false);
  std::array<std::vector<std::string_view>, 8> columns;  // of extract_text
  for (std::size_t at = text.find('\n') + 1, column = 0; columns.back().size() < kColumnRows;) {
    const std::size_t end = text.find_first_of(",\n", at);
    columns[column].push_back(std::string_view(text).substr(at, end - at));
    column = (column + 1) % columns.size();
    at = end + 1;
  }
  std::vector<NhsNumber> numbers(kColumnRows);
  std::vector<Birth> births(kColumnRows);
  std::vector<Postcode> postcodes(kColumnRows);
  const std::vector<Gender> genders(kColumnRows, Gender::female);
  const std::vector<DayNumber> latest(kColumnRows, kMissingDay);
  std::vector<Identity> identities(kColumnRows);
  std::vector<std::uint64_t> standing(kColumnRows);
  for (auto _ : state) {
    switch (static_cast<Identifier>(state.range(0))) {
      case Identifier::nhs_number:
        standardise_nhs_numbers(columns[2], numbers);
        break;
      case Identifier::date_of_birth:
        standardise_births(columns[3], latest, births);
        break;
      case Identifier::postcode:
        standardise_postcodes(columns[4], postcodes);
        break;
      case Identifier::all_packed:
        for (std::size_t i = 0; i < kColumnRows; i += kChunkRows) {
          const IdentifierColumns of_rows{numbers.data(), births.data(), postcodes.data(), genders.data()};
          benchmark::DoNotOptimize(pack_identities(of_rows.from(i), std::min(kChunkRows, kColumnRows - i),
                                                   identities.data() + i, standing.data() + i));
        }
    }
    benchmark::ClobberMemory();
  }
  constexpr std::array kNames{"nhs_number", "date_of_birth", "postcode", "all_packed"};
  state.SetLabel(kNames[static_cast<std::size_t>(state.range(0))]);
  state.SetItemsProcessed(static_cast<std::int64_t>(kColumnRows) * state.iterations());
}
BENCHMARK(read_column)->ArgName("identifier")->DenseRange(0, 3);

// Record by record: the exact reader that the index falls back on.
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
