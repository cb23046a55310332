#include "jobs/objectors.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <span>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/pseudonym.hpp"
#include "io/manifest.hpp"
#include "io/number_claims.hpp"
#include "io/part_files.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::size_t kPersonsAtOnce = std::size_t{1} << 15;

constexpr int kMostReaders = 8;

using PseudonymText = std::array<char, 32>;

// Of numbers that object.
std::vector<NumberClaim> read_carriers(const Communicator& comm, const std::filesystem::path& secure,
                                       const ObjectionLedger& ledger, ObjectionKinds kinds, DayNumber on) {
  std::vector<NumberClaim> carriers;
  agreed_step(comm, [&] {
    // Threads read shares of their own, since the reading is most of the work; not many, since each opens all parts.
    const int shares = std::min(num_threads(), kMostReaders);
    PerThread<std::vector<NumberClaim>> found;
    for_each_item(static_cast<std::size_t>(shares), [&](std::size_t share) {
      std::vector<NumberClaim>& mine = found.local();
      NumberClaimReader reader(secure, comm.rank() * shares + static_cast<int>(share), comm.size() * shares);
      for (auto piece = reader.next_piece(); !piece.empty(); piece = reader.next_piece()) {
        for (const NumberClaim& claim : piece) {
          if (ledger.stands(claim.nhs(), kinds, on)) mine.push_back(claim);
        }
      }
    });
    found.for_each([&](const std::vector<NumberClaim>& of) { carriers.insert(carriers.end(), of.begin(), of.end()); });
  });
  return carriers;
}

// A person whom a number binds; one who does not own it only if no other number is known of them.
struct Bound {
  Pseudonym person;
  std::uint64_t if_contested = 0;
};

// Of each number, the persons that it binds.
std::vector<Bound> bound_persons(std::vector<NumberClaim>&& carriers, Objectors& found) {
  sort_items(carriers.begin(), carriers.end(), [](const NumberClaim& a, const NumberClaim& b) {
    if (a.nhs() != b.nhs()) return a.nhs() < b.nhs();
    if (a.claim() != b.claim()) return a.claim() < b.claim();
    return a.person() < b.person();
  });
  std::vector<Bound> bound;
  for (std::size_t begin = 0, end = 0; begin < carriers.size(); begin = end) {
    const NumberClaim& best = carriers[begin];
    ++found.numbers;
    found.default_numbers += best.claim() == Claim::default_number;
    for (end = begin; end < carriers.size() && carriers[end].nhs() == best.nhs(); ++end) {
      if (carriers[end].claim() == Claim::default_number) continue;
      bound.push_back({carriers[end].person(), carriers[end].claim() == best.claim() ? 0U : 1U});
    }
  }
  return bound;
}

// The rows of persons, both ascending.  Throws Error if one has none in the range.
std::vector<std::uint64_t> rows_of(const DatasetReader& dataset, std::size_t column, Range range,
                                   std::span<const Pseudonym> persons) {
  std::vector<std::uint64_t> rows;
  if (persons.empty()) return rows;
  PerThread<std::vector<std::uint64_t>> found;
  for_blocks(range.size(), kPersonsAtOnce, [&](std::size_t begin, std::size_t end) {
    std::vector<PseudonymText> texts(end - begin);
    dataset.read(column, range.begin + begin, std::as_writable_bytes(std::span(texts)));
    std::vector<std::uint64_t>& mine = found.local();
    auto from = texts.begin();
    for (auto next = std::lower_bound(persons.begin(), persons.end(), parse_pseudonym(texts.front().data()));
         next != persons.end(); ++next) {
      const PseudonymText wanted = hex_digits(*next);
      from = std::lower_bound(from, texts.end(), wanted);
      if (from == texts.end()) break;
      if (*from == wanted) mine.push_back(range.begin + begin + static_cast<std::uint64_t>(from - texts.begin()));
    }
  });
  found.for_each([&](const std::vector<std::uint64_t>& of) { rows.insert(rows.end(), of.begin(), of.end()); });
  std::sort(rows.begin(), rows.end());
  if (rows.size() != persons.size()) throw Error("a person of the secure folder is not in the dataset: two runs");
  return rows;
}

// Keeps of rows, each that of a person of bound, those whom their number binds.
void keep_bound(const DatasetReader& dataset, std::span<const Bound> bound, std::vector<std::uint64_t>& rows) {
  const std::size_t column = dataset.column("/persons/id_type");
  std::size_t kept = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (bound[i].if_contested != 0) {
      std::uint8_t id_type = 0;
      dataset.read(column, rows[i], std::as_writable_bytes(std::span(&id_type, 1)));
      if (id_type != static_cast<std::uint8_t>(IdType::contested)) continue;
    }
    rows[kept++] = rows[i];
  }
  rows.resize(kept);
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
  std::vector<NumberClaim> carriers = read_carriers(comm, secure, ledger, kinds, on);
  const ShardMap shard_map(comm.size());
  carriers = shuffle(comm, std::move(carriers), [&](const NumberClaim& carrier) {
               return shard_map.owner(shard_of(linkage_key(carrier.nhs())));
             }).items;
  std::vector<Bound> bound = bound_persons(std::move(carriers), found);

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
  std::vector<Bound> here = shuffle(comm, std::move(bound), [&](const Bound& of) {
                              const auto next =
                                  std::upper_bound(first_of_rank.begin(), first_of_rank.end(), hex_digits(of.person));
                              return static_cast<int>(next - first_of_rank.begin());
                            }).items;
  sort_items(here.begin(), here.end(), [](const Bound& a, const Bound& b) {
    return a.person != b.person ? a.person < b.person : a.if_contested < b.if_contested;
  });
  const auto is_same = [](const Bound& a, const Bound& b) { return a.person == b.person; };
  here.erase(std::unique(here.begin(), here.end(), is_same), here.end());
  std::vector<Pseudonym> persons_here;
  persons_here.reserve(here.size());
  for (const Bound& of : here) persons_here.push_back(of.person);

  agreed_step(comm, [&] {
    found.rows = rows_of(dataset, column, mine, persons_here);
    keep_bound(dataset, here, found.rows);
  });
  std::array<std::uint64_t, 3> sums{found.rows.size(), found.numbers, found.default_numbers};
  comm.sum(sums);
  found.persons = sums[0];
  found.numbers = sums[1];
  found.default_numbers = sums[2];
  return found;
}

}  // namespace ligature
