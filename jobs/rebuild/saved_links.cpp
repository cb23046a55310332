#include "jobs/rebuild/saved_links.hpp"

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

#include "engine/error.hpp"
#include "io/packing.hpp"
#include "jobs/rebuild/row_numbers.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

enum Kind : std::uint64_t { kEvidence, kEdges, kSuppressedEdges, kPersons, kAlone, kRowsLeft, kDroppedRows };

// A person as it is stored, without gaps.
struct StoredDraft {
  Identity smallest;
  IdentityId cluster = 0;
  std::uint64_t valid_nhs = 0, disowned_nhs = 0, rows = 0;
  std::uint32_t datasets = 0, outward = 0;
  std::uint16_t birth_year = 0;
  std::uint8_t sex = 0, link_percent = 0, ambiguous = 0, linked = 0;
  std::uint16_t unused = 0;
};
static_assert(sizeof(StoredDraft) == 64);

// The rows of each block as they were before some were dropped.  dropped: their places among all of then; ascending.
std::vector<FileRows> rows_before(const RowStore& rows, std::span<const std::uint32_t> dropped) {
  std::vector<FileRows> blocks;
  auto next = dropped.begin();
  std::uint64_t end = 0;
  for (const StoredBlock& block : rows.blocks()) {
    std::uint64_t count = block.rows;
    end += count;
    for (; next != dropped.end() && *next < end; ++next, ++count) ++end;
    blocks.push_back({block.file, count});
  }
  return blocks;
}

// What is left of an identity once the rows of objectors are dropped.
struct RowsLeft {
  std::uint32_t rows = 0, datasets = 0;
};

StoredDraft stored(const PersonDraft& draft) {
  return {draft.smallest,
          draft.cluster,
          draft.valid_nhs,
          draft.disowned_nhs,
          draft.rows,
          draft.datasets,
          draft.outward,
          draft.birth_year,
          draft.sex,
          draft.link_percent,
          draft.ambiguous,
          draft.linked,
          0};
}

PersonDraft draft_of(const StoredDraft& stored) {
  PersonDraft draft;
  draft.smallest = stored.smallest;
  draft.cluster = stored.cluster;
  draft.valid_nhs = stored.valid_nhs;
  draft.disowned_nhs = stored.disowned_nhs;
  draft.rows = stored.rows;
  draft.datasets = stored.datasets;
  draft.outward = stored.outward;
  draft.birth_year = stored.birth_year;
  draft.sex = stored.sex;
  draft.link_percent = stored.link_percent;
  draft.ambiguous = stored.ambiguous != 0;
  draft.linked = stored.linked != 0;
  return draft;
}

void save_drafts(const PersonDrafts& drafts, CheckpointFileWriter& file) {
  constexpr std::size_t kPersonsAtOnce = std::size_t{1} << 14;
  Packer packer;
  std::vector<StoredDraft> stored_drafts;
  std::vector<std::uint32_t> sizes;
  for (std::size_t begin = 0; begin < drafts.drafts.size(); begin += kPersonsAtOnce) {
    const std::size_t end = std::min(drafts.drafts.size(), begin + kPersonsAtOnce);
    stored_drafts.clear();
    sizes.clear();
    for (std::size_t d = begin; d < end; ++d) {
      stored_drafts.push_back(stored(drafts.drafts[d]));
      sizes.push_back(static_cast<std::uint32_t>(drafts.first_member[d + 1] - drafts.first_member[d]));
    }
    const std::size_t first = drafts.first_member[begin], members = drafts.first_member[end] - first;
    packer.clear();
    packer.array(std::span<const StoredDraft>(stored_drafts));
    packer.array(std::span<const std::uint32_t>(sizes));
    packer.array(std::span(drafts.members).subspan(first, members));
    packer.array(std::span(drafts.provenance).subspan(first, members));
    file.add(kPersons, end - begin, packer.bytes());
  }
}

