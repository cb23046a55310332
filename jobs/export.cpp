// The secure index as CSV (RFC 4180): one line a kept row, saying which person it was put to, and on demand why.
// Secure use only.
//
// Every rank formats its share of the index twice, first to know its size and so where its lines begin, then to write
// them in place: nothing is gathered, and the lines are by dataset, then in input order, whatever the number of ranks.
// Pseudonyms are in the dataset, and why a row is where it is, is kept by identity: every rank holds a range of either
// (32 and 16 bytes each) and answers for those.
#include <algorithm>
#include <array>
#include <functional>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.hpp"
#include "io/audit_log.hpp"
#include "io/csv_field.hpp"
#include "io/dataset.hpp"
#include "io/dataset_reader.hpp"
#include "io/file_digest.hpp"
#include "io/files.hpp"
#include "io/finished_run.hpp"
#include "io/identity_records.hpp"
#include "io/manifest.hpp"
#include "io/part_files.hpp"
#include "io/secure_index.hpp"
#include "jobs/jobs.hpp"
#include "jobs/provenance_text.hpp"
#include "jobs/secure_output.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::string_view kHeader = "dataset,row_id,person";
constexpr std::string_view kProvenanceHeader = ",how,rank,weight_bits,lead_bits,flags";
constexpr std::size_t kPieceBytes = std::size_t{4} << 20;
constexpr std::size_t kBatchRows = std::size_t{1} << 18;

// What is exported of an identity's provenance.
struct RowProvenance {
  Weight weight = 0;
  Weight lead = kNoRival;
  LinkKind kind = LinkKind::alone;
  MatchRank rank = MatchRank::unmatched;
  std::uint8_t flags = 0;
  std::uint8_t linked = 0;  // whether there is a weight
  std::uint8_t notes = 0;
  std::uint8_t unused = 0;
  std::uint16_t unused_too = 0;
};
static_assert(sizeof(RowProvenance) == 16);

RowProvenance row_provenance(const IdentityRecord& record) {
  const Provenance& from = record.provenance;
  const bool linked = from.kind != LinkKind::alone && from.kind != LinkKind::one_time;
  return {from.weight, from.lead, from.kind, from.rank, record.evidence.flags, linked, from.notes, 0, 0};
}

// Every rank's range of identities, and the way to ask for any.
class ProvenanceTable {
 public:
  // Collective.
  ProvenanceTable(const Communicator& comm, const std::filesystem::path& secure, const Manifest& manifest) {
    agreed_step(comm, [&] {
      IdentityRecordReader reader(secure, manifest.identity_records_digest, comm.rank(), comm.size());
      for (auto piece = reader.next_piece(); !piece.empty(); piece = reader.next_piece()) {
        std::transform(piece.begin(), piece.end(), std::back_inserter(own_), row_provenance);
      }
    });
    // Readers share the identities out in the order of ranks.
    first_of_rank_.assign(1, 0);
    for (const std::uint64_t count : comm.all_gather(std::uint64_t{own_.size()})) {
      first_of_rank_.push_back(first_of_rank_.back() + count);
    }
    first_ = first_of_rank_[static_cast<std::size_t>(comm.rank())];
  }

  [[nodiscard]] std::uint64_t total() const noexcept { return first_of_rank_.back(); }

  // Collective.  Of each id, all below total(); consumed.
  [[nodiscard]] std::vector<RowProvenance> ask(const Communicator& comm, std::vector<IdentityId>&& ids) const {
    ReturnRoute route;
    const Received<IdentityId> asked = shuffle(
        comm, std::move(ids),
        [&](IdentityId id) {
          const auto after = std::upper_bound(first_of_rank_.begin(), first_of_rank_.end() - 1, id);
          return static_cast<int>(after - first_of_rank_.begin()) - 1;
        },
        route);
    std::vector<RowProvenance> answers;
    answers.reserve(asked.items.size());
    for (const IdentityId id : asked.items) answers.push_back(own_[id - first_]);
    return route.reply<RowProvenance>(comm, answers);
  }

 private:
  std::vector<RowProvenance> own_;
  std::vector<std::uint64_t> first_of_rank_;  // ranks + 1 entries
  IdentityId first_ = 0;
};

using PseudonymText = std::array<char, 32>;

// Every rank's share of the pseudonyms, and the way to ask for any.
class PseudonymTable {
 public:
  // Collective.
  PseudonymTable(const Communicator& comm, const std::filesystem::path& publish) {
    agreed_step(comm, [&] {
      const DatasetReader dataset(publish / kDatasetFile);
      const std::size_t column = dataset.column("/persons/pseudonym");
      total_ = dataset.columns()[column].rows;
      const Range share = share_of(total_, comm.rank(), comm.size());
      first_ = share.begin;
      own_.resize(share.size());
      dataset.read(column, first_, std::as_writable_bytes(std::span(own_)));
    });
  }

  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }

  // Collective.  Of rows of /persons, all below total(); consumed.
  [[nodiscard]] std::vector<PseudonymText> ask(const Communicator& comm, std::vector<std::uint64_t>&& rows) const {
    ReturnRoute route;
    const Received<std::uint64_t> asked = shuffle(
        comm, std::move(rows), [&](std::uint64_t row) { return owner_in_shares(row, total_, comm.size()); }, route);
    std::vector<PseudonymText> answers;
    answers.reserve(asked.items.size());
    for (const std::uint64_t row : asked.items) answers.push_back(own_[row - first_]);
    return route.reply<PseudonymText>(comm, answers);
  }

 private:
  std::vector<PseudonymText> own_;
  std::uint64_t total_ = 0, first_ = 0;
};

