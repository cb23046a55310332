// The main job: from raw extracts to one merged, pseudonymised dataset.  Read rebuild() at the end from top to bottom;
// each line is a stage, and each stage has its file in this folder.
#include <algorithm>
#include <atomic>
#include <ctime>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <sys/resource.h>
#include <unistd.h>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/pair_kernel.hpp"
#include "engine/parallel.hpp"
#include "engine/trace.hpp"
#include "io/audit_log.hpp"
#include "io/bounds.hpp"
#include "io/direct_writer.hpp"
#include "io/files.hpp"
#include "io/key_file.hpp"
#include "io/ledger.hpp"
#include "io/manifest.hpp"
#include "io/performance.hpp"
#include "io/placement.hpp"
#include "io/progress.hpp"
#include "io/secure_index.hpp"
#include "io/trace_file.hpp"
#include "jobs/jobs.hpp"
#include "jobs/rebuild/ambiguous_rows.hpp"
#include "jobs/rebuild/choose_model.hpp"
#include "jobs/rebuild/clusters.hpp"
#include "jobs/rebuild/consent_ledger.hpp"
#include "jobs/rebuild/coverage.hpp"
#include "jobs/rebuild/estimates.hpp"
#include "jobs/rebuild/event_screens.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/local_ids.hpp"
#include "jobs/rebuild/moves.hpp"
#include "jobs/rebuild/number_groups.hpp"
#include "jobs/rebuild/numbers.hpp"
#include "jobs/rebuild/objector_search.hpp"
#include "jobs/rebuild/passes.hpp"
#include "jobs/rebuild/persons.hpp"
#include "jobs/rebuild/publish.hpp"
#include "jobs/rebuild/secure_files.hpp"
#include "jobs/rebuild/stage_clock.hpp"
#include "jobs/rebuild/summary.hpp"
#include "jobs/rebuild/survey.hpp"

