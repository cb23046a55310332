// Secondary suppression by moves.  A move adds t to some cells and takes t from others so that most margins stay what
// they are: in the dimensions of a set S it alternates between two values, so every face that sums over one of them is
// unchanged.  If all entries that a move does change are suppressed, and stay 1 or more, then the table before and the
// table after it look alike to the reader: the entry is protected.  Each small entry gets the move that suppresses
// least beyond what is suppressed already; with S empty the move is a single cell with all its margins, which always
// works.  Moves stay valid as more is suppressed, so one pass over the small entries is enough.
//
// The move of a small cell of value v goes up to 5 and down to 1: the reader learns no more than that it is small.
#include "engine/disclosure.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <tuple>

#include "engine/error.hpp"

namespace ligature {

namespace {

constexpr std::uint64_t kSmall = 5;         // suppress-1-5
constexpr std::uint64_t kSmallRounded = 7;  // hes-2018
constexpr std::uint64_t kRoundTo = 5;
constexpr std::size_t kAlternatives = 6;  // values of a dimension that a move may go to, of those that suit best

using Coordinates = std::array<std::uint32_t, kMostDimensions>;

// The place of entries in the array of all faces.
class Layout {
 public:
  explicit Layout(std::span<const std::uint32_t> sizes) : dimensions_(sizes.size()) {
    std::size_t stride = 1;
    for (std::size_t d = dimensions_; d-- > 0;) {
      sizes_[d] = sizes[d];
      strides_[d] = stride;
      stride *= std::size_t{sizes[d]} + 1;
    }
    entries_ = stride;
  }
  [[nodiscard]] std::size_t dimensions() const noexcept { return dimensions_; }
  [[nodiscard]] std::size_t entries() const noexcept { return entries_; }
  [[nodiscard]] std::uint32_t size(std::size_t d) const noexcept { return sizes_[d]; }
  [[nodiscard]] std::size_t stride(std::size_t d) const noexcept { return strides_[d]; }
  [[nodiscard]] Face whole() const noexcept { return (Face{1} << dimensions_) - 1; }
  [[nodiscard]] Coordinates coordinates(std::size_t entry) const noexcept {
    Coordinates result{};
    for (std::size_t d = 0; d < dimensions_; ++d) {
      result[d] = static_cast<std::uint32_t>(entry / strides_[d]);
      entry %= strides_[d];
    }
    return result;
  }
  [[nodiscard]] Face face(const Coordinates& at) const noexcept {
    Face face = 0;
    for (std::size_t d = 0; d < dimensions_; ++d) face |= Face{at[d] != sizes_[d]} << d;
    return face;
  }
  // The entry of a face that sums over a cell.
  [[nodiscard]] std::size_t projected(const Coordinates& cell, Face face) const noexcept {
    std::size_t entry = 0;
    for (std::size_t d = 0; d < dimensions_; ++d) entry += strides_[d] * ((face >> d & 1) != 0 ? cell[d] : sizes_[d]);
    return entry;
  }

