#include "io/string_codes.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/field_text.hpp"
#include "engine/linkage_key.hpp"
#include "io/intake.hpp"

namespace ligature {

namespace {

constexpr std::size_t kFewestSlots = 64;
// A key of StringCodes: a short value's bytes below its length, or a long one's hash below a length that none has.
constexpr std::size_t kShortValue = 7;
constexpr int kKeyBits = 56;
constexpr std::uint64_t kLongKey = std::uint64_t{0xFF} << kKeyBits;
constexpr std::uint64_t kGoldenRatio = 0x9E3779B97F4A7C15ULL;  // Knuth, TAOCP 3, 6.4: multiplicative hashing

}  // namespace

std::size_t StringCodes::first_slot(std::uint64_t key) const noexcept {
  return static_cast<std::size_t>((key * kGoldenRatio) >> std::countl_zero(slots_.size() - 1));
}

std::uint64_t StringCodes::key_of(std::string_view value) noexcept {
  if (value.size() > kShortValue) return kLongKey | linkage_key(std::as_bytes(std::span(value))) >> (64 - kKeyBits);
  const std::uint64_t bytes = load_eight(value.data()) & ((std::uint64_t{1} << (8 * value.size())) - 1);
  return value.size() << kKeyBits | bytes;
}

std::uint32_t StringCodes::code(std::string_view value, std::uint64_t key) {
  if (values_.size() * 4 >= slots_.size() * 3) grow();
  std::size_t slot = first_slot(key);
  for (; slots_[slot].code_and_one != 0; slot = (slot + 1) & (slots_.size() - 1)) {
    const std::uint32_t candidate = slots_[slot].code_and_one - 1;
    if (slots_[slot].key == key && (key < kLongKey || values_[candidate] == value)) return candidate;
  }
  const auto added = static_cast<std::uint32_t>(values_.size());
  slots_[slot] = {key, added + 1};
  values_.emplace_back(value);
  return added;
}

// The slots of all values are fetched before the first is looked at: their cache misses overlap.  Nearly all values are
// short, and known in their first slot.
void StringCodes::store_codes(std::span<const std::string_view> values, std::byte* at, std::size_t stride) {
  if (slots_.empty()) grow();
  keys_.resize(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    keys_[i] = values[i].empty() ? 0 : key_of(values[i]);
    __builtin_prefetch(&slots_[first_slot(keys_[i])]);
  }
  for (std::size_t i = 0; i < values.size(); ++i, at += stride) {
    const std::uint64_t key = keys_[i];
    const Slot& first = slots_[first_slot(key)];
    std::uint32_t found = kMissingCategory;
    if (key < kLongKey && first.key == key) {
      // No value has the key of a free slot, but what is missing does.
      static_assert(Slot().code_and_one - 1 == kMissingCategory);
      found = first.code_and_one - 1;
    } else if (key != 0) {
      found = code(values[i], key);
    }
    std::memcpy(at, &found, sizeof found);
  }
}

void StringCodes::grow() {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(std::max(kFewestSlots, slots_.size() * 2)));
  for (const Slot& entry : old) {
    if (entry.code_and_one == 0) continue;
    std::size_t slot = first_slot(entry.key);
    while (slots_[slot].code_and_one != 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = entry;
  }
}

}  // namespace ligature
