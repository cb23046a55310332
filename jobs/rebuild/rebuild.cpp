// The main job: from raw extracts to one merged, pseudonymised dataset.  Read rebuild() from top to bottom; each line
// is a stage, and each stage has its file in this folder.
#include <atomic>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <malloc.h>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "engine/pseudonym.hpp"
#include "engine/release.hpp"
#include "engine/trace.hpp"
#include "io/clock.hpp"
#include "io/ledger.hpp"
#include "io/manifest.hpp"
#include "io/parked.hpp"
#include "io/part_files.hpp"
#include "io/performance.hpp"
#include "io/placement.hpp"
#include "io/progress.hpp"
#include "io/share_reader.hpp"
#include "io/trace_file.hpp"
#include "jobs/jobs.hpp"
#include "jobs/rebuild/account.hpp"
#include "jobs/rebuild/ambiguous_rows.hpp"
#include "jobs/rebuild/checkpoints.hpp"
#include "jobs/rebuild/choose_model.hpp"
#include "jobs/rebuild/clusters.hpp"
#include "jobs/rebuild/consent_ledger.hpp"
#include "jobs/rebuild/coverage.hpp"
#include "jobs/rebuild/estimates.hpp"
#include "jobs/rebuild/event_screens.hpp"
#include "jobs/rebuild/fault_point.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/links.hpp"
#include "jobs/rebuild/local_ids.hpp"
#include "jobs/rebuild/moves.hpp"
#include "jobs/rebuild/number_groups.hpp"
#include "jobs/rebuild/numbers.hpp"
#include "jobs/rebuild/objector_search.hpp"
#include "jobs/rebuild/passes.hpp"
#include "jobs/rebuild/persons.hpp"
#include "jobs/rebuild/publish.hpp"
#include "jobs/rebuild/room.hpp"
#include "jobs/rebuild/saved_links.hpp"
#include "jobs/rebuild/saved_rows.hpp"
#include "jobs/rebuild/secure_files.hpp"
#include "jobs/rebuild/setup.hpp"
#include "jobs/rebuild/several_patients.hpp"
#include "jobs/rebuild/stage_clock.hpp"
#include "jobs/rebuild/stopping.hpp"
#include "jobs/rebuild/summary.hpp"
#include "jobs/rebuild/survey.hpp"

