// Keyed pseudonyms: HMAC-SHA-256, cut to 128 bits, over a canonical statement of who the person is.
//
// A person who owns a valid NHS number is named by that number, so the pseudonym outlives moves of house and later
// rebuilds; any other person is named by the smallest identity of the cluster.  The two name spaces have different
// labels and can never meet.  Without the key the pseudonym cannot be computed or tested (RFC 2104, FIPS 198-1).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "engine/identity.hpp"

namespace ligature {

// 128 bits, big-endian order: comparing pseudonyms compares their hexadecimal text.
struct Pseudonym {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend auto operator<=>(const Pseudonym&, const Pseudonym&) = default;
};

// 32 lower-case hexadecimal digits.
std::array<char, 32> hex_digits(const Pseudonym& pseudonym) noexcept;
std::string hex(const Pseudonym& pseudonym);
// What hex_digits has written, read again.  Throws Error if the 32 characters at digits are not lower-case digits.
Pseudonym parse_pseudonym(const char* digits);

// A row of a dataset: whose it is, of which dataset (linkage_key of its name), and which of that person's rows there.
struct DatasetRow {
  Pseudonym person;
  std::uint64_t dataset = 0;
  std::uint64_t ordinal = 0;
};

// Computes pseudonyms under one key.  Not copyable; the key schedule is wiped on destruction.  One object a thread.
class Pseudonymiser {
 public:
  // key: at least 32 bytes, else UsageError.
  explicit Pseudonymiser(std::span<const std::byte> key);
  ~Pseudonymiser();
  Pseudonymiser(const Pseudonymiser&) = delete;
  Pseudonymiser& operator=(const Pseudonymiser&) = delete;

  Pseudonym of_nhs_number(std::uint64_t valid_nhs);
  Pseudonym of_identity(const Identity& smallest_identity);
  // The same of many persons, several times as fast.  REQUIRES: spans of one size.
  void name(std::span<const std::uint64_t> valid_nhs, std::span<Pseudonym> names);
  void name(std::span<const Identity> smallest_identities, std::span<Pseudonym> names);

  // The names that a release has for persons and rows of the dataset; under a key of its own, so that files of two
  // customers cannot be joined.  REQUIRES: spans of one size.
  void name(std::span<const Pseudonym> persons, std::span<Pseudonym> names);
  // Also gives the second half of each HMAC, which is in no name: a secret of the person under this key.
  void name(std::span<const Pseudonym> persons, std::span<Pseudonym> names, std::span<Pseudonym> secrets);
  void name(std::span<const DatasetRow> rows, std::span<Pseudonym> names);

  // Names the key without revealing it: the first 16 hexadecimal digits of the HMAC of a fixed label.
  std::string key_id();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ligature
