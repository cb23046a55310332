// Verify: no NHS number and no full postcode of the input is found anywhere under the publish folder.
//
// What is searched: the bytes of every file; of the dataset, every text value, every attribute, every kept column that
// can hold ten digits, and every byte that belongs to no column.  What is searched for: the identities of the run,
// which are spread over the ranks by hash, so that each rank holds its share of them (8 to 32 bytes an identifier)
// however many there are.  What looks like an identifier travels to the rank that would hold it.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <string_view>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "io/files.hpp"
#include "io/identity_records.hpp"
#include "jobs/verify/checks.hpp"
#include "jobs/verify/identifier_search.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kPieceRows = std::uint64_t{1} << 16;
constexpr std::size_t kBatchIdentifiers = std::size_t{1} << 20;
constexpr std::size_t kPlacesShown = 5;
// Numbers below have two leading zeros and belong to no range that is in use (engine/nhs_number.hpp); as numbers,
// unlike as ten digits of text, they are ordinary small numbers.
constexpr std::uint64_t kLeastNumeric = 100'000'000, kPastTenDigits = 10'000'000'000;

// An identifier as 64 bits: the kind, then the number or the packed postcode (34 bits each).
using IdentifierKey = std::uint64_t;
constexpr IdentifierKey identifier_key(IdentifierKind kind, std::uint64_t value) noexcept {
  return (static_cast<std::uint64_t>(kind) << 62) | value;
}

// Open addressing with linear probing (Knuth, TAOCP 3, 6.4), at most half full.
class IdentifierSet {
 public:
  void insert(IdentifierKey key) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    IdentifierKey& slot = slots_[find(key)];
    if (slot == kEmpty) ++size_;
    slot = key;
  }
  [[nodiscard]] bool contains(IdentifierKey key) const noexcept { return !slots_.empty() && slots_[find(key)] == key; }

 private:
  static constexpr IdentifierKey kEmpty = std::numeric_limits<IdentifierKey>::max();
  [[nodiscard]] std::size_t find(IdentifierKey key) const noexcept {
    // The owner was chosen by the high bits of the hash: the low ones are still evenly spread.
    std::size_t at = linkage_key(key) & (slots_.size() - 1);
    while (slots_[at] != kEmpty && slots_[at] != key) at = (at + 1) & (slots_.size() - 1);
    return at;
  }
  void grow() {
    std::vector<IdentifierKey> old(std::max<std::size_t>(1024, slots_.size() * 2), kEmpty);
    old.swap(slots_);
    for (const IdentifierKey key : old) {
      if (key != kEmpty) slots_[find(key)] = key;
    }
  }
  std::vector<IdentifierKey> slots_;
  std::size_t size_ = 0;
};

int owner_of(IdentifierKey key, int ranks) noexcept {
  return ShardMap(ranks).owner(shard_of(linkage_key(key)));
}

// Collective.  This rank's share of the identifiers of the run.
IdentifierSet load_identifiers(const Communicator& comm, const RunFiles& run, CheckTable& table) {
  IdentifierSet identifiers;
  std::uint64_t identities = 0, rows = 0, astray = 0;
  std::string problem;
  std::optional<IdentityRecordReader> reader;
  try {
    reader.emplace(run.secure, comm.rank(), comm.size());
  } catch (const Error& error) {
    problem = error.what();
  }
  const auto next = [&] {
    std::vector<IdentifierKey> batch;
    try {
      while (reader && batch.size() < kBatchIdentifiers) {
        const std::span<const IdentityRecord> piece = reader->next_piece();
        if (piece.empty()) reader.reset();
        identities += piece.size();
        for (const IdentityRecord& record : piece) {
          rows += record.rows;
          if (record.provenance.linked_to >= run.manifest.identities) ++astray;
          const Identity& identity = record.identity;
          if (identity.nhs() != 0) batch.push_back(identifier_key(IdentifierKind::nhs_number, identity.nhs()));
          if (identity.postcode() != 0) {
            batch.push_back(identifier_key(IdentifierKind::postcode, identity.postcode()));
          }
        }
      }
    } catch (const Error& error) {
      problem = error.what();
      reader.reset();
    }
    return batch;
  };
  shuffle_stream<IdentifierKey>(
      comm, next, [&](IdentifierKey key) { return owner_of(key, comm.size()); },
      [&](std::span<const IdentifierKey> keys, int) {
        for (const IdentifierKey key : keys) identifiers.insert(key);
      });
  const std::uint64_t total = comm.sum(identities), total_rows = comm.sum(rows);
  if (problem.empty() && total != run.manifest.identities) {
    problem = "there are " + std::to_string(total) + " records, and the manifest counts " +
              std::to_string(run.manifest.identities) + " identities";
  }
  // Records that cannot be read have failed once already.
  const bool miscounted = !comm.any(!problem.empty()) && total_rows != run.manifest.rows.kept;
  table.add("identity records are whole", identities, problem.empty() ? 0 : 1, problem);
  table.add("rows of the identity records = rows kept", rows, comm.is_root() && miscounted ? 1 : 0,
            "the records count " + std::to_string(total_rows) + " rows");
  table.add("identities are linked to identities of the run", identities, astray);
  return identifiers;
}