namespace ligature {

namespace {

// For each identity, what its stage takes beside what it was given, as measured; on one rank, whose lists are in one
// piece each, naming takes more.
constexpr std::uint64_t kBytesToCluster = 72, kBytesToName = 96, kBytesToNameOnOneRank = 128;

}  // namespace

int rebuild(const Communicator& comm, const JobFile& job, const RebuildOptions& options) {
  if (options.trace) Trace::of_this_process().start(trace_limit(comm.size()));
  StopSignals signals(job.grace_seconds);
  StageClock clock(comm);
  clock.begin("start");
  fault_point(comm, "start");
  check_environment(comm);
  const std::optional<Bounds> bounds = load_bounds(comm, options);
  const Placement placement = examine_placement(comm);
  const ThreadLimit threads(job.threads > 0 ? job.threads : placement.fair_threads);
  log_info(comm, "rebuild '" + job.name + "': " + describe(placement));
  if (const std::string warning = placement_warning(placement, num_threads()); !warning.empty()) {
    log_warning(comm, warning);
  }

  const SecretBytes key = load_key(comm, job);
  const Inputs inputs = find_inputs(comm, job);
  check_references(comm, job);
  const std::vector<RunLock> locks = take_folders(comm, job);
  const std::string key_id = Pseudonymiser(key).key_id();
  refuse_key_of_agreement(comm, job, key_id);
  Checkpoints checkpoints(comm, job, run_terms(comm, job, inputs, key_id), options.resume);
  const MemoryPlan memory = plan_memory(comm, job, inputs, options.resume);
  const DayNumber as_at = job.as_at.value_or(checkpoints.as_at().value_or(utc_today()));
  checkpoints.set_as_at(as_at);
  Manifest manifest = new_manifest(comm, job, inputs, as_at);
  std::uint64_t input_bytes = 0;
  for (const InputFile& file : inputs.files) input_bytes += file.bytes;
  clock.end(inputs.files.size(), "files", comm.is_root() ? inputs.files.size() : 0);

  // Between stages a run can be stopped, by a signal or by a test.
  const auto begin = [&](const char* stage) {
    signals.stop_if_told(comm, stage, checkpoints.last());
    signals.at(stage);
    fault_point(comm, stage);
    if (memory.scratch) ::malloc_trim(0);  // what small blocks left behind
    clock.begin(stage);
  };

  // Extracts to rows.
  begin("intake");
  ReferenceCounts superseded_rows;
  const SupersessionTable superseded = load_superseded(comm, job, superseded_rows);
  ConsentLedger consent(comm, job, superseded, as_at);
  report_reference(comm, "superseded numbers", superseded_rows);
  const RowRules rules = consent.rules(superseded, as_at);
  RowStore rows(inputs, job.secure / "scratch", memory.rows_bytes, job.max_categories);
  // Preferences coded in the rows bar rows whose identities were kept until then.
  const bool collapse_early = !rules.bind_persons || rules.objections != nullptr;
  constexpr std::uint64_t kBytesOfRow = 70;
  if (collapse_early) {
    rows.collapse_as_added(input_bytes / static_cast<std::uint64_t>(comm.size()) / kBytesOfRow, memory.least_batch_rows,
                           memory.most_batch_rows);
  }
  IntakeReport intake;
  if (restore_rows(comm, checkpoints, inputs, rows, intake)) {
    clock.begin("resume rows");
  } else {
    Progress progress(comm, "intake", input_bytes / static_cast<std::uint64_t>(comm.size()), "bytes");
    IntakeTuning tuning;
    tuning.piece_bytes = memory.piece_bytes;
    const auto read = [&](const std::optional<Range>& files, const auto& restart, const auto& take) {
      return read_extracts(
          comm, job, inputs, rules, restart, take, [&](std::uint64_t bytes) { progress.add(bytes); }, tuning, files);
    };
    if (keeps_row_shards(checkpoints, inputs)) {
      intake = read_row_shards(comm, checkpoints, inputs, rows, read,
                               [&] { signals.stop_if_told(comm, "intake", checkpoints.last()); });
    } else {
      SavedRows saved(checkpoints);
      const auto restart = [&] {
        rows.restart();
        saved.restart();
      };
      const auto take = [&](RowBlock&& block) {
        saved.add(block);
        rows.add(std::move(block));
      };
      intake = read(std::nullopt, restart, take);
      manifest.file_reports = intake.files;
      saved.commit(manifest);
    }
  }
  rows.settle();
  LaterSyncs lists;
  write_quarantine(comm, job, inputs, intake, rows, lists);
  consent.complete(comm, job, inputs, rows, intake, manifest.consent, lists);
  manifest.rows = total_rows(job, inputs, intake);
  clock.end(manifest.rows.read, "rows", rows.rows(), {.parsed_bytes = static_cast<double>(input_bytes)});

  // Rows to identities.
  begin("identities");
  Identities identities = collapse_identities(comm, rows);
  identities.per_round = options.identities_per_round != 0 ? options.identities_per_round : memory.identities_per_round;
  identities.large_blocks = options.identities_per_round != 0 ? 0 : memory.large_blocks;
  if (memory.scratch && identities.owned.capacity() > identities.owned.size() / 8 * 9) identities.owned.shrink_to_fit();
  manifest.identities = manifest.identity_records = identities.total;
  const std::uint64_t owned = identities.owned.size();
  clock.end(manifest.rows.kept, "rows", rows.rows(), {.collapsed_rows = static_cast<double>(manifest.rows.kept)});

  // What values count for, and the persons who share a number.
  // Each group has at least this to do, however it goes about it: its records must come together once.
  const auto grouped = [](std::uint64_t items) { return StageWork{.grouped_items = static_cast<double>(items)}; };
  begin("survey");
  std::vector<Evidence> evidence;  // by owned identity
  Links links;
  StageWork work;
  std::uint64_t pairs = 0;
  const auto take = [&](PassResult&& found) {
    links.add(found);
    pairs += found.report.pairs_compared;
    work.grouped_items += static_cast<double>(found.report.identities);
    work.compared_pairs += static_cast<double>(found.report.pairs_compared);
    manifest.passes.push_back(std::move(found.report));
  };
  const bool knows_numbers = restore_numbers(checkpoints, identities, evidence, links, manifest);
  if (knows_numbers) {
    clock.begin("resume numbers");
    clock.end(manifest.identity_records, "identities", owned);
  } else {
    NumberGroups numbers(comm, identities);
    Survey survey = survey_file(comm, identities, numbers, job.model);
    manifest.model = choose_model(comm, job, identities, survey, manifest.estimation);
    manifest.distinct_nhs = survey.file.distinct_nhs;
    manifest.numbers.default_births = survey.default_births;
    const LinkageModel model(manifest.model, job.model.rivals);
    if (!job.model.conflicts || !model.conflicts_may_link()) survey.trust_thin_numbers();
    clock.end(manifest.identity_records, "identities", owned, grouped(manifest.identity_records));  // by number

    begin("numbers");
    if (job.model.passes.nhs_number) {
      take(settle_numbers(comm, identities, numbers, model, job.model, survey, manifest.numbers));
      flag_twins(comm, identities, std::move(survey.twins), survey.evidence);
    }
    evidence = std::move(survey.evidence);
    if (uses_local_ids(job) && job.model.providers) {
      manifest.model.several_patients = flag_several_patients(comm, rows, identities, evidence);
    }
    save_numbers(checkpoints, evidence, links, manifest);
    clock.end(manifest.identity_records, "identities", owned, std::exchange(work, {}));
  }
  const LinkageModel model(manifest.model, job.model.rivals);

  // Identities to pairs to edges to clusters; or straight to clusters, where they are known.
  ObjectorSearch search(consent.ledger(), job.consent.after_opt_out, rows, intake);
  PersonDrafts drafts;
  begin("pairs");
  if (restore_clusters(comm, checkpoints, rows, identities, search, drafts, manifest)) {
    clock.begin("resume clusters");
  } else {
    const LinkCount known = links.count();
    if (restore_pairs(checkpoints, "pairs", identities, links, manifest)) {
      clock.begin("resume pairs");
      clock.end(manifest.identity_records, "identities", owned);
    } else {
      std::atomic<std::uint64_t> pairs_here{0};
      pairs = 0;
      Progress progress(comm, "pairs", 0, "pairs");
      const auto count = [&](std::uint64_t done) {
        progress.add(done);
        pairs_here.fetch_add(done, std::memory_order_relaxed);
      };
      std::optional<Homes> homes;
      if (job.model.moves) homes.emplace(model);
      for (const Pass pass : {Pass::date_of_birth, Pass::postcode}) {
        if (!(pass == Pass::postcode ? job.model.passes.postcode : job.model.passes.date_of_birth)) continue;
        clock.step(pass == Pass::postcode ? "pairs by postcode" : "pairs by date of birth");
        const std::string part = "pairs-" + std::string(pass_name(pass));
        const LinkCount before = links.count();
        if (restore_pairs(checkpoints, part, identities, links, manifest)) continue;
        Homes* const homes_of = homes && pass == Pass::postcode ? &*homes : nullptr;
        take(run_pass(comm, pass, job.model.passes, identities, evidence, model, homes_of, count));
        if (job.checkpoint == CheckpointLevel::shards) save_pairs(checkpoints, part, links, before, manifest);
      }
      if (homes) {
        clock.step("pairs by moves");
        take(
            link_moves(comm, identities, evidence, model, job.model.providers, *homes, manifest.moves, manifest.model));
        homes.reset();
      }
      if (uses_local_ids(job)) {
        clock.step("pairs by local id");
        take(link_local_ids(comm, rows, identities, evidence, model, manifest.local_ids, count));
      }
      save_pairs(checkpoints, "pairs", links, known, manifest);
      clock.end(pairs, "pairs", pairs_here, work);
    }
    begin("clusters");
    work = {.edges = static_cast<double>(comm.sum(std::uint64_t{links.edges.size()}))};
    work.grouped_items = work.edges + static_cast<double>(manifest.identity_records);
    ClusterReport clusters;
    search.take_edges(std::move(links.suppressed));
    drafts = resolve_clusters(
        comm, identities, evidence, std::move(links.edges), model, cluster_rules(model).one_patient ? &rows : nullptr,
        rules.bind_persons ? &search : nullptr, memory.scratch_for(comm, identities, kBytesToCluster), clusters);
    manifest.components = clusters.components;
    manifest.largest_component = clusters.largest_component;
    manifest.component_rounds = clusters.rounds;
    manifest.clusters = clusters.counts;
    note_objectors(search.report(), manifest.consent);
    save_clusters(comm, checkpoints, rows, identities, search, drafts, manifest);
  }
  note_objectors(search.report(), manifest.consent);
  links = {};
  manifest.rows = total_rows(job, inputs, intake);
  count_identities(comm, identities, manifest);
  clock.end(manifest.identity_records, "identities", owned, work);

  // Clusters to persons.
  begin("persons");
  const AmbiguousRows apart(comm, inputs, rows, intake.lines_before, identities, evidence, drafts);
  manifest.rows_apart = apart.persons();
  const auto persons_scratch =
      memory.scratch_for(comm, identities, comm.size() == 1 ? kBytesToNameOnOneRank : kBytesToName);
  Persons persons = name_persons(comm, identities, evidence, std::move(drafts), apart, key, persons_scratch);
  Parked<std::uint32_t> way_from_rows(persons_scratch, identities.local_of_row);
  persons.come_back();
  clock.end(persons.total(), "persons", persons.owned.size(), {.persons = static_cast<double>(persons.total())});

  begin("estimates");
  std::vector<std::string> dataset_names;
  for (const DatasetSchema& dataset : inputs.datasets) dataset_names.push_back(dataset.name);
  manifest.estimated = estimate_quality(comm, identities, evidence, persons, manifest.model, dataset_names);

  persons.largest = largest_persons(comm, persons);
  clock.end(manifest.identity_records, "identities", owned, grouped(manifest.identity_records));  // by person

  // What stays behind, to secure/; from here on only the way from rows to persons is needed.
  begin("index");
  const auto identity_records = write_identity_records(comm, job, identities, evidence, persons);
  persons.release_identities();
  release(evidence);
  persons.number_locals(comm, identities);
  identities.release_identities();
  way_from_rows.bring_back(identities.local_of_row);
  const auto row_index = write_row_index(comm, job, intake, rows, identities, persons);
  identity_records->close(comm);
  manifest.identity_records_digest = identity_records->digest();
  rows.release_row_ids();
  clock.end(manifest.rows.kept, "rows", rows.rows(), grouped(manifest.rows.kept));  // by row id

  // Persons and their rows to the dataset.
  begin("publish");
  PublishedContent content;
  {
    Progress progress(comm, "publish", rows.rows(), "rows");
    content = write_content(comm, job, inputs, intake, rows, identities, persons, memory.rows_bytes,
                            [&](std::uint64_t done) { progress.add(done); });
  }
  clock.end(manifest.rows.kept, "rows", rows.rows(), grouped(manifest.rows.kept));  // by person

  // The account of the run, and last of all the dataset's name.
  begin("finish");
  manifest.file_reports = intake.files;
  for (std::size_t f = 0; f < inputs.files.size(); ++f) {
    manifest.datasets[inputs.files[f].dataset].events += intake.files[f].counts.kept;
  }
  manifest.persons = persons.total();
  manifest.persons_by_id_type.assign(persons.by_id_type.begin(), persons.by_id_type.end());
  manifest.rows_linked = persons.rows_linked;
  const auto providers = report_coverage(comm, job, inputs, rows, as_at, manifest);
  manifest.screens = content.screens;
  manifest.content_digest = hex(content.content);
  identify_run(job, inputs, key, manifest);
  log_key_use(comm, job, manifest);
  manifest.peak_memory_bytes = peak_memory(comm);
  copy_stages(clock, manifest);
  finish_dataset(comm, *content.writer, manifest);
  row_index->settle(comm);
  identity_records->settle(comm);

  agreed_step(comm, [&] { lists.wait(); });

  // All is on the disk, and lacks but its names.  An earlier run in these folders is whole until the first of them is
  // given, so that it loses its manifests before: what a crash leaves then is no finished run.
  const auto naming = [&](const char* what) { fault_point(comm, std::string("name-") + what); };
  naming("first");
  agreed_step(comm, [&] {
    if (comm.is_root()) remove_manifests(job.secure, job.publish);
  });
  naming("index");
  row_index->finish(comm);
  naming("identities");
  identity_records->finish(comm);
  naming("lists");
  name_lists(comm, job.secure);
  naming("dataset");
  agreed_step(comm, [&] {
    if (providers) providers->name();
  });
  content.writer->name(comm);
  naming("manifest");
  clock.end(inputs.files.size(), "files", comm.is_root() ? inputs.files.size() : 0);
  copy_stages(clock, manifest);
  const Performance performance = measured_performance(comm, clock, bounds, placement, input_bytes, manifest);
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    write_performance(job.secure, performance);
    write_manifest(manifest);
  });
  remove_scratch(comm, job.secure / "scratch", job.scrub);
  if (comm.is_root()) {
    std::fputs(summary_text(manifest, performance).c_str(), stdout);
    if (options.results) std::fputs(result_lines(performance).insert(0, 1, '\n').c_str(), stdout);
  }
  if (options.trace) write_trace(comm, *options.trace, Trace::of_this_process().stop(), clock.zero());
  comm.barrier();
  return kExitDone;
}

}  // namespace ligature