 private:
  std::size_t dimensions_;
  std::size_t entries_ = 1;
  Coordinates sizes_{};
  std::array<std::size_t, kMostDimensions> strides_{};
};

void check_cube(const Cube& cube) {
  std::size_t cells = 1;
  for (const std::uint32_t size : cube.sizes) cells *= size;
  if (cube.sizes.size() > kMostDimensions || cells != cube.counts.size()) {
    throw Error("a table's counts do not fit its dimensions");
  }
}

// The faces and all that tell fewer dimensions apart, as a set by their numbers.
std::vector<bool> with_margins(std::span<const Face> published, Face whole) {
  std::vector<bool> faces(std::size_t{whole} + 1);
  for (const Face face : published) {
    for (Face part = face;; part = (part - 1) & face) {
      faces[part] = true;
      if (part == 0) break;
    }
  }
  return faces;
}

// The cube's cells at their places, and the sum over every dimension after them.  cell(i): the value of cell i.
template <typename CellValue>
std::vector<std::uint64_t> with_totals(const Cube& cube, const Layout& layout, const CellValue& cell) {
  std::vector<std::uint64_t> values(layout.entries());
  Coordinates at{};
  const std::size_t dimensions = layout.dimensions();
  for (std::size_t i = 0; i < cube.counts.size(); ++i) {
    values[layout.projected(at, layout.whole())] = cell(i);
    for (std::size_t d = dimensions; d-- > 0;) {
      if (++at[d] < layout.size(d)) break;
      at[d] = 0;
    }
  }
  for (std::size_t d = 0; d < dimensions; ++d) {
    const std::size_t stride = layout.stride(d), run = stride * (std::size_t{layout.size(d)} + 1);
    for (std::size_t begin = 0; begin < values.size(); begin += run) {
      for (std::size_t i = 0; i < stride; ++i) {
        std::uint64_t sum = 0;
        for (std::size_t c = 0; c < layout.size(d); ++c) sum += values[begin + c * stride + i];
        values[begin + layout.size(d) * stride + i] = sum;
      }
    }
  }
  return values;
}

// A way to protect an entry: in the dimensions of `alternating` the cell and its alternative take turns.
struct Move {
  Face alternating = 0;
  Coordinates cell{}, alternative{};
};

class Suppression {
 public:
  Suppression(const Layout& layout, const std::vector<bool>& faces, Table& table)
      : layout_(layout), faces_(faces), table_(table) {}

  void run() {
    std::vector<std::size_t> small;
    for (std::size_t entry = 0; entry < table_.values.size(); ++entry) {
      if (table_.states[entry] == EntryState::unpublished) continue;
      if (table_.values[entry] == 0 || table_.values[entry] > kSmall) continue;
      table_.states[entry] = EntryState::suppressed;
      small.push_back(entry);
    }
    // Totals first: what protects them is fewest, and protects cells as well.
    const auto told_apart = [&](std::size_t entry) {
      return static_cast<unsigned>(__builtin_popcount(layout_.face(layout_.coordinates(entry))));
    };
    std::stable_sort(small.begin(), small.end(),
                     [&](std::size_t a, std::size_t b) { return told_apart(a) < told_apart(b); });
    for (const std::size_t entry : small) protect(entry);
  }

 private:
  // What a move costs: what it suppresses anew; and how far down it reaches, if the entry is a total.
  struct Price {
    std::uint64_t newly = 0;
    std::uint64_t not_reached = 0;
    friend auto operator<=>(const Price&, const Price&) = default;
  };

  // The cells of a move: those that go up with the entry, then (odd numbers of alternatives) those that go down.
  template <typename Visit>
  void for_each_cell(const Move& move, const Visit& visit) const {
    for (Face turned = move.alternating;; turned = (turned - 1) & move.alternating) {
      Coordinates cell = move.cell;
      for (std::size_t d = 0; d < layout_.dimensions(); ++d) {
        if ((turned >> d & 1) != 0) cell[d] = move.alternative[d];
      }
      visit(cell, (__builtin_popcount(turned) & 1) == 0);
      if (turned == 0) break;
    }
  }
  // The published entries that a move changes.
  template <typename Visit>
  void for_each_entry(const Move& move, const Visit& visit) const {
    for_each_cell(move, [&](const Coordinates& cell, bool up) {
      const Face rest = layout_.whole() & ~move.alternating;
      for (Face more = rest;; more = (more - 1) & rest) {
        const Face face = move.alternating | more;
        if (faces_[face]) visit(layout_.projected(cell, face), up);
        if (more == 0) break;
      }
    });
  }