void take_drafts(std::span<const std::byte> bytes, std::uint64_t identities, PersonDrafts& drafts) {
  std::vector<StoredDraft> stored_drafts;
  std::vector<std::uint32_t> sizes;
  std::vector<IdentityId> members;
  std::vector<Provenance> provenance;
  Unpacker from(bytes);
  from.array(stored_drafts);
  from.array(sizes);
  from.array(members);
  from.array(provenance);
  from.finish();
  const auto is_known = [&](IdentityId id) { return id < identities; };
  const auto is_reason = [](const Provenance& p) { return p.kind <= kLastLinkKind && p.rank <= MatchRank::unmatched; };
  std::uint64_t total = 0;
  for (const std::uint32_t size : sizes) total += size;
  if (sizes.size() != stored_drafts.size() || members.size() != total || provenance.size() != total ||
      !std::all_of(members.begin(), members.end(), is_known) ||
      !std::all_of(provenance.begin(), provenance.end(), is_reason)) {
    Unpacker::wrong();
  }
  for (const StoredDraft& draft : stored_drafts) drafts.drafts.push_back(draft_of(draft));
  for (const std::uint32_t size : sizes) drafts.first_member.push_back(drafts.first_member.back() + size);
  drafts.members.insert(drafts.members.end(), members.begin(), members.end());
  drafts.provenance.insert(drafts.provenance.end(), provenance.begin(), provenance.end());
}

void save_links(const Links& links, const LinkCount& known, CheckpointWriter& writer) {
  writer.add_items(kEdges, std::span(links.edges).subspan(known.edges));
  writer.add_items(kSuppressedEdges, std::span(links.suppressed).subspan(known.suppressed));
}

// Adds this rank's run of edges.
void take_links(const CheckpointReader& reader, const Identities& identities, Links& links) {
  const auto take = [&](Kind kind, std::vector<Edge>& edges) {
    for (const Edge& edge : reader.dealt<Edge>(kind)) {
      const bool known = edge.kind >= EdgeKind::link && edge.kind <= kLastEdgeKind && edge.a < identities.total &&
                         (edge.kind == EdgeKind::rival || edge.b < identities.total);
      if (!known) Unpacker::wrong();
      edges.push_back(edge);
    }
  };
  take(kEdges, links.edges);
  take(kSuppressedEdges, links.suppressed);
}

Range owned_range(const Identities& identities) {
  return {identities.first_id, identities.first_id + identities.owned.size()};
}

}  // namespace

void save_numbers(const Checkpoints& checkpoints, const std::vector<Evidence>& evidence, const Links& links,
                  const Manifest& manifest) {
  const auto writer = checkpoints.begin("numbers");
  if (writer) {
    writer->add_items(kEvidence, std::span(evidence));
    save_links(links, {}, *writer);
  }
  checkpoints.commit("numbers", writer.get(), manifest);
}

bool restore_numbers(Checkpoints& checkpoints, const Identities& identities, std::vector<Evidence>& evidence,
                     Links& links, Manifest& manifest) {
  Manifest account;
  std::vector<Evidence> known;
  Links found;
  const bool restored = checkpoints.restore("numbers", account, [&](const CheckpointReader& reader) {
    if (reader.items(kEvidence) != identities.total) Unpacker::wrong();
    known = reader.at<Evidence>(kEvidence, owned_range(identities));
    take_links(reader, identities, found);
  });
  if (!restored) return false;
  evidence = std::move(known);
  links = std::move(found);
  manifest.linkable_identities = account.linkable_identities;
  manifest.distinct_nhs = account.distinct_nhs;
  manifest.estimation = std::move(account.estimation);
  manifest.model = account.model;
  manifest.numbers = account.numbers;
  manifest.passes = std::move(account.passes);
  return true;
}

void save_pairs(const Checkpoints& checkpoints, std::string_view stage, const Links& links, const LinkCount& known,
                const Manifest& manifest) {
  const auto writer = checkpoints.begin(stage);
  if (writer) save_links(links, known, *writer);
  checkpoints.commit(stage, writer.get(), manifest);
}

