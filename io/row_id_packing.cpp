#include "io/row_id_packing.hpp"

#include <algorithm>
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

void RowIdUnpacker::make_room(std::size_t used, std::size_t more) {
  if (texts_.size() - used < more) texts_.resize(std::max(2 * texts_.size(), used + more));
}

std::span<std::string_view> RowIdUnpacker::next(std::size_t count) {
  if (last_size_ != 0) std::memmove(texts_.data(), texts_.data() + last_, last_size_);
  last_ = 0;
  places_.clear();
  for (std::size_t i = 0, end = last_size_; i < count; ++i, end += last_size_) {
    std::uint64_t shared = 0, rest = 0;
    if (!take_number(left_, shared) || !take_number(left_, rest) || shared > last_size_ || rest > left_.size()) {
      throw Error("scratch data has changed on its disk");
    }
    make_room(end, shared + rest);
    char* const text = texts_.data() + end;
    if (shared != 0) std::memcpy(text, texts_.data() + last_, shared);
    if (rest != 0) std::memcpy(text + shared, left_.data(), rest);
    left_ = left_.subspan(rest);
    last_ = end;
    last_size_ = shared + rest;
    places_.push_back({last_, last_size_});
  }
  ids_.clear();
  for (const Place& place : places_) ids_.emplace_back(texts_.data() + place.begin, place.size);
  return ids_;
}

}  // namespace ligature
