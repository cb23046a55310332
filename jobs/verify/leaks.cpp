// verify --leaks: everything that was published is read once, decompressed, and every shape of an identifier in it is
// held against those in use.
//
// Pieces are dealt to ranks and threads.  A small filter on each rank drops nearly all shapes; the rest travel to the
// rank that holds them.  Memory: the filter (1.5 bytes an identifier) on each rank, the identifiers (8 bytes each) over
// all, a piece a thread, 2 KiB a place and form.  What is found is named by place, row or byte, and form; never shown.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <optional>

#include <sys/stat.h>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "io/progress.hpp"
#include "jobs/jobs.hpp"
#include "jobs/verify/checks.hpp"
#include "jobs/verify/leak_filter.hpp"
#include "jobs/verify/leak_report.hpp"
#include "jobs/verify/leak_sources.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::size_t kPlacesShown = 100;
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
    if (!is_certain(find.form)) {
      const LeakFilter::Density density = filter.density(find.key);
      counts.chance += static_cast<std::uint64_t>(1e6 * static_cast<double>(density.in_use) / density.possible);
      counts.different.add(find.key);
    }
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

// Folders and files under secure/ that others may read.
std::vector<std::string> open_secure_files(const std::filesystem::path& secure) {
  std::vector<std::string> open;
  const auto look = [&](const std::filesystem::path& path, mode_t allowed) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0 && !S_ISLNK(status.st_mode) && (status.st_mode & 07777U & ~allowed) != 0) {
      open.push_back(path.string());
    }
  };
  look(secure, S_IRWXU);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(secure)) {
    look(entry.path(), entry.is_directory() ? S_IRWXU : S_IRUSR | S_IWUSR);
  }
  return open;
}

std::string lines(const char* title, const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kPlacesShown); ++i) text += title + names[i] + "\n";
  if (names.size() > kPlacesShown) text += "and " + std::to_string(names.size() - kPlacesShown) + " more\n";
  return text;
}

std::string decimal(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f", value);
  return text.data();
}

// The report, and whether nothing leaks.
std::string report(const LeakSources& found, const LeakTable& table, const std::vector<std::string>& open_secure,
                   bool& sound) {
  std::vector<std::vector<std::string>> rows{
      {"place", "what", "first at", "hits", "different", "looked like it", "by chance", "verdict"}};
  std::uint64_t leaks = 0, chances = 0;
  for (const auto& [place, counts] : table) {
    if (counts.hits == 0) continue;
    const auto form = static_cast<IdentifierForm>(place % kIdentifierForms);
    const LeakSource& source = found.sources[place / kIdentifierForms];
    const bool chance = chance_explains(form, counts);
    (chance ? chances : leaks) += 1;
    if (rows.size() > kPlacesShown) continue;
    const bool in_rows = !source.object.empty();
    rows.push_back(
        {source.place(), std::string(kFormNames[place % kIdentifierForms]),
         (in_rows ? "row " : "byte ") + with_commas(counts.first), with_commas(counts.hits),
         with_commas(static_cast<std::uint64_t>(std::max(1.0, std::round(counts.different_hits.estimate())))),
         with_commas(counts.candidates), is_certain(form) ? "0" : decimal(counts.expected()),
         chance ? "chance?" : "LEAK"});
  }
  std::string text = rows.size() > 1 ? text_table(rows) : std::string();
  text += lines("cannot be searched: ", found.not_searched);
  text += lines("anybody may write: ", found.open_to_all);
  text += lines("others may read: ", open_secure);
  if (chances > 0) {
    text +=
        std::to_string(chances) +
        " kinds of hits are as many as chance gives among so many numbers: a single identifier among them cannot be "
        "told from chance\n";
  }
  sound = leaks == 0 && found.not_searched.empty() && found.open_to_all.empty() && open_secure.empty();
  text += leaks > 0 ? std::to_string(leaks) + " places and spellings LEAK identifiers\n"
          : sound   ? "no identifier of the input is published\n"
                    : "no identifier was found, but not all is as it must be\n";
  return text;
}

}  // namespace

int verify_leaks(const Communicator& comm, const LeakArguments& arguments) {
  std::vector<std::filesystem::path> paths;
  std::optional<LeakFilter> filter;
  std::filesystem::path secure;
  {
    const RunFiles run(arguments.run);
    paths = {run.publish};
    secure = run.secure;
    filter.emplace(comm, run.secure, run.manifest.identities, keys_in(comm, arguments.also));
  }
  paths.insert(paths.end(), arguments.searched.begin(), arguments.searched.end());
  const LeakSources found = list_leak_sources(comm, paths);
  std::uint64_t bytes = 0;
  const LeakTable table = search_all(comm, found, *filter, bytes);
  std::uint64_t sound = 0;
  if (comm.is_root()) {
    bool all_sound = false;
    const std::string text = "searched " + std::to_string(found.sources.size()) + " files and tables, " +
                             with_commas(bytes) + " bytes decompressed, for " + with_commas(filter->identifiers()) +
                             " identifiers\n" + report(found, table, open_secure_files(secure), all_sound);
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
    sound = all_sound ? 1 : 0;
  }
  comm.broadcast_value(sound);
  return sound != 0 ? kExitDone : kExitFailed;
}

}  // namespace ligature