namespace ligature {

namespace {

DayNumber today() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  return day_number({utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday}).value_or(kMissingDay);
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

// Collective.  Reads the key on every rank, so that it never travels; all ranks fail together.
SecretBytes load_key(const Communicator& comm, const JobFile& job) {
  SecretBytes key;
  std::optional<std::string> problem;
  try {
    key = load_key_file(job.key);
  } catch (const Error& error) {
    problem = error.what();
  }
  comm.agree(problem, kExitWrongUse);
  return key;
}

// Collective.  The output folders, made by rank 0.
void make_folders(const Communicator& comm, const JobFile& job) {
  std::optional<std::string> problem;
  if (comm.is_root()) {
    try {
      make_private_directory(job.secure);
      make_private_directory(job.secure / "scratch");
      std::filesystem::create_directories(job.publish);
    } catch (const std::exception& error) {
      problem = error.what();
    }
  }
  comm.agree(problem, kExitFailed);
}

// Collective.  This rank's part of the memory that the job may use.
std::uint64_t memory_of_rank(const Communicator& comm, const JobFile& job) {
  std::uint64_t bytes = job.memory;
  if (bytes == 0) {
    bytes =
        static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 2;
  }
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  const std::uint64_t here = linkage_key(std::as_bytes(std::span(host)));
  const std::vector<std::uint64_t> hosts = comm.all_gather(here);
  return bytes / static_cast<std::uint64_t>(std::count(hosts.begin(), hosts.end(), here));
}

// Says how many rows of a reference file were read, and loudly how many were of no use.
void report_reference(const Communicator& comm, const std::string& name, const ReferenceCounts& counts) {
  if (counts.rows > 0) log_info(comm, name + ": " + with_commas(counts.rows) + " rows");
  if (counts.malformed > 0) {
    log_warning(comm, name + ": " + with_commas(counts.malformed) + " rows are malformed and have no effect");
  }
}

// Collective.  Adds up what files report, and holds each dataset to the limit on quarantined rows.
RowCounts total_rows(const JobFile& job, const Inputs& inputs, const IntakeReport& intake) {
  std::vector<RowCounts> of_dataset(inputs.datasets.size());
  for (std::size_t f = 0; f < inputs.files.size(); ++f) {
    of_dataset[inputs.files[f].dataset] += intake.files[f].counts;
  }
  RowCounts total;
  for (std::size_t d = 0; d < of_dataset.size(); ++d) {
    const RowCounts& counts = of_dataset[d];
    std::uint64_t quarantined = 0;
    for (const std::uint64_t rows : counts.quarantined) quarantined += rows;
    if (static_cast<double>(quarantined) > job.max_quarantined_share * static_cast<double>(counts.read)) {
      throw LimitError("dataset '" + inputs.datasets[d].name + "': " + with_commas(quarantined) + " of " +
                       with_commas(counts.read) +
                       " rows are quarantined, more than limits.max_quarantined_share allows; see " +
                       (job.secure / "quarantine.csv").string());
    }
    total += counts;
  }
  return total;
}

// Digests of what decided the run, and the run's id from them.
void identify_run(const JobFile& job, const Inputs& inputs, std::span<const std::byte> key, Manifest& manifest) {
  const auto digest_of = [](const std::string& text) { return hex(digest(std::as_bytes(std::span(text)))); };
  manifest.job_file_digest = digest_of(read_small_file(job.path));
  std::vector<std::string> files;
  for (std::size_t f = 0; f < inputs.files.size(); ++f) {
    files.push_back(inputs.datasets[inputs.files[f].dataset].name + " " + hex(manifest.file_reports[f].digest) + "\n");
  }
  std::sort(files.begin(), files.end());
  std::string all_files;
  for (const std::string& file : files) all_files += file;
  manifest.input_digest = digest_of(all_files);
  manifest.model_digest = hex(digest(std::as_bytes(std::span(&manifest.model, 1))));
  manifest.key_id = Pseudonymiser(key).key_id();
  manifest.run_id =
      digest_of(manifest.job_file_digest + manifest.input_digest + manifest.model_digest + manifest.key_id)
          .substr(0, 16);
}

// Collective.  Whatever a key has named is accounted for before it has a name.
void log_key_use(const Communicator& comm, const Manifest& manifest) {
  append_audit(comm, manifest.secure,
               {"rebuild",
                {{"job", manifest.job_name},
                 {"run_id", manifest.run_id},
                 {"job_file_digest", manifest.job_file_digest},
                 {"input_digest", manifest.input_digest},
                 {"content_digest", manifest.content_digest},
                 {"key_id", manifest.key_id},
                 {"persons", manifest.persons},
                 {"rows", manifest.rows.kept},
                 {"opted_out", manifest.rows.opted_out}}});
}

Manifest new_manifest(const Communicator& comm, const JobFile& job, DayNumber as_at) {
  Manifest manifest;
  manifest.software_version = LIGATURE_VERSION;
  manifest.job_name = job.name;
  manifest.job_file = job.path.string();
  manifest.started_utc = utc_now();
  manifest.secure = job.secure.string();
  manifest.publish = job.publish.string();
  manifest.as_at = iso_date(as_at);
  manifest.ranks = comm.size();
  manifest.threads_per_rank = num_threads();
  return manifest;
}

// Collective.  An environment that publication would refuse is refused now, on whichever rank it is.
void check_environment(const Communicator& comm) {
  std::optional<std::string> problem;
  try {
    static_cast<void>(write_strategy());
  } catch (const UsageError& error) {
    problem = error.what();
  }
  comm.agree(problem, kExitWrongUse);
}

// Collective.  What the machine can do at best, if a file says so; rank 0 alone needs it.  A trace that could not be
// written is found now, and not when the work is done.
std::optional<Bounds> load_bounds(const Communicator& comm, const RebuildOptions& options) {
  std::optional<Bounds> bounds;
  std::optional<std::string> problem;
  if (comm.is_root()) {
    try {
      if (options.bounds) bounds = read_bounds(*options.bounds);
      if (options.trace) File::create(*options.trace, 0600).close();
    } catch (const Error& error) {
      problem = error.what();
    }
  }
  comm.agree(problem, kExitWrongUse);
  return bounds;
}

void copy_stages(const StageClock& clock, Manifest& manifest) {
  manifest.stages.clear();
  for (const StagePerformance& stage : clock.stages()) {
    manifest.stages.push_back({stage.name, stage.seconds, stage.items, stage.unit});
  }
  manifest.total_seconds = clock.total_seconds();
}

// Collective.  What each stage took on each rank; whole on the root.
Performance measured_performance(const Communicator& comm, const StageClock& clock, const std::optional<Bounds>& bounds,
                                 const Placement& placement, std::uint64_t input_bytes, const Manifest& manifest) {
  Performance performance;
  performance.software_version = manifest.software_version;
  performance.run_id = manifest.run_id;
  performance.started_utc = manifest.started_utc;
  performance.simd = pair_kernel_target();
  performance.warning = placement_warning(placement, manifest.threads_per_rank);
  performance.hosts = placement.hosts;
  performance.ranks = comm.size();
  performance.threads_per_rank = manifest.threads_per_rank;
  performance.cpus_per_rank = placement.rank_cpus;
  performance.cpus_per_host = placement.usable_cpus;
  performance.input_bytes = input_bytes;
  performance.rows = manifest.rows.read;
  performance.rows_kept = manifest.rows.kept;
  performance.identities = manifest.identities;
  for (const PassReport& pass : manifest.passes) performance.pairs += pass.pairs_compared;
  performance.persons = manifest.persons;
  performance.launch_seconds = clock.launch_seconds();
  performance.total_seconds = clock.total_seconds();
  performance.fault_seconds = clock.fault_seconds();
  performance.stages = clock.gather(bounds, placement.hosts, comm.size() * manifest.threads_per_rank);
  return performance;
}

std::uint64_t peak_memory(const Communicator& comm) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return comm.sum(static_cast<std::uint64_t>(usage.ru_maxrss) * 1024);
}

}  // namespace

