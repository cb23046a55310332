#include "jobs/explain/find_rows.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>

#include "engine/error.hpp"
#include "io/part_files.hpp"
#include "io/secure_index.hpp"

namespace ligature {

namespace {

// Different matches beyond this many of one text say no more than that it is ambiguous.
constexpr std::size_t kMostMatches = 64;

// A row that a text may mean.
struct Match {
  std::uint32_t text = 0;       // index into the texts
  std::uint32_t qualified = 0;  // it names the dataset too
  std::uint64_t dataset = 0;
  IdentityId identity = 0;
  std::uint64_t person = 0;
  friend auto operator<=>(const Match&, const Match&) = default;
};

// "dataset:row_id" as it may be read.
struct Qualified {
  std::uint32_t dataset = 0;
  std::string_view row_id;
};

std::vector<Qualified> qualified_readings(std::string_view text, const std::vector<DatasetReport>& datasets) {
  std::vector<Qualified> readings;
  for (std::uint32_t d = 0; d < datasets.size(); ++d) {
    const std::string_view name = datasets[d].name;
    if (text.size() > name.size() && text.starts_with(name) && text[name.size()] == ':') {
      readings.push_back({d, text.substr(name.size() + 1)});
    }
  }
  return readings;
}

void check_dataset(const IndexRow& row, const std::vector<DatasetReport>& datasets) {
  if (row.dataset >= datasets.size()) throw Error("the secure index names a dataset that the run has not");
}

// The matches of this rank's share of the index, each different one once.
std::vector<Match> matches_here(const Communicator& comm, const std::filesystem::path& secure,
                                const std::vector<DatasetReport>& datasets, std::span<const std::string> texts) {
  std::vector<std::vector<Qualified>> readings;
  for (const std::string& text : texts) readings.push_back(qualified_readings(text, datasets));
  std::vector<std::vector<Match>> found(texts.size());
  read_secure_index(secure, comm.rank(), comm.size(), [&](const IndexRow& row) {
    check_dataset(row, datasets);
    for (std::uint32_t t = 0; t < texts.size(); ++t) {
      const auto take = [&](bool qualified) {
        const Match match{t, qualified ? 1U : 0U, row.dataset, row.identity, row.person};
        if (found[t].size() < kMostMatches && std::find(found[t].begin(), found[t].end(), match) == found[t].end()) {
          found[t].push_back(match);
        }
      };
      if (row.row_id == texts[t]) take(false);
      for (const Qualified& reading : readings[t]) {
        if (row.dataset == reading.dataset && row.row_id == reading.row_id) take(true);
      }
    }
  });
  std::vector<Match> all;
  for (const std::vector<Match>& of_text : found) all.insert(all.end(), of_text.begin(), of_text.end());
  return all;
}

std::string name_of(std::size_t text, std::size_t texts) {
  return texts == 1 ? "the ROW" : text == 0 ? "the first ROW" : "the second ROW";
}

// The one row that a text means.  matches: sorted.
FoundRow chosen_row(std::size_t text, std::span<const std::string> texts, std::span<const Match> matches,
                    const std::vector<DatasetReport>& datasets) {
  const std::string name = name_of(text, texts.size());
  std::vector<Match> meant;
  for (const Match& match : matches) {
    if (match.text == text) meant.push_back(match);
  }
  if (meant.empty()) {
    throw UsageError(name +
                     " is the id of no row that the run kept (it may be quarantined or opted out, or its dataset "
                     "be another)");
  }
  // Where a text can be read both ways, its dataset is meant: the row of the other reading has a longer name as well.
  const bool qualified =
      std::any_of(meant.begin(), meant.end(), [](const Match& match) { return match.qualified != 0; });
  std::erase_if(meant, [&](const Match& match) { return (match.qualified != 0) != qualified; });
  const Match& first = meant.front();
  std::string names;
  for (std::size_t m = 0; m < meant.size(); ++m) {
    if (m > 0 && meant[m].dataset == meant[m - 1].dataset) continue;
    names += (names.empty() ? "" : ", ") + datasets[meant[m].dataset].name;
  }
  if (meant.back().dataset != first.dataset) {
    throw UsageError(name + " is the id of rows in several datasets (" + names + "): say which, as in " +
                     datasets[first.dataset].name + ":ROW");
  }
  if (meant.size() > 1) {
    throw UsageError(name + " is the id of several rows of dataset '" + names +
                     "' with different identifiers: it cannot be told which is meant");
  }
  FoundRow row;
  row.dataset = static_cast<std::uint32_t>(first.dataset);
  row.row_id = qualified ? texts[text].substr(datasets[first.dataset].name.size() + 1) : texts[text];
  row.identity = first.identity;
  row.person = first.person;
  return row;
}

}  // namespace

std::vector<FoundRow> find_rows(const Communicator& comm, const std::filesystem::path& secure,
                                const std::vector<DatasetReport>& datasets, std::span<const std::string> texts) {
  std::vector<Match> here;
  agreed_step(comm, [&] { here = matches_here(comm, secure, datasets, texts); });
  std::vector<Match> matches = comm.all_gather(std::span<const Match>(here));
  std::sort(matches.begin(), matches.end());
  matches.erase(std::unique(matches.begin(), matches.end()), matches.end());
  // Every rank has the same matches, so all choose or all refuse.
  std::vector<FoundRow> rows;
  for (std::size_t t = 0; t < texts.size(); ++t) rows.push_back(chosen_row(t, texts, matches, datasets));
  return rows;
}

std::vector<std::string> first_rows(const Communicator& comm, const std::filesystem::path& secure,
                                    const std::vector<DatasetReport>& datasets,
                                    std::span<const IdentityId> identities) {
  std::vector<std::string> names(identities.size());
  if (identities.empty()) return names;
  std::map<IdentityId, std::vector<std::size_t>> wanted;
  for (std::size_t i = 0; i < identities.size(); ++i) wanted[identities[i]].push_back(i);
  std::vector<std::optional<std::string>> here(identities.size());
  agreed_step(comm, [&] {
    read_secure_index(secure, comm.rank(), comm.size(), [&](const IndexRow& row) {
      const auto found = wanted.find(row.identity);
      if (found == wanted.end() || here[found->second.front()]) return;
      check_dataset(row, datasets);
      for (const std::size_t i : found->second) here[i] = datasets[row.dataset].name + ":" + std::string(row.row_id);
    });
  });
  // Shares are in the order of the index: the lowest rank that has a row has the first.
  const auto ranks = static_cast<std::uint64_t>(comm.size());
  for (std::size_t i = 0; i < identities.size(); ++i) {
    const std::uint64_t first = comm.min(here[i] ? static_cast<std::uint64_t>(comm.rank()) : ranks);
    if (first == ranks) continue;
    if (here[i]) names[i] = *here[i];
    comm.broadcast(names[i], static_cast<int>(first));
  }
  return names;
}

}  // namespace ligature
