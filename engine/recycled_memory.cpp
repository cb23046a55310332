// First fit by address over a map of free ranges, neighbours joined: the classic of Knuth, The Art of Computer
// Programming, volume 1, section 2.5.  Large blocks are few, so that a lock and a tree cost nothing beside their use.
#include "engine/recycled_memory.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <new>

#include <sys/mman.h>
#include <unistd.h>

namespace ligature {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

RecycledMemory recycled_memory() noexcept {
  return {};
}
void keep_large_blocks_within(std::uint64_t, bool) noexcept {}

#else

namespace {

// Where the range lies.  Every delete asks, also those of small blocks, and some run when statics are gone.
constinit std::atomic<std::uintptr_t> range_begin{0}, range_end{0};

class Range {
 public:
  // Never destroyed: static objects of other files may free large blocks after it.
  static Range& instance() {
    static Range& range = *new (std::malloc(sizeof(Range))) Range;
    return range;
  }

  void* take(std::size_t bytes) {
    if (base_ == nullptr || bytes > size_) return nullptr;
    const std::size_t rounded = (bytes + kGranule - 1) / kGranule * kGranule;
    const std::lock_guard lock(mutex_);
    const auto fit = std::find_if(free_.begin(), free_.end(), [&](const auto& part) { return part.second >= rounded; });
    if (fit == free_.end()) return nullptr;
    const auto [offset, length] = *fit;
    used_.emplace(offset, rounded);
    free_.erase(fit);
    if (length > rounded) free_.emplace(offset + rounded, length - rounded);
    totals_.in_use += rounded;
    totals_.most_in_use = std::max(totals_.most_in_use, totals_.in_use);
    totals_.handed_out += rounded;
    if (totals_.held > totals_.in_use - rounded + page_) move_free_pages(offset, offset + rounded);
    hold_pages(offset, offset + rounded);
    const std::size_t most = totals_.most_in_use;
    if (totals_.held > std::min(most + most / kSlack + kLeastSlack, bound_)) {
      return_free_pages(std::min(most, bound_ - bound_ / kSlack));
    }
    return base_ + offset;
  }

  void give_back(void* block) noexcept {
    const std::lock_guard lock(mutex_);
    const auto used = used_.find(static_cast<std::size_t>(static_cast<std::byte*>(block) - base_));
    if (used == used_.end()) std::abort();                   // freed twice
    auto part = free_.insert(used_.extract(used)).position;  // the node itself: nothing is allocated here
    totals_.in_use -= part->second;
    if (const auto next = std::next(part); next != free_.end() && part->first + part->second == next->first) {
      part->second += next->second;
      free_.erase(next);
    }
    if (part != free_.begin()) {
      if (const auto before = std::prev(part); before->first + before->second == part->first) {
        before->second += part->second;
        free_.erase(part);
      }
    }
  }

  RecycledMemory totals() noexcept {
    const std::lock_guard lock(mutex_);
    return totals_;
  }

  void keep_within(std::size_t bytes, bool close) noexcept {
    const std::lock_guard lock(mutex_);
    bound_ = bytes;
    if (close && base_ != nullptr) {
      ::madvise(base_, size_, MADV_NOHUGEPAGE);
      page_ = kGranule;
    }
    if (totals_.held > bound_) return_free_pages(bound_);
  }

 private:
  static constexpr std::size_t kGranule = kLargeAlignment;
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;
  // Pages are given back when this share of the most that was in use, and kLeastSlack more, is held beyond it.
  static constexpr std::size_t kSlack = 16, kLeastSlack = std::size_t{128} << 20;

  // Addresses cost nothing: four times the machine's memory leaves room for gaps.
  Range() {
    const auto memory =
        static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t size = 4 * memory / kHugePage * kHugePage;
    void* const place =
        ::mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (place == MAP_FAILED) return;
    auto* const bytes = static_cast<std::byte*>(place);
    base_ = bytes + (kHugePage - reinterpret_cast<std::uintptr_t>(bytes) % kHugePage) % kHugePage;
    size_ = size;
    is_held_ = static_cast<std::uint8_t*>(std::calloc(size / kGranule, 1));
    if (is_held_ == nullptr) size_ = 0;
    ::madvise(base_, size_, MADV_HUGEPAGE);  // refused where the kernel has none: then the pages are small
    free_.emplace(0, size_);
    range_begin = reinterpret_cast<std::uintptr_t>(base_);
    range_end = range_begin + size_;
  }