int rebuild(const Communicator& comm, const JobFile& job, const RebuildOptions& options) {
  if (options.trace) Trace::of_this_process().start(trace_limit(comm.size()));
  StageClock clock(comm);
  clock.begin("start");
  check_environment(comm);
  const std::optional<Bounds> bounds = load_bounds(comm, options);
  const Placement placement = examine_placement(comm);
  const ThreadLimit threads(job.threads > 0 ? job.threads : placement.fair_threads);
  const DayNumber as_at = job.as_at.value_or(today());
  Manifest manifest = new_manifest(comm, job, as_at);
  log_info(comm, "rebuild '" + job.name + "': " + describe(placement));
  if (const std::string warning = placement_warning(placement, num_threads()); !warning.empty()) {
    log_warning(comm, warning);
  }

  const SecretBytes key = load_key(comm, job);
  const Inputs inputs = find_inputs(comm, job);
  make_folders(comm, job);
  const std::uint64_t memory = memory_of_rank(comm, job);
  std::uint64_t input_bytes = 0;
  for (const InputFile& file : inputs.files) input_bytes += file.bytes;
  clock.end(inputs.files.size(), "files", comm.is_root() ? inputs.files.size() : 0);

  // Extracts to rows.
  clock.begin("intake");
  ReferenceCounts superseded_rows;
  const SupersessionTable superseded = load_superseded(comm, job, superseded_rows);
  ConsentLedger consent(comm, job, superseded, as_at);
  report_reference(comm, "superseded numbers", superseded_rows);
  const RowRules rules = consent.rules(superseded, as_at);
  RowStore rows(inputs, job.secure / "scratch", memory / 4, job.max_categories);
  IntakeReport intake;
  {
    Progress progress(comm, "intake", input_bytes / static_cast<std::uint64_t>(comm.size()), "bytes");
    intake = read_extracts(
        comm, job, inputs, rules, [&] { rows.restart(); }, [&](RowBlock&& block) { rows.add(std::move(block)); },
        [&](std::uint64_t read) { progress.add(read); });
  }
  write_quarantine(comm, job, inputs, intake, rows);
  consent.complete(comm, job, inputs, rows, intake, manifest.consent);
  manifest.rows = total_rows(job, inputs, intake);
  clock.end(manifest.rows.read, "rows", rows.rows(), {.parsed_bytes = static_cast<double>(input_bytes)});

  // Rows to identities.
  clock.begin("identities");
  Identities identities = collapse_identities(comm, rows);
  manifest.identities = identities.total;
  const std::uint64_t owned = identities.owned.size();
  clock.end(manifest.rows.kept, "rows", rows.rows(), {.collapsed_rows = static_cast<double>(manifest.rows.kept)});

  // Identities to pairs to edges.
  clock.begin("survey");
  NumberGroups numbers(comm, identities);
  Survey survey = survey_file(comm, identities, numbers, job.model);
  const LinkageModel model(choose_model(comm, job, identities, survey, manifest.estimation), job.model.rivals);
  if (!job.model.conflicts || !model.conflicts_may_link()) survey.trust_thin_numbers();
  // Each group below has at least this to do, however it goes about it: its records must come together once.
  const auto grouped = [](std::uint64_t items) { return StageWork{.grouped_items = static_cast<double>(items)}; };
  clock.end(manifest.identities, "identities", owned, grouped(manifest.identities));  // by number
  ModelParameters parameters = model.parameters();
  std::vector<Edge> edges, suppressed;
  std::uint64_t pairs = 0;
  StageWork work;
  const auto take = [&](PassResult&& found) {
    edges.insert(edges.end(), found.edges.begin(), found.edges.end());
    suppressed.insert(suppressed.end(), found.suppressed.begin(), found.suppressed.end());
    pairs += found.report.pairs_compared;
    work.grouped_items += static_cast<double>(found.report.identities);
    work.compared_pairs += static_cast<double>(found.report.pairs_compared);
    manifest.passes.push_back(std::move(found.report));
  };
  manifest.numbers.default_births = survey.default_births;
  if (job.model.passes.nhs_number) {
    clock.begin("numbers");
    take(settle_numbers(comm, identities, numbers, model, job.model, survey, manifest.numbers));
    flag_twins(comm, identities, std::move(survey.twins), survey.evidence);
    clock.end(manifest.identities, "identities", owned, std::exchange(work, {}));
  }
  numbers.release();
  clock.begin("pairs");
  std::atomic<std::uint64_t> pairs_here{0};
  pairs = 0;
  {
    Progress progress(comm, "pairs", 0, "pairs");
    const auto count = [&](std::uint64_t done) {
      progress.add(done);
      pairs_here.fetch_add(done, std::memory_order_relaxed);
    };
    for (const Pass pass : {Pass::date_of_birth, Pass::postcode}) {
      if (!(pass == Pass::postcode ? job.model.passes.postcode : job.model.passes.date_of_birth)) continue;
      clock.step(pass == Pass::postcode ? "pairs by postcode" : "pairs by date of birth");
      take(run_pass(comm, pass, job.model.passes, identities, survey.evidence, model, count));
    }
    if (job.model.moves) {
      clock.step("pairs by moves");
      take(link_moves(comm, identities, survey, model, manifest.moves, parameters));
    }
    if (uses_local_ids(job)) {
      clock.step("pairs by local id");
      take(link_local_ids(comm, rows, identities, survey.evidence, model, manifest.local_ids, count));
    }
  }
  clock.end(pairs, "pairs", pairs_here, work);

  // Edges to clusters.
  clock.begin("clusters");
  const std::uint64_t links = comm.sum(std::uint64_t{edges.size()});
  ClusterReport clusters;
  ObjectorSearch search(consent.ledger(), job.consent.after_opt_out, rows, intake, std::move(suppressed));
  PersonDrafts drafts = resolve_clusters(comm, identities, survey.evidence, std::move(edges), model,
                                         rules.bind_persons ? &search : nullptr, clusters);
  manifest.rows = total_rows(job, inputs, intake);
  clock.end(manifest.identities, "identities", owned,
            {.grouped_items = static_cast<double>(links + manifest.identities), .edges = static_cast<double>(links)});

  // Clusters to persons.
  clock.begin("persons");
  const AmbiguousRows apart(comm, inputs, rows, intake.lines_before_first_file, identities, survey.evidence, drafts);
  manifest.rows_apart = apart.persons();
  Persons persons = name_persons(comm, identities, survey.evidence, std::move(drafts), apart, key);
  clock.end(persons.total(), "persons", persons.owned.size(), {.persons = static_cast<double>(persons.total())});

  clock.begin("estimates");
  std::vector<std::string> dataset_names;
  for (const DatasetSchema& dataset : inputs.datasets) dataset_names.push_back(dataset.name);
  manifest.estimated = estimate_quality(comm, identities, survey.evidence, persons, parameters, dataset_names);

  persons.largest = largest_persons(comm, persons);
  clock.end(manifest.identities, "identities", owned, grouped(manifest.identities));  // by person

  // What stays behind, to secure/; from here on only the way from rows to persons is needed.
  clock.begin("index");
  write_row_index(comm, job, intake, rows, identities, persons);
  write_identity_records(comm, job, identities, survey.evidence, persons);
  rows.release_row_ids();
  identities.release_identities();
  persons.release_identities();
  survey.evidence = {};
  clock.end(manifest.rows.kept, "rows", rows.rows(), grouped(manifest.rows.kept));  // by row id

  // Persons and their rows to the dataset.
  clock.begin("publish");
  PublishedContent content;
  {
    Progress progress(comm, "publish", rows.rows(), "rows");
    content = write_content(comm, job, inputs, intake, rows, identities, persons, memory / 4,
                            [&](std::uint64_t done) { progress.add(done); });
  }
  clock.end(manifest.rows.kept, "rows", rows.rows(), grouped(manifest.rows.kept));  // by person

  // The account of the run, and last of all the dataset's name.
  clock.begin("finish");
  manifest.files = inputs.files;
  manifest.file_reports = intake.files;
  for (const DatasetSchema& dataset : inputs.datasets) manifest.datasets.push_back({dataset.name, 0});
  for (std::size_t f = 0; f < inputs.files.size(); ++f) {
    manifest.datasets[inputs.files[f].dataset].events += intake.files[f].counts.kept;
  }
  manifest.linkable_identities = survey.file.identities;
  manifest.distinct_nhs = survey.file.distinct_nhs;
  manifest.model = parameters;
  manifest.components = clusters.components;
  manifest.largest_component = clusters.largest_component;
  manifest.component_rounds = clusters.rounds;
  manifest.clusters = clusters.counts;
  manifest.persons = persons.total();
  manifest.persons_by_id_type.assign(persons.by_id_type.begin(), persons.by_id_type.end());
  manifest.rows_linked = persons.rows_linked;
  manifest.consent.rows_by_linkage = search.report().rows;
  manifest.consent.identities_barred = search.report().suppressed;
  manifest.consent.identities_dropped = search.report().identities;
  manifest.consent.identities_apart = search.report().ambiguous;
  report_coverage(comm, job, inputs, rows, as_at, manifest);
  manifest.screens = content.screens;
  manifest.content_digest = hex(content.content);
  identify_run(job, inputs, key, manifest);
  log_key_use(comm, manifest);
  manifest.peak_memory_bytes = peak_memory(comm);
  copy_stages(clock, manifest);
  name_dataset(comm, *content.writer, manifest);
  clock.end(inputs.files.size(), "files", comm.is_root() ? inputs.files.size() : 0);
  copy_stages(clock, manifest);
  const Performance performance = measured_performance(comm, clock, bounds, placement, input_bytes, manifest);
  if (comm.is_root()) {
    write_performance(job.secure, performance);
    write_manifest(manifest);
    std::filesystem::remove_all(job.secure / "scratch");
    std::fputs(summary_text(manifest, performance).c_str(), stdout);
    if (options.results) std::fputs(("\n" + result_lines(performance)).c_str(), stdout);
  }
  if (options.trace) write_trace(comm, *options.trace, Trace::of_this_process().stop(), clock.zero());
  comm.barrier();
  return kExitDone;
}

}  // namespace ligature
