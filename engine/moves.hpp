// People who moved together: what it says of a record at a new address that others went to that address from the
// candidate's.
//
// Households move as one.  A record without a number, at an address where its person has no other record, agrees with
// some hundred people of the file on the date of birth alone; but if one of them lives where other people of the new
// address used to live (or now live: the direction is not known), it is most likely his.  Two postcodes are companions
// for a person if other NHS numbers have been recorded at both.
//
// A hospital that has the household's new address has it for all of them: company counts for more where the record's
// own provider has recorded one of the others at the record's postcode.
//
// The evidence is counted in the file itself, without truth: each record of a number is held out in turn, and it is
// asked whether it alone is at its postcode, and whether that is a companion of those of the number's other records.
// Records whose provider is not known are counted apart.  Where providers do not know the company as a rule, nobody's
// is taken to be known.
//
//   m(k, c)   P(the record is at a new postcode, and a companion by class c, and the rest has k postcodes | one person)
//   s(k)      P(a person has k postcodes)
//   u(c, P)   P(somebody lives at a companion of postcode P of class c), by how many live at each
//
// The weight is that of all other pairs (model.hpp), and is measured against other candidates as it is.  Whether it is
// enough to link is another question.  The people of the file are rivals and not strangers: those who were recorded
// where the record is have been compared, and the record that looks for its person has found none of them.  So the odds
// are against its person having moved without company, being recorded under another date of birth, or never showing a
// number.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/model.hpp"

namespace ligature {

// How many others have been at both postcodes, from the weakest evidence to the strongest: none; one, several; one,
// several, of whom one at least is known to a provider of the record at the record's postcode.
inline constexpr std::size_t kCompanyClasses = 5;
constexpr std::size_t company_class(std::uint64_t others, bool known) noexcept {
  if (others == 0) return 0;
  return (others == 1 ? 1U : 2U) + (known ? 2U : 0U);
}
// The same company, if the provider were not known.
constexpr std::size_t unknown_class(std::size_t company) noexcept {
  return company > 2 ? company - 2 : company;
}
constexpr bool is_known_company(std::size_t company) noexcept {
  return company > 2;
}
// How many postcodes a person has been at: one, two, more.  Index 0 .. 2.
inline constexpr std::size_t kAddressClasses = 3;
constexpr std::size_t address_class(std::uint64_t postcodes) noexcept {
  return postcodes < 3 ? static_cast<std::size_t>(postcodes) - 1 : 2;
}
// A person of more postcodes moves nobody; a postcode of more companions is one that people come to from everywhere.
inline constexpr std::uint64_t kMostAddresses = 6, kMostCompanions = 128;

// Exact counts over the whole file, the same on any number of ranks.
struct HeldOutCounts {
  std::uint64_t records = 0;                                                        // of numbers that have two or more
  std::array<std::array<std::uint64_t, kCompanyClasses>, kAddressClasses> alone{};  // ... alone at a new postcode
};
struct MoveCounts {
  std::array<HeldOutCounts, 2> held_out;                 // without a provider, with one
  std::array<std::uint64_t, kAddressClasses> persons{};  // numbers by how many postcodes they have
};

// What company adds to a pair of one without a number and one with, of the same date of birth, beyond that date and the
// gender, and in place of the postcode.
class MoveModel {
 public:
  MoveModel(const MoveCounts& counts, const ModelParameters& parameters);
  // False where too few moves were seen to learn from: then nothing links by them.  Of records with a provider,
  // without.
  [[nodiscard]] bool is_learnt(bool with_provider) const noexcept { return learnt_[with_provider ? 1 : 0]; }
  [[nodiscard]] bool is_learnt() const noexcept { return learnt_[0] || learnt_[1]; }
  // REQUIRES: is_learnt(with_provider).  company: a class above 0.  share: u(c, P).
  [[nodiscard]] Weight weight(bool with_provider, std::uint64_t postcodes, std::size_t company,
                              double share) const noexcept;
  // A pair links from here: where the odds against all that its person could be otherwise are believed.
  // known: by company that the record's provider knows.
  [[nodiscard]] Weight threshold(bool known) const noexcept { return threshold_[known ? 1 : 0]; }
  // False where providers know those who moved no better than chance would have it: then all records are taken to have
  // none.
  [[nodiscard]] bool providers_tell() const noexcept { return learnt_[1]; }
  // P(a record's person cannot be found by date of birth and postcode, nor by company).
  [[nodiscard]] double elsewhere() const noexcept { return elsewhere_; }

 private:
  std::array<bool, 2> learnt_{};
  double elsewhere_ = 1;
  std::array<std::array<std::array<double, kCompanyClasses>, kAddressClasses>, 2> bits_{};
  std::array<Weight, 2> threshold_{};
};

}  // namespace ligature