  // The price of a move for an entry, or none if it does not protect it.
  [[nodiscard]] std::optional<Price> price(std::size_t entry, const Move& move) const {
    const std::uint64_t value = table_.values[entry];
    // How far the cells can go each way: what is published must stay 1 or more, since zero would be shown.
    constexpr std::uint64_t kFar = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t up_room = kFar, down_room = kFar;
    const auto limit = [](std::uint64_t& room, std::uint64_t count, std::uint64_t least) {
      room = std::min(room, count < least ? 0 : count - least);
    };
    for_each_cell(move, [&](const Coordinates& cell, bool up) {
      limit(up ? down_room : up_room, table_.values[layout_.projected(cell, layout_.whole())], 0);
    });
    bool zero = false;
    Price price;
    for_each_entry(move, [&](std::size_t changed, bool up) {
      const std::uint64_t count = table_.values[changed];
      zero = zero || count == 0;
      limit(up ? down_room : up_room, count, 1);
      if (table_.states[changed] != EntryState::suppressed) price.newly += 1 + count;
    });
    if (zero) return std::nullopt;
    const bool is_cell = layout_.face(layout_.coordinates(entry)) == layout_.whole();
    const std::uint64_t down = std::min(down_room, value - 1);
    if (is_cell && down < value - 1) return std::nullopt;
    // A total whose cells are all 1 cannot be less, and the reader knows it: it must then be able to be more.
    if (up_room < std::max<std::uint64_t>(kSmall - value, down == 0 ? 1 : 0)) return std::nullopt;
    price.not_reached = value - 1 - down;
    return price;
  }

  // The values of dimension d that suit an entry's move best, the best first.
  [[nodiscard]] std::vector<std::uint32_t> alternatives(std::size_t entry, const Coordinates& at, std::size_t d) const {
    const std::uint64_t value = table_.values[entry];
    const std::size_t line = entry - at[d] * layout_.stride(d);
    std::vector<std::tuple<bool, bool, std::uint64_t, std::uint32_t>> found;
    for (std::uint32_t c = 0; c < layout_.size(d); ++c) {
      const std::size_t other = line + c * layout_.stride(d);
      const std::uint64_t count = table_.values[other];
      if (c == at[d] || count == 0) continue;
      found.emplace_back(table_.states[other] != EntryState::suppressed, count < kSmall + 1 - value, count, c);
    }
    const std::size_t kept = std::min(found.size(), kAlternatives);
    std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(kept), found.end());
    std::vector<std::uint32_t> result;
    for (std::size_t i = 0; i < kept; ++i) result.push_back(std::get<3>(found[i]));
    return result;
  }

  // Cells that an entry sums over, the largest first; of a cell, itself.
  [[nodiscard]] std::vector<Coordinates> cells_under(const Coordinates& at) const {
    std::vector<std::pair<std::uint64_t, Coordinates>> found;
    Coordinates cell = at;
    for (std::size_t d = 0; d < layout_.dimensions(); ++d) {
      if (at[d] == layout_.size(d)) cell[d] = 0;
    }
    // A small total has at most five cells that are not 0: they are found by going down into what is not 0.
    const auto descend = [&](const auto& self, std::size_t d, Coordinates& entry) -> void {
      while (d < layout_.dimensions() && entry[d] != layout_.size(d)) ++d;
      if (d == layout_.dimensions()) {
        found.emplace_back(table_.values[layout_.projected(entry, layout_.whole())], entry);
        return;
      }
      for (std::uint32_t c = 0; c < layout_.size(d); ++c) {
        entry[d] = c;
        if (table_.values[layout_.projected(entry, layout_.face(entry))] > 0) self(self, d + 1, entry);
      }
      entry[d] = layout_.size(d);
    };
    Coordinates entry = at;
    descend(descend, 0, entry);
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    std::vector<Coordinates> result;
    for (const auto& [count, coordinates] : found) result.push_back(coordinates);
    return result;
  }