void append_provenance(std::string& line, const RowProvenance& row) {
  line += ',';
  line += link_kind_name(row.kind);
  line += ',';
  line += match_rank_name(row.rank);
  line += ',';
  if (row.linked != 0) line += bits_text(row.weight, 3);
  line += ',';
  if (row.linked != 0 && row.lead != kNoRival) line += bits_text(row.lead, 3);
  line += ',';
  const std::size_t begin = line.size();
  for (const std::string_view flag : flag_names(row.flags, row.notes)) {
    if (line.size() > begin) line += ' ';
    line += flag;
  }
}

// Rows of the index, copied out of its blocks so that all ranks can ask about theirs together.
struct Batch {
  std::string row_ids;
  std::vector<std::size_t> row_id_end;
  std::vector<std::uint32_t> datasets;
  std::vector<std::uint64_t> persons;
  std::vector<IdentityId> identities;

  void clear() {
    row_ids.clear();
    row_id_end.clear();
    datasets.clear();
    persons.clear();
    identities.clear();
  }
  [[nodiscard]] std::size_t size() const noexcept { return datasets.size(); }
  void add(const IndexRow& row) {
    row_ids += row.row_id;
    row_id_end.push_back(row_ids.size());
    datasets.push_back(row.dataset);
    persons.push_back(row.person);
    identities.push_back(row.identity);
  }
  [[nodiscard]] std::string_view row_id(std::size_t row) const {
    const std::size_t begin = row == 0 ? 0 : row_id_end[row - 1];
    return std::string_view(row_ids).substr(begin, row_id_end[row] - begin);
  }
};

// Collective.  Calls visit(line) for every row of this rank's share; all ranks fail together.
void for_each_line(const Communicator& comm, const std::filesystem::path& secure, const Manifest& manifest,
                   const PseudonymTable& pseudonyms, const ProvenanceTable* provenance,
                   const std::function<void(const std::string&)>& visit) {
  std::optional<SecureIndexReader> reader;
  agreed_step(comm, [&] { reader.emplace(secure, comm.rank(), comm.size()); });
  Batch batch;
  std::string line;
  for (;;) {
    batch.clear();
    agreed_step(comm, [&] {
      const auto take = [&](const IndexRow& row) {
        if (row.dataset >= manifest.datasets.size()) {
          throw Error("the secure index names a dataset that the run has not");
        }
        if (row.person >= pseudonyms.total()) throw Error("the secure index names a person that the run has not");
        if (provenance != nullptr && row.identity >= provenance->total()) {
          throw Error("the secure index names an identity that the run has not");
        }
        batch.add(row);
      };
      while (batch.size() < kBatchRows && reader->next_block(take)) {
      }
    });
    if (!comm.any(batch.size() > 0)) return;
    const std::vector<PseudonymText> names = pseudonyms.ask(comm, std::move(batch.persons));
    std::vector<RowProvenance> answers;
    if (provenance != nullptr) answers = provenance->ask(comm, std::move(batch.identities));
    agreed_step(comm, [&] {
      for (std::size_t row = 0; row < batch.size(); ++row) {
        line.clear();
        append_csv_field(line, manifest.datasets[batch.datasets[row]].name);
        line += ',';
        append_csv_field(line, batch.row_id(row));
        line += ',';
        line.append(names[row].data(), names[row].size());
        if (provenance != nullptr) append_provenance(line, answers[row]);
        line += '\n';
        visit(line);
      }
    });
  }
}

}  // namespace

int export_index(const Communicator& comm, const ExportArguments& arguments) {
  const std::filesystem::path publish = find_run(arguments.run);
  const Manifest manifest = read_manifest(publish);
  const std::filesystem::path secure = own_secure_folder(manifest, publish);
  const std::filesystem::path target = secure_output_path(publish, arguments.index, "--index");
  keep_private(comm, secure);

  const PseudonymTable pseudonyms(comm, publish);
  std::optional<ProvenanceTable> table;
  if (arguments.provenance) table.emplace(comm, secure, manifest);
  const ProvenanceTable* const provenance = table ? &*table : nullptr;
  std::string header(kHeader);
  if (arguments.provenance) header += kProvenanceHeader;
  header += '\n';

  const std::filesystem::path partial = target.string() + ".partial";
  std::uint64_t bytes = 0;
  for_each_line(comm, secure, manifest, pseudonyms, provenance, [&](const std::string& line) { bytes += line.size(); });
  std::uint64_t offset = header.size() + comm.exclusive_sum(bytes);
  agreed_step(comm, [&] {
    if (comm.is_root()) File::create(partial, 0600).write_at(0, std::as_bytes(std::span(header)));
  });
  File file;
  agreed_step(comm, [&] { file = File::open_update(partial); });
  std::string piece;
  const auto write_piece = [&] {
    file.write_at(offset, std::as_bytes(std::span(piece)));
    offset += piece.size();
    piece.clear();
  };
  for_each_line(comm, secure, manifest, pseudonyms, provenance, [&](const std::string& line) {
    piece += line;
    if (piece.size() >= kPieceBytes) write_piece();
  });
  agreed_step(comm, [&] {
    write_piece();
    file.sync();
    file.close();
  });
  // Accounted for before it has a name.
  append_audit(comm, secure,
               {"export",
                {{"run_id", manifest.run_id},
                 {"content_digest", manifest.content_digest},
                 {"provenance", std::uint64_t{arguments.provenance}},
                 {"rows", manifest.rows.kept},
                 {"output", target.filename().string()},
                 {"output_sha256", hex(file_digest(comm, partial))}}});
  agreed_step(comm, [&] {
    if (comm.is_root()) rename_durably(partial, target);
  });
  return kExitDone;
}

}  // namespace ligature
