// Pieces are dealt to ranks and threads.  A small filter on each rank drops nearly all shapes; the rest travel to the
// rank that holds them.  Memory: the filter (1.5 bytes an identifier) on each rank, the identifiers (8 bytes each) over
// all, a piece a thread, 2 KiB a place and form.  What is found is named by place, row or byte, and form; never shown.
#include "jobs/verify/leak_search.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <span>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "jobs/verify/leak_filter.hpp"
#include "jobs/verify/leak_reader.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::size_t kBatchFinds = std::size_t{1} << 20;

struct Find {
  SearchKey key = 0;
  LeakPlace place = 0;
  std::uint64_t position = 0;
};

struct Piece {
  std::size_t source = 0;
  Range part;
};

std::vector<Piece> cut(const std::vector<LeakSource>& sources) {
  std::vector<Piece> pieces;
  for (std::size_t s = 0; s < sources.size(); ++s) {
    for (std::uint64_t begin = 0; begin < sources[s].size; begin += sources[s].piece) {
      pieces.push_back({s, {begin, std::min(sources[s].size, begin + sources[s].piece)}});
    }
  }
  return pieces;
}

// Collective.  Visits every piece of this rank on its threads, and says how many bytes were looked at.
class Search {
 public:
  Search(const Communicator& comm, const std::vector<LeakSource>& sources)
      : sources_(sources), pieces_(cut(sources)), share_(share_of(pieces_.size(), comm.rank(), comm.size())) {}

  // Searches the next pieces; false if there was none.  found(piece's source, find): from several threads.
  template <typename Found>
  bool next(const Found& found) {
    if (share_.size() == 0 || problem_) return false;
    const std::uint64_t count = std::min<std::uint64_t>(share_.size(), 2 * static_cast<std::uint64_t>(num_threads()));
    for_each_item(count, [&](std::size_t i) {
      const Piece& piece = pieces_[share_.begin + i];
      try {
        const std::uint64_t bytes = search_source(sources_[piece.source], piece.part,
                                                  [&](const FoundForm& find) { found(i, piece.source, find); });
        const std::lock_guard lock(mutex_);
        bytes_ += bytes;
      } catch (const Error& error) {
        const std::lock_guard lock(mutex_);
        problem_ = error.what();
      }
    });
    share_.begin += count;
    return true;
  }
  [[nodiscard]] static std::size_t at_once() { return 2 * static_cast<std::size_t>(num_threads()); }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] const std::optional<std::string>& problem() const noexcept { return problem_; }

 private:
  const std::vector<LeakSource>& sources_;
  std::vector<Piece> pieces_;
  Range share_;
  std::mutex mutex_;
  std::uint64_t bytes_ = 0;
  std::optional<std::string> problem_;
};

// Collective.  This rank's finds in lists whose identifiers are searched for too.
std::vector<SearchKey> keys_in(const Communicator& comm, const std::vector<std::string>& files) {
  if (files.empty()) return {};
  const LeakSources lists = list_leak_sources(comm, {files.begin(), files.end()});
  if (!lists.not_searched.empty()) throw Error("cannot look into " + lists.not_searched.front());
  Search search(comm, lists.sources);
  std::vector<std::vector<SearchKey>> found(Search::at_once());
  std::vector<SearchKey> keys;
  while (search.next([&](std::size_t i, std::size_t, const FoundForm& find) {
    if (find.form != IdentifierForm::nhs_broken && find.form != IdentifierForm::nhs_attached)
      found[i].push_back(find.key);
  })) {
    for (std::vector<SearchKey>& part : found) {
      keys.insert(keys.end(), part.begin(), part.end());
      part.clear();
    }
  }
  comm.agree(search.problem());
  return keys;
}

// What one worker counted of one piece.
struct PieceFinds {
  LeakTable table;
  std::vector<Find> finds;
  void add(std::size_t source, const FoundForm& find, const LeakFilter& filter) {
    const LeakPlace place = source * kIdentifierForms + static_cast<std::size_t>(find.form);
    LeakCounts& counts = table[place];
    ++counts.candidates;
    const LeakFilter::Density density = filter.density(find.key);
    counts.chance += static_cast<std::uint64_t>(1e6 * static_cast<double>(density.in_use) / density.possible);
    counts.different.add(find.key);
    if (filter.may_contain(find.key)) finds.push_back({find.key, place, find.position});
  }
};

// Collective.  Hits by place and form, of all ranks.
LeakTable search_all(const Communicator& comm, const LeakSources& found, const LeakFilter& filter,
                     std::uint64_t& bytes) {
  Search search(comm, found.sources);
  LeakTable table;
  bool names = comm.is_root();
  const auto next = [&] {
    std::vector<Find> batch;
    std::vector<PieceFinds> parts(Search::at_once());
    bool more = true;
    while (more && batch.size() < kBatchFinds) {
      more = search.next(
          [&](std::size_t i, std::size_t source, const FoundForm& find) { parts[i].add(source, find, filter); });
      if (names) {
        for (std::size_t s = 0; s < found.sources.size(); ++s) {
          find_in_text(found.sources[s].place(), [&](const FoundForm& find) {
            parts[0].add(s, {find.form, find.key, 0}, filter);
          });
        }
        names = false;
      }
      for (PieceFinds& part : parts) {
        for (const auto& [place, counts] : part.table) table[place].join(counts);
        batch.insert(batch.end(), part.finds.begin(), part.finds.end());
        part = {};
      }
    }
    return batch;
  };
  shuffle_stream<Find>(
      comm, next, [&](const Find& find) { return owner_of(find.key, comm.size()); },
      [&](std::span<const Find> finds, int) {
        for (const Find& find : finds) {
          if (!filter.contains(find.key)) continue;
          LeakCounts& counts = table[find.place];
          ++counts.hits;
          counts.first = std::min(counts.first, find.position);
          counts.different_hits.add(find.key);
        }
      });
  comm.agree(search.problem());
  bytes = comm.sum(search.bytes());
  return join_tables(comm, table);
}

}  // namespace

bool LeakFindings::is_leak(LeakPlace place, const LeakCounts& counts) const {
  return counts.hits > 0 && !chance_explains(form(place), source(place).by_accident(form(place)), counts);
}

LeakFindings search_for_leaks(const Communicator& comm, const std::filesystem::path& secure, const Manifest& run,
                              const std::vector<std::filesystem::path>& paths, const std::vector<std::string>& also) {
  LeakFindings findings;
  const LeakFilter filter(comm, secure, run, keys_in(comm, also));
  findings.identifiers = filter.identifiers();
  findings.searched = list_leak_sources(comm, paths);
  findings.table = search_all(comm, findings.searched, filter, findings.bytes);
  return findings;
}

}  // namespace ligature