  // Of [begin, end): a block may be put there.
  void hold_pages(std::size_t begin, std::size_t end) noexcept {
    const std::size_t past = (end + page_ - 1) / page_ * page_ / kGranule;
    for (std::size_t granule = begin / page_ * page_ / kGranule; granule < past; ++granule) {
      if (is_held_[granule] == 0) totals_.held += kGranule;
      is_held_[granule] = 1;
    }
    granules_seen_ = std::max(granules_seen_, past);
  }

  // Puts pages of free ranges, the highest first, which are taken last, under what of [begin, end) has none: a page
  // that was touched before is moved in a microsecond, a new one has to be cleared.
  void move_free_pages(std::size_t begin, std::size_t end) noexcept {
    const std::size_t granules = page_ / kGranule;
    std::size_t to = begin / page_ * granules;
    const std::size_t past = (end + page_ - 1) / page_ * granules;
    for (auto part = free_.rbegin(); part != free_.rend(); ++part) {
      const std::size_t first = (part->first + page_ - 1) / page_ * granules;
      std::size_t last = std::min((part->first + part->second) / page_ * granules, granules_seen_);
      while (last > first) {
        if (is_held_[last - granules] == 0) {
          last -= granules;
          continue;
        }
        while (to < past && is_held_[to] != 0) to += granules;
        if (to == past) return;
        std::size_t count = granules;
        while (last - count > first && to + count < past && is_held_[last - count - granules] != 0 &&
               is_held_[to + count] == 0) {
          count += granules;
        }
        const std::size_t from = last - count;
        if (::mremap(base_ + from * kGranule, count * kGranule, count * kGranule,
                     MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, base_ + to * kGranule) == MAP_FAILED) {
          return;  // an older kernel, or too many pieces: the pages are new ones
        }
        std::fill_n(is_held_ + from, count, std::uint8_t{0});
        std::fill_n(is_held_ + to, count, std::uint8_t{1});
        last = from;
        to += count;
        granules_seen_ = std::max(granules_seen_, to);
      }
    }
  }

  // Those of free ranges, the highest first, which are taken last, until no more than so many bytes are held.
  void return_free_pages(std::size_t bytes) noexcept {
    for (auto part = free_.rbegin(); part != free_.rend() && totals_.held > bytes; ++part) {
      const std::size_t first = (part->first + page_ - 1) / page_ * page_ / kGranule;
      std::size_t end = std::min((part->first + part->second) / page_ * page_ / kGranule, granules_seen_);
      while (end > first && totals_.held > bytes) {
        if (is_held_[--end] == 0) continue;
        std::size_t begin = end;
        while (begin > first && is_held_[begin - 1] != 0) --begin;
        const std::size_t count = end + 1 - begin;
        if (::madvise(base_ + begin * kGranule, count * kGranule, MADV_DONTNEED) != 0) return;
        std::fill_n(is_held_ + begin, count, std::uint8_t{0});
        totals_.held -= count * kGranule;
        end = begin;
      }
    }
  }

  std::byte* base_ = nullptr;
  std::size_t size_ = 0;
  std::size_t page_ = kHugePage;
  std::uint8_t* is_held_ = nullptr;  // by granule: its page may have been touched since it was last given back
  std::size_t granules_seen_ = 0;    // none from here on was ever held
  std::mutex mutex_;
  // Offset to bytes.  In nodes of their own, each small: what asks for a large block, as a table that grows would, asks
  // for the lock that is held here.
  std::map<std::size_t, std::size_t> free_, used_;
  RecycledMemory totals_;
  std::size_t bound_ = SIZE_MAX;  // of what is held
};

}  // namespace

void* take_large_block(std::size_t bytes) {
  return Range::instance().take(bytes);
}

bool give_back_large_block(void* block) noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(block);
  if (at < range_begin.load(std::memory_order_relaxed) || at >= range_end.load(std::memory_order_relaxed)) return false;
  Range::instance().give_back(block);
  return true;
}

RecycledMemory recycled_memory() noexcept {
  return Range::instance().totals();
}

void keep_large_blocks_within(std::uint64_t bytes, bool close) noexcept {
  Range::instance().keep_within(bytes, close);
}

#endif

}  // namespace ligature