  void protect(std::size_t entry) {
    const Coordinates at = layout_.coordinates(entry);
    const Face face = layout_.face(at);
    const std::vector<Coordinates> cells = cells_under(at);
    std::array<std::vector<std::uint32_t>, kMostDimensions> alternative;
    for (std::size_t d = 0; d < layout_.dimensions(); ++d) {
      if ((face >> d & 1) != 0) alternative[d] = alternatives(entry, at, d);
    }
    std::optional<Price> best_price;
    Move best;
    const auto consider = [&](const Move& move) {
      const std::optional<Price> found = price(entry, move);
      if (!found || (best_price && !(*found < *best_price))) return;
      best_price = found;
      best = move;
    };
    for (const Coordinates& cell : cells) {
      for (Face alternating = face;; alternating = (alternating - 1) & face) {
        Move move{alternating, cell, cell};
        const auto choose = [&](const auto& self, std::size_t d) -> void {
          if (best_price && best_price->newly == 0 && best_price->not_reached == 0) return;
          while (d < layout_.dimensions() && (alternating >> d & 1) == 0) ++d;
          if (d == layout_.dimensions()) return consider(move);
          for (const std::uint32_t c : alternative[d]) {
            move.alternative[d] = c;
            self(self, d + 1);
          }
        };
        choose(choose, 0);
        if (alternating == 0) break;
      }
    }
    if (!best_price) throw Error("a small count of a table cannot be protected");
    for_each_entry(best, [&](std::size_t changed, bool) { table_.states[changed] = EntryState::suppressed; });
  }

  const Layout& layout_;
  const std::vector<bool>& faces_;
  Table& table_;
};

// A total is the sum of what is shown below it; it is not shown if that is nothing but suppressed cells.
void round_cells(const Cube& cube, const Layout& layout, Table& table) {
  const auto is_small = [&](std::size_t i) { return cube.counts[i] > 0 && cube.counts[i] <= kSmallRounded; };
  table.values = with_totals(cube, layout, [&](std::size_t i) {
    return is_small(i) ? 0 : (cube.counts[i] + kRoundTo / 2) / kRoundTo * kRoundTo;
  });
  const std::vector<std::uint64_t> hidden =
      with_totals(cube, layout, [&](std::size_t i) { return std::uint64_t{is_small(i)}; });
  for (std::size_t entry = 0; entry < table.values.size(); ++entry) {
    if (table.states[entry] == EntryState::shown && table.values[entry] == 0 && hidden[entry] > 0) {
      table.states[entry] = EntryState::suppressed;
    }
  }
}

}  // namespace

std::string_view disclosure_rules_name(DisclosureRules rules) noexcept {
  return rules == DisclosureRules::suppress_1_5_v1 ? "suppress-1-5 v1" : "hes-2018 v1";
}

std::size_t Table::at(std::span<const std::uint32_t> coordinates) const noexcept {
  std::size_t entry = 0;
  for (std::size_t d = 0; d < sizes.size(); ++d) entry = entry * (std::size_t{sizes[d]} + 1) + coordinates[d];
  return entry;
}

Table disclose(const Cube& cube, std::span<const Face> published, DisclosureRules rules) {
  check_cube(cube);
  const Layout layout(cube.sizes);
  const std::vector<bool> faces = with_margins(published, layout.whole());
  Table table;
  table.sizes = cube.sizes;
  table.values = with_totals(cube, layout, [&](std::size_t i) { return cube.counts[i]; });
  table.states.resize(layout.entries());
  for (std::size_t entry = 0; entry < layout.entries(); ++entry) {
    if (faces[layout.face(layout.coordinates(entry))]) table.states[entry] = EntryState::shown;
  }
  if (rules == DisclosureRules::suppress_1_5_v1) {
    Suppression(layout, faces, table).run();
  } else {
    round_cells(cube, layout, table);
  }
  return table;
}

DisclosureCounts count_entries(const Cube& cube, std::span<const Face> published, DisclosureRules rules,
                               const Table& table) {
  check_cube(cube);
  const Layout layout(cube.sizes);
  const std::vector<bool> faces = with_margins(published, layout.whole());
  const std::vector<std::uint64_t> values = with_totals(cube, layout, [&](std::size_t i) { return cube.counts[i]; });
  const std::uint64_t limit = rules == DisclosureRules::suppress_1_5_v1 ? kSmall : kSmallRounded;
  DisclosureCounts counts;
  for (std::size_t entry = 0; entry < values.size(); ++entry) {
    if (!faces[layout.face(layout.coordinates(entry))]) continue;
    ++counts.entries;
    if (values[entry] > 0 && values[entry] <= limit) ++counts.small;
    if (table.states[entry] == EntryState::suppressed) ++counts.suppressed;
  }
  return counts;
}

}  // namespace ligature
