// The different identities of one bucket of a collapse, and the hash table that finds them while rows are added: for
// engine/collapse.cpp alone.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "engine/collapse.hpp"
#include "engine/identity.hpp"
#include "engine/provider_set.hpp"
#include "engine/raw_vector.hpp"
#include "engine/release.hpp"

namespace ligature::collapse_detail {

// While rows are sorted, bits of an identity that are zero have the place of the row's provider and how many rows of
// the same identity and provider come right after it, as a practice's often do: they stay where they are.
inline constexpr std::uint64_t kPlaceBits = 0x7F;
inline constexpr unsigned kRepeatShift = 7;
inline constexpr std::uint64_t kMostRepeats = 0x7F;
inline constexpr std::uint64_t kBorrowedBits = kPlaceBits | kMostRepeats << kRepeatShift;

// Different identities in pieces that never move and are given back all together.
class IdentityPool {
 public:
  static constexpr std::uint32_t kPiece = 64;  // entries: 2 KiB

  // Room for so many pieces, one after the other.  Thread-safe.
  static constexpr std::size_t kPiecesAtOnce = 16;
  CountedIdentity* take_pieces() {
    const std::lock_guard lock(mutex_);
    if (taken_ == kSlabPieces) {
      slabs_.emplace_back(kSlabPieces * kPiece);
      taken_ = 0;
    }
    CountedIdentity* const pieces = slabs_.back().data() + kPiece * taken_;
    taken_ += kPiecesAtOnce;
    return pieces;
  }
  void clear() {
    release(slabs_);
    taken_ = kSlabPieces;
  }

 private:
  static constexpr std::size_t kSlabPieces = 512;
  static_assert(kSlabPieces % kPiecesAtOnce == 0);
  std::mutex mutex_;
  std::vector<RawVector<CountedIdentity>> slabs_;
  std::size_t taken_ = kSlabPieces;  // of the last slab
};

// The different identities of one bucket, in order of first sight.
class Bucket {
 public:
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  // Calls visit(entries), a span of a piece's, for each piece.
  template <typename Visit>
  void for_each_piece(const Visit& visit) const {
    std::uint32_t left = size_;
    for (CountedIdentity* const* piece = pieces(); left > 0; ++piece) {
      const std::uint32_t count = std::min(left, IdentityPool::kPiece);
      visit(std::span<const CountedIdentity>(*piece, count));
      left -= count;
    }
  }

 private:
  friend class BucketTable;

  [[nodiscard]] CountedIdentity* const* pieces() const noexcept { return pieces_.empty() ? &only_ : pieces_.data(); }
  void add_piece(CountedIdentity* piece) {
    if (only_ == nullptr) {
      only_ = piece;
      return;
    }
    if (pieces_.empty()) pieces_.push_back(only_);
    pieces_.push_back(piece);
  }

  CountedIdentity* only_ = nullptr;       // the first piece: a bucket of few rows has no other, and no vector of them
  std::vector<CountedIdentity*> pieces_;  // all, once there are several
  std::uint32_t size_ = 0;
};

// Finds identities in a bucket, by open addressing.  Used for one bucket after the other.
class BucketTable {
 public:
  // rows: of those that will be added, at most.
  void start(Bucket& bucket, std::size_t rows) {
    bucket_ = &bucket;
    const std::size_t most = bucket.size() + rows, slots = std::bit_ceil(most + most / 4 + 1);  // one stays empty
    slots_.assign(slots, kEmpty);
    shift_ = 64 - static_cast<unsigned>(std::bit_width(slots - 1));
    std::uint32_t i = 0;
    bucket.for_each_piece([&](std::span<const CountedIdentity> entries) {
      for (const CountedIdentity& entry : entries) {
        std::size_t slot = hash_of(entry.identity) >> shift_;
        while (slots_[slot] != kEmpty) slot = (slot + 1) & (slots - 1);
        slots_[slot] = i++;
      }
    });
  }

  // rows: with the places of their providers and their repeats.  place: gets where each row's identity is among the
  // bucket's.
  void add(std::span<const Identity> rows, std::uint32_t dataset, std::uint32_t* place, IdentityPool& pool) {
    constexpr std::uint32_t kPiece = IdentityPool::kPiece;
    const std::size_t mask = slots_.size() - 1;
    const unsigned shift = shift_;
    std::uint32_t* const slots = slots_.data();
    CountedIdentity* const* pieces = bucket_->pieces();
    const std::uint32_t datasets = 1U << dataset;
    std::uint32_t size = bucket_->size_;
    for (const Identity& with_place : rows) {
      const Identity row{with_place.first, with_place.second & ~kBorrowedBits};
      CountedIdentity* entry = nullptr;
      for (std::size_t slot = hash_of(row) >> shift;; slot = (slot + 1) & mask) {
        const std::uint32_t i = slots[slot];
        if (i == kEmpty) {
          if (size % kPiece == 0) pieces = add_piece(pool);
          entry = &pieces[size / kPiece][size % kPiece];
          *entry = {row, 0, 0, 0};
          *place++ = slots[slot] = size++;
          break;
        }
        entry = &pieces[i / kPiece][i % kPiece];
        if (((entry->identity.first ^ row.first) | (entry->identity.second ^ row.second)) == 0) {
          *place++ = i;
          break;
        }
      }
      entry->rows += static_cast<std::uint32_t>(1 + (with_place.second >> kRepeatShift & kMostRepeats));
      entry->datasets |= datasets;
      entry->providers |= provider_set(with_place.second & kPlaceBits);
    }
    bucket_->size_ = size;
  }

 private:
  // Returns the bucket's pieces, which may have moved.
  CountedIdentity* const* add_piece(IdentityPool& pool) {
    if (pieces_left_ == 0) {
      next_piece_ = pool.take_pieces();
      pieces_left_ = IdentityPool::kPiecesAtOnce;
    }
    --pieces_left_;
    bucket_->add_piece(std::exchange(next_piece_, next_piece_ + IdentityPool::kPiece));
    return bucket_->pieces();
  }

  // Cheaper than the linkage key, whose top bits are the same in all of the bucket anyway (Fibonacci hashing; Knuth,
  // volume 3, section 6.4).
  [[nodiscard]] static std::uint64_t hash_of(const Identity& identity) noexcept {
    constexpr std::uint64_t kFirst = 0x9E3779B97F4A7C15ULL, kSecond = 0xC2B2AE3D27D4EB4FULL;
    return (identity.first * kFirst + std::rotl(identity.second, 32)) * kSecond;
  }

  static constexpr std::uint32_t kEmpty = std::numeric_limits<std::uint32_t>::max();
  Bucket* bucket_ = nullptr;
  std::vector<std::uint32_t> slots_;
  unsigned shift_ = 63;
  CountedIdentity* next_piece_ = nullptr;  // taken from the pool, and not yet a bucket's
  std::size_t pieces_left_ = 0;
};

}  // namespace ligature::collapse_detail
