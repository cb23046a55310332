#include "io/row_id_packing.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/error.hpp"
#include "io/front_coding.hpp"

namespace ligature {

std::span<const std::byte> RowIdPacker::pack(std::span<const char> ids, std::span<const std::uint32_t> ends) {
  const std::size_t most = ids.size() + ends.size() * most_text_bytes(0);
  if (packed_.size() < most) packed_.resize(most);
  std::byte* at = packed_.data();
  std::string_view before;
  std::uint32_t begin = 0;
  for (const std::uint32_t end : ends) {
    const std::string_view id(ids.data() + begin, end - begin);
    at = put_text(at, id, before);
    before = id;
    begin = end;
  }
  return std::span(packed_).first(static_cast<std::size_t>(at - packed_.data()));
}

namespace {

[[noreturn]] void damaged() {
  throw Error("scratch data has changed on its disk");
}

constexpr std::size_t kWideBytes = 16;  // of a copy: most ids take one, and a call costs more

// Copies in whole parts of kWideBytes, so that up to that many more than count are read and written, the former before
// the latter: where the text begins at the end of what is copied they overlap.
template <typename T>
void copy_widely(char* to, const T* from, std::size_t count) noexcept {
  static_assert(sizeof(T) == 1);
  std::array<char, kWideBytes> part;
  for (std::size_t done = 0; done < count; done += kWideBytes) {
    std::memcpy(part.data(), from + done, kWideBytes);
    std::memcpy(to + done, part.data(), kWideBytes);
  }
}

}  // namespace

std::string_view PackedRowIds::next() {
  const std::byte* const begin = left_.data();
  std::uint64_t shared = 0, rest = 0;
  if (!take_number(left_, shared) || !take_number(left_, rest) || shared > last_size_ || rest > left_.size()) damaged();
  last_size_ = shared + rest;
  left_ = left_.subspan(rest);
  return {reinterpret_cast<const char*>(begin), static_cast<std::size_t>(left_.data() - begin)};
}

void RowIdUnpacker::make_room(std::size_t used, std::size_t more) {
  if (texts_.size() - used < more) texts_.resize(std::max(2 * texts_.size(), used + more));
}

std::span<std::string_view> RowIdUnpacker::next(std::size_t count) {
  if (last_size_ != 0) std::memmove(texts_.data(), texts_.data() + last_, last_size_);
  last_ = 0;
  places_.resize(count);
  std::size_t end = last_size_;
  for (Place& place : places_) {
    std::uint64_t shared = 0, rest = 0;
    if (!take_number(left_, shared) || !take_number(left_, rest) || shared > last_size_ || rest > left_.size()) {
      damaged();
    }
    make_room(end, shared + rest + 2 * kWideBytes);
    char* const text = texts_.data() + end;
    copy_widely(text, texts_.data() + last_, shared);
    if (left_.size() - rest >= kWideBytes) {
      copy_widely(text + shared, left_.data(), rest);
    } else if (rest != 0) {
      std::memcpy(text + shared, left_.data(), rest);
    }
    left_ = left_.subspan(rest);
    last_ = end;
    last_size_ = shared + rest;
    place = {last_, last_size_};
    end += last_size_;
  }
  ids_.resize(count);
  for (std::size_t i = 0; i < count; ++i) ids_[i] = {texts_.data() + places_[i].begin, places_[i].size};
  return ids_;
}

}  // namespace ligature
