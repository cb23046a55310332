#include "jobs/release/source.hpp"

#include <algorithm>
#include <span>

#include "engine/error.hpp"
#include "io/customers.hpp"
#include "io/finished_run.hpp"
#include "io/part_files.hpp"

namespace ligature {

namespace {

constexpr std::size_t kDigits = 32;
constexpr std::uint64_t kPieceRows = 1U << 16;

bool is_date(const ColumnSpec& column) {
  return column.type == StoredType::u16 && column.unit.starts_with("days since");
}

}  // namespace

ReleaseSource::ReleaseSource(const std::filesystem::path& run_publish)
    : publish(run_publish), manifest(read_manifest(publish)), dataset(publish / kDatasetFile) {
  secure = own_secure_folder(manifest, publish);
  if (!manifests_agree(secure, publish)) {
    throw Error((publish / kManifestFile).string() + " is not the manifest that the run wrote: the copy in " +
                secure.string() + " differs.  Bring the run's own back, or rebuild");
  }
  // Who objects is known by rows of the run's own dataset: in another's they are other persons.
  if (dataset.attribute("run_id") != manifest.run_id ||
      dataset.attribute("content_digest") != manifest.content_digest) {
    throw Error((publish / kDatasetFile).string() +
                " is not the dataset that the manifest beside it tells of, but another run's.  Bring the run's own "
                "back, or rebuild");
  }
  persons = dataset.columns()[dataset.column("/persons/pseudonym")].rows;
}

Releasable releasable_columns(const ReleaseSource& source, DayNumber today) {
  Releasable releasable;
  releasable.today = today;
  releasable.area = source.dataset.find("/persons/area").has_value();
  for (const DatasetReport& report : source.manifest.datasets) {
    const std::string group = "/events/" + report.name + "/";
    ReleasableDataset dataset{report.name, {}};
    for (const ColumnSpec& column : source.dataset.columns()) {
      if (!column.path.starts_with(group)) continue;
      const std::string name = column.path.substr(group.size());
      if (name == "person" || name == "offsets") continue;
      dataset.columns.push_back({name, !column.dictionary.empty(), is_date(column)});
    }
    releasable.datasets.push_back(std::move(dataset));
  }
  return releasable;
}

ReleasedAreas released_areas(const ReleaseSource& source, const Agreement& agreement) {
  ReleasedAreas areas;
  const std::optional<std::size_t> column = source.dataset.find("/persons/area");
  if (!column) return areas;
  const std::vector<std::string> codes = source.dataset.dictionary(source.dataset.columns()[*column].dictionary).values;
  std::vector<std::string> released = codes;
  if (agreement.area_lookup) {
    const std::vector<AreaOf> lookup = read_area_lookup(*agreement.area_lookup);
    for (std::string& code : released) {
      const auto found = std::lower_bound(lookup.begin(), lookup.end(), code,
                                          [](const AreaOf& a, const std::string& name) { return a.outward < name; });
      code = found != lookup.end() && found->outward == code ? found->area : std::string();
    }
  }
  areas.values = released;
  std::sort(areas.values.begin(), areas.values.end());
  areas.values.erase(std::unique(areas.values.begin(), areas.values.end()), areas.values.end());
  if (!areas.values.empty() && areas.values.front().empty()) areas.values.erase(areas.values.begin());
  for (const std::string& area : released) {
    const auto found = std::lower_bound(areas.values.begin(), areas.values.end(), area);
    areas.of_code.push_back(area.empty() ? areas.missing() : static_cast<std::uint32_t>(found - areas.values.begin()));
  }
  areas.of_code.push_back(areas.missing());
  return areas;
}

PersonDirectory::PersonDirectory(const Communicator& comm, const ReleaseSource& source, Range own) : own_(own) {
  agreed_step(comm, [&] {
    const std::size_t column = source.dataset.column("/persons/pseudonym");
    pseudonyms_.reserve(own.size());
    std::string text;
    for (std::uint64_t row = own.begin; row < own.end; row += kPieceRows) {
      const std::uint64_t rows = std::min(kPieceRows, own.end - row);
      text.resize(rows * kDigits);
      source.dataset.read(column, row, std::as_writable_bytes(std::span(text)));
      for (std::uint64_t i = 0; i < rows; ++i) pseudonyms_.push_back(parse_pseudonym(&text[i * kDigits]));
    }
    if (!std::is_sorted(pseudonyms_.begin(), pseudonyms_.end())) throw Error("the dataset's persons are out of order");
  });
  struct First {
    Pseudonym pseudonym;
    std::uint64_t rank = 0;
  };
  std::vector<First> mine;
  if (!pseudonyms_.empty()) mine.push_back({pseudonyms_.front(), static_cast<std::uint64_t>(comm.rank())});
  for (const First& first : comm.all_gather(std::span<const First>(mine))) {
    first_.push_back(first.pseudonym);
    ranks_.push_back(static_cast<int>(first.rank));
  }
}

int PersonDirectory::owner(const Pseudonym& person) const noexcept {
  const auto after = std::upper_bound(first_.begin(), first_.end(), person);
  if (after == first_.begin()) return 0;
  return ranks_[static_cast<std::size_t>(after - first_.begin()) - 1];
}

std::optional<std::uint64_t> PersonDirectory::row(const Pseudonym& person) const noexcept {
  const auto found = std::lower_bound(pseudonyms_.begin(), pseudonyms_.end(), person);
  if (found == pseudonyms_.end() || *found != person) return std::nullopt;
  return own_.begin + static_cast<std::uint64_t>(found - pseudonyms_.begin());
}

}  // namespace ligature