// Something that may be an identifier, and where it was found.
struct Candidate {
  IdentifierKey key = 0;
  std::uint64_t place = 0;
};

// A part of what is searched.
struct Piece {
  enum class Kind : std::uint8_t { file, text_table, numbers };
  Kind kind = Kind::file;
  std::size_t source = 0;  // index of the file, the text table or the column
  std::size_t place = 0;
  Range whole;  // of bytes: nothing beyond it is read, not even as context
  Range part;   // of bytes or rows
};

// Everything under the publish folder, cut into pieces; the same on every rank.
class Published {
 public:
  // Collective.
  Published(const Communicator& comm, const RunFiles& run) : run_(run) {
    list_files(comm);
    for (std::size_t f = 0; f < files_.size(); ++f) add_file(f);
    for (std::size_t t = 0; t < run.dataset.texts().size(); ++t) {
      const TextColumn& text = run.dataset.texts()[t];
      const std::uint64_t rows = std::max<std::uint64_t>(1, kPieceBytes / text.width);
      add_pieces({Piece::Kind::text_table, t, new_place(text.path), {}, {0, text.rows}}, rows);
    }
    for (const RunFiles::Events& events : run.events) {
      for (const std::size_t column : events.columns) {
        const ColumnSpec& spec = run.dataset.columns()[column];
        // Codes and row numbers are the program's own; dates and small numbers are too narrow for ten digits.
        if (column == events.person || !spec.dictionary.empty() || stored_bytes(spec.type) < 4) continue;
        add_pieces({Piece::Kind::numbers, column, new_place(spec.path), {}, {0, spec.rows}}, kPieceRows);
      }
    }
  }

  [[nodiscard]] const std::vector<Piece>& pieces() const noexcept { return pieces_; }
  [[nodiscard]] const std::vector<std::string>& places() const noexcept { return places_; }

  // Appends what looks like an identifier in a piece; adds what was looked at to the tallies.
  void search(const Piece& piece, std::vector<Candidate>& found, Tally& bytes, Tally& numbers) const;

  // The few texts that are no piece: names of files, attributes, the strings of the manifest.  Rank 0.
  void search_small_texts(std::vector<Candidate>& found, Tally& bytes) const {
    const auto look = [&](std::string_view text, std::uint64_t place) {
      search_identifiers(text, [&](const IdentifierShape& shape) {
        found.push_back({identifier_key(shape.kind, shape.value), place});
      });
      bytes.add(text.size(), 0);
    };
    for (const std::string& name : files_) look(name, file_names_);
    for (const auto& [object, text] : run_.dataset.attribute_texts()) {
      look(object, attributes_);
      look(text, attributes_);
    }
    for (const ColumnSpec& column : run_.dataset.columns()) look(column.path, attributes_);
    for (const TextColumn& text : run_.dataset.texts()) look(text.path, attributes_);
    look(manifest_strings_, manifest_);
  }

 private:
  std::size_t new_place(std::string place) {
    places_.push_back(std::move(place));
    return places_.size() - 1;
  }

