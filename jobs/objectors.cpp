#include "jobs/objectors.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/nhs_directory.hpp"
#include "engine/parallel.hpp"
#include "engine/sort_items.hpp"
#include "io/manifest.hpp"
#include "io/number_claims.hpp"
#include "io/part_files.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr int kMostReaders = 8;

// Of numbers that object, they or what they were replaced by since the run was made.
std::vector<NumberClaim> read_carriers(const Communicator& comm, const std::filesystem::path& secure,
                                       std::string_view run, const ObjectionLedger& ledger,
                                       const SupersessionTable& superseded, ObjectionKinds kinds, DayNumber on) {
  std::vector<NumberClaim> carriers;
  agreed_step(comm, [&] {
    // Every claim of the run is asked about, and few of the ledger's entries stand: a directory of those alone is
    // small.
    const std::vector<std::uint64_t> numbers = ledger.numbers_standing(kinds, on);
    const auto itself = [](std::uint64_t number) { return number; };
    const NhsDirectory directory(numbers, itself);
    const auto objects = [&](std::uint64_t nhs) {
      bool found = false;
      directory.for_each(numbers, itself, nhs, [&](std::uint64_t) { return !(found = true); });
      return found;
    };
    // Threads read shares of their own, since the reading is most of the work; not many, since each opens all parts.
    const int shares = std::min(num_threads(), kMostReaders);
    PerThread<std::vector<NumberClaim>> found;
    for_each_item(static_cast<std::size_t>(shares), [&](std::size_t share) {
      std::vector<NumberClaim>& mine = found.local();
      NumberClaimReader reader(secure, run, comm.rank() * shares + static_cast<int>(share), comm.size() * shares);
      for (auto piece = reader.next_piece(); !piece.empty(); piece = reader.next_piece()) {
        for (const NumberClaim& claim : piece) {
          const std::uint64_t nhs = superseded.current(claim.nhs());
          if (directory.may_have(nhs) && objects(nhs)) mine.push_back(claim);
        }
      }
    });
    found.for_each([&](const std::vector<NumberClaim>& of) { carriers.insert(carriers.end(), of.begin(), of.end()); });
  });
  return carriers;
}

// A person, by their row, whom a number binds; one who does not own it only if no other number is known of them.
struct Bound {
  std::uint64_t row = 0;
  std::uint64_t if_contested = 0;
};

// Of each number, the persons that it binds.
std::vector<Bound> bound_persons(std::vector<NumberClaim>&& carriers, Objectors& found) {
  sort_items(carriers.begin(), carriers.end(), [](const NumberClaim& a, const NumberClaim& b) {
    if (a.nhs() != b.nhs()) return a.nhs() < b.nhs();
    if (a.claim() != b.claim()) return a.claim() < b.claim();
    return a.row() < b.row();
  });
  std::vector<Bound> bound;
  for (std::size_t begin = 0, end = 0; begin < carriers.size(); begin = end) {
    const NumberClaim& best = carriers[begin];
    ++found.numbers;
    found.default_numbers += best.claim() == ClaimKind::default_number;
    for (end = begin; end < carriers.size() && carriers[end].nhs() == best.nhs(); ++end) {
      if (carriers[end].claim() == ClaimKind::default_number) continue;
      bound.push_back({carriers[end].row(), carriers[end].claim() == best.claim() ? 0U : 1U});
    }
  }
  return bound;
}

// Of persons in order of their rows, the rows of those whom their number binds.
std::vector<std::uint64_t> rows_of_bound(const DatasetReader& dataset, std::span<const Bound> bound) {
  const std::size_t column = dataset.column("/persons/id_type");
  std::vector<std::uint64_t> rows;
  for (const Bound& of : bound) {
    if (of.if_contested != 0) {
      std::uint8_t id_type = 0;
      dataset.read(column, of.row, std::as_writable_bytes(std::span(&id_type, 1)));
      if (id_type != static_cast<std::uint8_t>(IdType::contested)) continue;
    }
    rows.push_back(of.row);
  }
  return rows;
}

}  // namespace

Objectors find_objectors(const Communicator& comm, const std::filesystem::path& secure, std::string_view run,
                         const DatasetReader& dataset, const ObjectionLedger& ledger,
                         const SupersessionTable& superseded, ObjectionKinds kinds, DayNumber on) {
  Objectors found;
  std::vector<NumberClaim> carriers = read_carriers(comm, secure, run, ledger, superseded, kinds, on);
  const ShardMap shard_map(comm.size());
  carriers = shuffle(comm, std::move(carriers), [&](const NumberClaim& carrier) {
               return shard_map.owner(shard_of(linkage_key(carrier.nhs())));
             }).items;
  std::vector<Bound> bound = bound_persons(std::move(carriers), found);

  const std::uint64_t persons = dataset.columns()[dataset.column("/persons/id_type")].rows;
  agreed_step(comm, [&] {
    const auto is_there = [&](const Bound& of) { return of.row < persons; };
    if (!std::all_of(bound.begin(), bound.end(), is_there)) {
      throw Error("a person of the secure folder is not in the dataset: two runs");
    }
  });
  std::vector<Bound> here = shuffle(comm, std::move(bound), [&](const Bound& of) {
                              return owner_in_shares(of.row, persons, comm.size());
                            }).items;
  sort_items(here.begin(), here.end(), [](const Bound& a, const Bound& b) {
    return a.row != b.row ? a.row < b.row : a.if_contested < b.if_contested;
  });
  const auto is_same = [](const Bound& a, const Bound& b) { return a.row == b.row; };
  here.erase(std::unique(here.begin(), here.end(), is_same), here.end());
  agreed_step(comm, [&] { found.rows = rows_of_bound(dataset, here); });
  std::array<std::uint64_t, 3> sums{found.rows.size(), found.numbers, found.default_numbers};
  comm.sum(sums);
  found.persons = sums[0];
  found.numbers = sums[1];
  found.default_numbers = sums[2];
  return found;
}

}  // namespace ligature
