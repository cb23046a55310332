#include "jobs/objectors.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/pseudonym.hpp"
#include "io/identity_records.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::uint64_t kPersonsAtOnce = std::uint64_t{1} << 15;
constexpr std::size_t kRecordsAtOnce = std::size_t{1} << 13;

using PseudonymText = std::array<char, 32>;

enum class Claim : std::uint64_t { owned, carried, default_number };

// A person who has an objecting number on a record.
struct Carrier {
  std::uint64_t nhs = 0;
  Claim claim = Claim::owned;
  Pseudonym person;
};

Claim claim_of(const IdentityRecord& record) noexcept {
  if (record.evidence.has(Evidence::number_default)) return Claim::default_number;
  // What was parted from the owner of its number and has gone back to it is the owner's.
  const bool parted = record.evidence.has(Evidence::number_disowned) && record.provenance.kind != LinkKind::returned;
  return parted ? Claim::carried : Claim::owned;
}

std::vector<Carrier> read_carriers(const Communicator& comm, const std::filesystem::path& secure,
                                   const ObjectionLedger& ledger, ObjectionKinds kinds, DayNumber on) {
  std::vector<Carrier> carriers;
  std::optional<std::string> problem;
  try {
    IdentityRecordReader reader(secure, comm.rank(), comm.size());
    for (auto piece = reader.next_piece(); !piece.empty(); piece = reader.next_piece()) {
      PerThread<std::vector<Carrier>> found;
      for_blocks(piece.size(), kRecordsAtOnce, [&](std::size_t begin, std::size_t end) {
        std::vector<Carrier>& mine = found.local();
        for (std::size_t i = begin; i < end; ++i) {
          const IdentityRecord& record = piece[i];
          const std::uint64_t nhs = record.identity.valid_nhs();
          if (nhs == 0 || record.rows == 0 || !ledger.stands(nhs, kinds, on)) continue;
          mine.push_back({nhs, claim_of(record), record.person});
        }
      });
      found.for_each([&](const std::vector<Carrier>& of) { carriers.insert(carriers.end(), of.begin(), of.end()); });
    }
  } catch (const Error& error) {
    problem = error.what();
  }
  comm.agree(problem);
  return carriers;
}

// Of each number, the persons that it binds.
std::vector<Pseudonym> bound_persons(std::vector<Carrier>&& carriers, Objectors& found) {
  sort_items(carriers.begin(), carriers.end(), [](const Carrier& a, const Carrier& b) {
    if (a.nhs != b.nhs) return a.nhs < b.nhs;
    if (a.claim != b.claim) return a.claim < b.claim;
    return a.person < b.person;
  });
  std::vector<Pseudonym> bound;
  for (std::size_t begin = 0, end = 0; begin < carriers.size(); begin = end) {
    const Carrier& best = carriers[begin];
    ++found.numbers;
    found.default_numbers += best.claim == Claim::default_number;
    for (end = begin; end < carriers.size() && carriers[end].nhs == best.nhs; ++end) {
      if (carriers[end].claim == best.claim && best.claim != Claim::default_number) {
        bound.push_back(carriers[end].person);
      }
    }
  }
  return bound;
}

PseudonymText first_pseudonym(const DatasetReader& dataset, std::size_t column, std::uint64_t row) {
  PseudonymText text{};
  dataset.read(column, row, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace

Objectors find_objectors(const Communicator& comm, const std::filesystem::path& secure, const DatasetReader& dataset,
                         const ObjectionLedger& ledger, ObjectionKinds kinds, DayNumber on) {
  Objectors found;
  std::vector<Carrier> carriers = read_carriers(comm, secure, ledger, kinds, on);
  const ShardMap shard_map(comm.size());
  carriers = shuffle(comm, std::move(carriers), [&](const Carrier& carrier) {
               return shard_map.owner(shard_of(linkage_key(carrier.nhs)));
             }).items;
  std::vector<Pseudonym> bound = bound_persons(std::move(carriers), found);

  // Persons are ordered by pseudonym, so that the first of each rank's share says whose a pseudonym is.
  const std::size_t column = dataset.column("/persons/pseudonym");
  const std::uint64_t persons = dataset.columns()[column].rows;
  const Range mine = share_of(persons, comm.rank(), comm.size());
  std::vector<PseudonymText> first_of_rank;
  for (int rank = 1; rank < comm.size(); ++rank) {
    const Range share = share_of(persons, rank, comm.size());
    if (share.size() == 0) break;  // and so are all after it
    first_of_rank.push_back(first_pseudonym(dataset, column, share.begin));
  }
  std::vector<Pseudonym> here = shuffle(comm, std::move(bound), [&](const Pseudonym& person) {
                                  const auto next =
                                      std::upper_bound(first_of_rank.begin(), first_of_rank.end(), hex_digits(person));
                                  return static_cast<int>(next - first_of_rank.begin());
                                }).items;
  sort_items(here.begin(), here.end(), std::less<>());
  here.erase(std::unique(here.begin(), here.end()), here.end());

  auto next = here.begin();
  std::vector<PseudonymText> texts;
  for (std::uint64_t row = mine.begin; row < mine.end && next != here.end(); row += texts.size()) {
    texts.resize(std::min(kPersonsAtOnce, mine.end - row));
    dataset.read(column, row, std::as_writable_bytes(std::span(texts)));
    // The persons are ascending, as those who are looked for.
    for (auto from = texts.begin(); next != here.end(); ++next) {
      const PseudonymText wanted = hex_digits(*next);
      from = std::lower_bound(from, texts.end(), wanted);
      if (from == texts.end() || *from != wanted) break;
      found.rows.push_back(row + static_cast<std::uint64_t>(from - texts.begin()));
    }
  }
  if (comm.any(next != here.end())) throw Error("a person of the secure folder is not in the dataset: two runs");
  std::array<std::uint64_t, 3> sums{found.rows.size(), found.numbers, found.default_numbers};
  comm.sum(sums);
  found.persons = sums[0];
  found.numbers = sums[1];
  found.default_numbers = sums[2];
  return found;
}

}  // namespace ligature