  void add_pieces(Piece piece, std::uint64_t size) {
    const Range all = piece.part;
    for (std::uint64_t begin = all.begin; begin < all.end; begin += size) {
      piece.part = {begin, std::min(all.end, begin + size)};
      pieces_.push_back(piece);
    }
  }

  // Collective.  Rank 0 looks into the folder; a manifest that is just what this program writes is searched as strings,
  // since its numbers are counts, a few of which have ten digits in any large run.
  void list_files(const Communicator& comm) {
    std::string names;
    std::vector<std::uint64_t> sizes;
    std::uint64_t canonical = 0;
    std::optional<std::string> problem;
    if (comm.is_root()) {
      try {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(run_.publish)) {
          if (!entry.is_regular_file()) continue;
          names += entry.path().lexically_relative(run_.publish).string() + '\0';
        }
        const std::string text = read_small_file(run_.publish / "manifest.json", std::size_t{1} << 30);
        canonical = text == to_json(run_.manifest) ? 1 : 0;
        if (canonical != 0) manifest_strings_ = json_strings_only(text);
      } catch (const std::exception& error) {
        problem = error.what();
      }
    }
    comm.agree(problem);
    comm.broadcast(names);
    comm.broadcast_value(canonical);
    file_names_ = new_place("names of files");
    attributes_ = new_place("dataset.h5: names and attributes");
    manifest_ = new_place("manifest.json");
    for (std::size_t at = 0; at < names.size();) {
      const std::size_t end = names.find('\0', at);
      files_.push_back(names.substr(at, end - at));
      at = end + 1;
    }
    std::sort(files_.begin(), files_.end());
    if (canonical != 0) std::erase(files_, "manifest.json");
  }

  void add_file(std::size_t f) {
    const std::filesystem::path path = run_.publish / files_[f];
    const std::uint64_t bytes = File::open_read(path).size();
    const std::size_t place = new_place(files_[f]);
    const auto add_bytes = [&](Range range) {
      if (range.begin < range.end) add_pieces({Piece::Kind::file, f, place, range, range}, kPieceBytes);
    };
    if (files_[f] != kDatasetFile) {
      add_bytes({0, bytes});
      return;
    }
    // Of the dataset, what belongs to no column: columns are searched by value.
    std::uint64_t from = 0;
    for (const Range& raw : run_.dataset.raw_ranges()) {
      add_bytes({from, std::max(from, raw.begin)});
      from = std::max(from, raw.end);
    }
    add_bytes({from, bytes});
  }

  const RunFiles& run_;
  std::vector<std::string> files_;  // below the publish folder, in byte order
  std::vector<std::string> places_;
  std::vector<Piece> pieces_;
  std::string manifest_strings_;
  std::uint64_t file_names_ = 0, attributes_ = 0, manifest_ = 0;
};

// Whole numbers of ten digits among a column's values.
template <typename T>
void search_numbers(std::span<const std::byte> bytes, std::uint64_t place, std::vector<Candidate>& found) {
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    if constexpr (std::is_floating_point_v<T>) {
      if (!(value >= static_cast<T>(kLeastNumeric) && value < static_cast<T>(kPastTenDigits))) continue;
      if (std::floor(value) != value) continue;
    } else {
      if (std::cmp_less(value, kLeastNumeric) || std::cmp_greater_equal(value, kPastTenDigits)) continue;
    }
    found.push_back({identifier_key(IdentifierKind::nhs_number, static_cast<std::uint64_t>(value)), place});
  }
}

void search_column(const RunFiles& run, const Piece& piece, std::vector<Candidate>& found) {
  const StoredType type = run.dataset.columns()[piece.source].type;
  std::vector<std::byte> bytes(piece.part.size() * stored_bytes(type));
  run.dataset.read(piece.source, piece.part.begin, bytes);
  switch (type) {
    case StoredType::u32:
      return search_numbers<std::uint32_t>(bytes, piece.place, found);
    case StoredType::u64:
      return search_numbers<std::uint64_t>(bytes, piece.place, found);
    case StoredType::i32:
      return search_numbers<std::int32_t>(bytes, piece.place, found);
    case StoredType::i64:
      return search_numbers<std::int64_t>(bytes, piece.place, found);
    case StoredType::f32:
      return search_numbers<float>(bytes, piece.place, found);
    case StoredType::f64:
      return search_numbers<double>(bytes, piece.place, found);
    default:
      return;  // too narrow for ten digits
  }
}