bool restore_pairs(Checkpoints& checkpoints, std::string_view stage, const Identities& identities, Links& links,
                   Manifest& manifest) {
  Manifest account;
  const LinkCount known = links.count();
  const bool restored = checkpoints.restore(
      stage, account, [&](const CheckpointReader& reader) { take_links(reader, identities, links); });
  if (!restored) {
    links.edges.resize(known.edges);
    links.suppressed.resize(known.suppressed);
    return false;
  }
  manifest.passes = std::move(account.passes);
  manifest.local_ids = account.local_ids;
  manifest.moves = account.moves;
  manifest.model.elsewhere = account.model.elsewhere;
  return true;
}

void save_clusters(const Communicator& comm, const Checkpoints& checkpoints, const RowStore& rows,
                   const Identities& identities, const ObjectorSearch& search, const PersonDrafts& drafts,
                   const Manifest& manifest) {
  const auto writer = checkpoints.begin("clusters");
  if (writer) {
    save_drafts(drafts, writer->file());
    std::vector<std::uint8_t> alone(identities.owned.size(), 0);
    for (const std::uint32_t i : drafts.alone) alone[i] = 1;
    writer->add_items(kAlone, std::span(alone));
    if (manifest.consent.rows_by_linkage > 0) {
      std::vector<RowsLeft> left;
      for (const CountedIdentity& counted : identities.owned) left.push_back({counted.rows, counted.datasets});
      writer->add_items(kRowsLeft, std::span(left));
      // By what they are called before any of them is dropped.
      const RowNumbers numbers(comm, rows_before(rows, search.dropped_rows()));
      std::vector<std::uint64_t> dropped;
      for (const std::uint32_t row : search.dropped_rows()) dropped.push_back(numbers.number_of(row));
      writer->add_items(kDroppedRows, std::span(dropped));
    }
  }
  checkpoints.commit("clusters", writer.get(), manifest);
}

bool restore_clusters(const Communicator& comm, Checkpoints& checkpoints, const RowStore& rows, Identities& identities,
                      ObjectorSearch& search, PersonDrafts& drafts, Manifest& manifest) {
  Manifest account;
  PersonDrafts found;
  found.first_member.push_back(0);
  std::vector<std::uint8_t> alone;
  std::vector<RowsLeft> left;
  std::vector<std::uint64_t> dropped;
  const bool restored = checkpoints.restore("clusters", account, [&](const CheckpointReader& reader) {
    if (reader.items(kAlone) != identities.total) Unpacker::wrong();
    reader.for_each_dealt(kPersons, [&](std::uint64_t, std::span<const std::byte> bytes) {
      take_drafts(bytes, identities.total, found);
    });
    alone = reader.at<std::uint8_t>(kAlone, owned_range(identities));
    if (account.consent.rows_by_linkage == 0) return;
    left = reader.at<RowsLeft>(kRowsLeft, owned_range(identities));
    dropped = reader.dealt<std::uint64_t>(kDroppedRows);
  });
  if (!restored) return false;
  for (std::uint32_t i = 0; i < alone.size(); ++i) {
    if (alone[i] != 0) found.alone.push_back(i);
  }
  for (std::size_t i = 0; i < left.size(); ++i) {
    identities.owned[i].rows = left[i].rows;
    identities.owned[i].datasets = left[i].datasets;
  }
  const RowNumbers numbers(comm, rows_before(rows, {}));
  dropped = shuffle(comm, std::move(dropped), [&](std::uint64_t row) { return numbers.rank_of(row); }).items;
  std::vector<std::uint32_t> here;
  for (const std::uint64_t row : dropped) here.push_back(static_cast<std::uint32_t>(numbers.row_of(row)));
  std::sort(here.begin(), here.end());
  search.drop_again(comm, identities, std::move(here),
                    {account.consent.rows_by_linkage, account.consent.identities_dropped,
                     account.consent.identities_barred, account.consent.identities_apart});
  drafts = std::move(found);
  manifest.passes = std::move(account.passes);
  manifest.local_ids = account.local_ids;
  manifest.moves = account.moves;
  manifest.model.elsewhere = account.model.elsewhere;
  manifest.components = account.components;
  manifest.largest_component = account.largest_component;
  manifest.component_rounds = account.component_rounds;
  manifest.clusters = account.clusters;
  return true;
}

}  // namespace ligature
