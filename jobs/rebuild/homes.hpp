// Who lives where, noted while the postcode pass has all of a postcode together: the people with a number by date of
// birth, for whoever asks for them later (moves.hpp), and the records without one that find nobody of theirs at home.
//
// Of a person 8 bytes are kept, in the order in which the pass went, so that nobody is brought together a second time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/model.hpp"
#include "engine/raw_vector.hpp"
#include "partition/tiles.hpp"

namespace ligature {

inline constexpr std::uint64_t kBytesAtHome = 8;  // that Homes keeps of an identity

// A person of a postcode, by date of birth, then identity.
struct PersonAtHome {
  static constexpr unsigned kIdBits = 48;
  std::uint64_t birth_and_id = 0;
  [[nodiscard]] IdentityId id() const noexcept { return birth_and_id & ((std::uint64_t{1} << kIdBits) - 1); }
};

namespace homes_detail {

// Whole postcodes, of some neighbouring items.
struct PostcodeOfHomes {
  std::uint64_t key = 0;    // linkage key
  std::uint64_t first = 0;  // of its people; they end where the next one's begin
};
struct Part {
  RawVector<PostcodeOfHomes> postcodes;
  RawVector<PersonAtHome> people;
};

}  // namespace homes_detail

class Homes {
 public:
  explicit Homes(const LinkageModel& model) : model_(model) {}

  // One round of this rank's items of the postcode pass, by key, those of one key by identity.
  void add(std::span<const PassItem> items);

  // The rounds that were added, of which each has its share of postcodes (rounds.hpp): as many on every rank.
  [[nodiscard]] std::uint64_t rounds() const noexcept { return rounds_.size(); }
  // Of this rank: records without a number and with a date of birth; and those of them who found nobody of that
  // birthday at their postcode whom they are likely to be, whose key is the postcode.
  [[nodiscard]] std::uint64_t looking() const noexcept { return looking_; }
  [[nodiscard]] std::vector<PassItem> take_homeless() noexcept { return std::move(homeless_); }

  // Finds the people of one round by keys that rise.
  class Visit {
   public:
    Visit(const Homes& homes, std::uint64_t round) : parts_(homes.rounds_[round]) {}
    // Those of this birthday at the postcode with this linkage key.
    [[nodiscard]] std::span<const PersonAtHome> people(std::uint64_t key, DayNumber birth);

   private:
    std::span<const homes_detail::Part> parts_;
    std::size_t part_ = 0, postcode_ = 0;
  };

 private:
  void add_postcode(std::span<const PassItem> items, homes_detail::Part& part, std::vector<PassItem>& homeless,
                    std::uint64_t& looking) const;

  const LinkageModel& model_;
  std::vector<std::vector<homes_detail::Part>> rounds_;
  std::vector<PassItem> homeless_;
  std::uint64_t looking_ = 0;
};

}  // namespace ligature