void Published::search(const Piece& piece, std::vector<Candidate>& found, Tally& bytes, Tally& numbers) const {
  const auto take = [&](const IdentifierShape& shape) {
    found.push_back({identifier_key(shape.kind, shape.value), piece.place});
  };
  if (piece.kind == Piece::Kind::numbers) {
    search_column(run_, piece, found);
    numbers.add(piece.part.size(), 0);
  } else if (piece.kind == Piece::Kind::text_table) {
    run_.dataset.visit_texts(piece.source, piece.part, [&](std::uint64_t, std::string_view value) {
      search_identifiers(value, take);
      bytes.add(value.size(), 0);
    });
  } else {
    const File file = File::open_read(run_.publish / files_[piece.source]);
    const std::uint64_t before = std::min<std::uint64_t>(kSearchContext, piece.part.begin - piece.whole.begin);
    const std::uint64_t after = std::min<std::uint64_t>(kSearchContext, piece.whole.end - piece.part.end);
    std::string text(before + piece.part.size() + after, '\0');
    text.resize(file.read_at(piece.part.begin - before, std::as_writable_bytes(std::span(text))));
    search_identifiers(text, [&](const IdentifierShape& shape) {
      if (shape.position >= before && shape.position < before + piece.part.size()) take(shape);
    });
    bytes.add(piece.part.size(), 0);
  }
}

}  // namespace

void check_identifiers(const Communicator& comm, const RunFiles& run, CheckTable& table) {
  const IdentifierSet identifiers = load_identifiers(comm, run, table);
  const Published published(comm, run);
  const std::vector<Piece>& pieces = published.pieces();
  Range share = share_of(pieces.size(), comm.rank(), comm.size());
  bool small_texts = comm.is_root();
  Tally bytes, numbers;
  const auto next = [&] {
    std::vector<Candidate> batch;
    if (small_texts) published.search_small_texts(batch, bytes);
    small_texts = false;
    while (batch.empty() && share.size() > 0) {
      const std::uint64_t count = std::min(share.size(), static_cast<std::uint64_t>(num_threads()));
      std::vector<std::vector<Candidate>> found(count);
      for_each_item(count, [&](std::size_t i) { published.search(pieces[share.begin + i], found[i], bytes, numbers); });
      share.begin += count;
      for (const std::vector<Candidate>& part : found) batch.insert(batch.end(), part.begin(), part.end());
    }
    return batch;
  };
  const std::size_t places = published.places().size();
  const std::size_t kinds = 2;
  std::vector<std::uint64_t> hits(places * kinds, 0);
  shuffle_stream<Candidate>(
      comm, next, [&](const Candidate& candidate) { return owner_of(candidate.key, comm.size()); },
      [&](std::span<const Candidate> candidates, int) {
        for (const Candidate& candidate : candidates) {
          if (identifiers.contains(candidate.key)) ++hits[candidate.place * kinds + (candidate.key >> 62)];
        }
      });
  comm.sum(std::span(hits));

  const auto report = [&](IdentifierKind kind, const char* name, std::uint64_t examined) {
    std::uint64_t total = 0;
    std::size_t shown = 0;
    std::string detail;
    for (std::size_t p = 0; p < places; ++p) {
      const std::uint64_t count = hits[p * kinds + static_cast<std::size_t>(kind)];
      total += count;
      if (count == 0 || ++shown > kPlacesShown) continue;
      detail += (detail.empty() ? "" : ", ") + published.places()[p] + " (" + std::to_string(count) + ")";
    }
    if (shown > kPlacesShown) detail += " and " + std::to_string(shown - kPlacesShown) + " more places";
    table.add(name, examined, comm.is_root() ? total : 0, detail);
  };
  report(IdentifierKind::nhs_number, "no NHS number of the input is published", bytes.examined() + numbers.examined());
  report(IdentifierKind::postcode, "no postcode of the input is published", bytes.examined());
}

}  // namespace ligature
