#include "jobs/rebuild/dictionaries.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <string_view>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/postcode.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::size_t kPersonsPerTask = std::size_t{1} << 14;

// Strings travel as a 32-bit length and their bytes.
void put(std::vector<std::byte>& bytes, std::string_view text) {
  const auto length = static_cast<std::uint32_t>(text.size());
  const std::size_t at = bytes.size();
  bytes.resize(at + sizeof length + text.size());
  std::memcpy(bytes.data() + at, &length, sizeof length);
  if (!text.empty()) std::memcpy(bytes.data() + at + sizeof length, text.data(), text.size());
}

std::vector<std::string> texts_of(std::span<const std::byte> bytes) {
  std::vector<std::string> texts;
  while (!bytes.empty()) {
    std::uint32_t length = 0;
    std::memcpy(&length, bytes.data(), sizeof length);
    std::string text(length, '\0');
    if (length > 0) std::memcpy(text.data(), bytes.data() + sizeof length, length);
    texts.push_back(std::move(text));
    bytes = bytes.subspan(sizeof length + length);
  }
  return texts;
}

void sort_unique(std::vector<std::string>& texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
}

}  // namespace

MergedDictionary merge_dictionary(const Communicator& comm, const LocalDictionary& local, const std::string& column,
                                  std::uint64_t max_categories) {
  // Each value to the rank of its hash, where repeats of different ranks meet; then what is left, once, to all.
  const ShardMap shard_map(comm.size());
  const auto rank_of = [&](const std::string& value) {
    return static_cast<std::size_t>(shard_map.owner(shard_of(linkage_key(std::as_bytes(std::span(value))))));
  };
  std::vector<std::vector<std::byte>> outgoing(static_cast<std::size_t>(comm.size()));
  for (std::uint32_t code = 0; code < local.values().size(); ++code) {
    const std::string& value = local.values()[code];
    if (local.is_used(code)) put(outgoing[rank_of(value)], value);
  }
  std::vector<std::byte> send;
  std::vector<std::uint64_t> send_first{0};
  for (const std::vector<std::byte>& bytes : outgoing) {
    send.insert(send.end(), bytes.begin(), bytes.end());
    send_first.push_back(send.size());
  }
  std::vector<std::byte> received;
  exchange_into(comm, send, send_first, [&](std::size_t bytes) {
    received.resize(bytes);
    return received.data();
  });
  std::vector<std::string> mine = texts_of(received);
  sort_unique(mine);
  if (comm.sum(std::uint64_t{mine.size()}) > max_categories) {
    throw LimitError("column '" + column + "' has more than " + std::to_string(max_categories) +
                     " different values over all files; a category is meant for codes: give it another type, drop it, "
                     "or raise limits.max_categories");
  }
  std::vector<std::byte> packed;
  for (const std::string& value : mine) put(packed, value);

  MergedDictionary merged;
  merged.values = texts_of(comm.all_gather_bytes(packed));
  sort_unique(merged.values);
  for (const std::string& value : local.values()) {
    const auto place = std::lower_bound(merged.values.begin(), merged.values.end(), value);
    merged.recode.push_back(static_cast<std::uint32_t>(place - merged.values.begin()));
  }
  return merged;
}

std::string outward_text(std::uint32_t packed) {
  return outward_code(PackedPostcode{packed} << 14);
}

std::vector<std::uint32_t> used_outward_codes(const Persons& persons) {
  using Word = std::uint64_t;
  constexpr std::uint32_t kBits = std::numeric_limits<Word>::digits;
  PerThread<std::vector<Word>> used;  // a bit a code
  for_blocks(persons.owned.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
    std::vector<Word>& here = used.local();
    here.resize(kOutwardCodes / kBits);
    for (std::size_t p = begin; p < end; ++p) {
      const std::uint32_t code = persons.owned[p].outward;
      here[code / kBits] |= Word{1} << code % kBits;
    }
  });
  std::vector<std::uint32_t> codes;
  used.for_each([&](const std::vector<Word>& here) {
    for (std::uint32_t w = 0; w < here.size(); ++w) {
      for (Word left = here[w]; left != 0; left &= left - 1) {
        const std::uint32_t code = w * kBits + static_cast<std::uint32_t>(std::countr_zero(left));
        if (code != 0) codes.push_back(code);
      }
    }
  });
  return codes;
}

std::vector<std::uint32_t> merge_outward_codes(const Communicator& comm, std::vector<std::uint32_t> local) {
  std::sort(local.begin(), local.end());
  local.erase(std::unique(local.begin(), local.end()), local.end());
  std::vector<std::uint32_t> all = comm.all_gather(std::span<const std::uint32_t>(local));
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  std::sort(all.begin(), all.end(), [](std::uint32_t a, std::uint32_t b) { return outward_text(a) < outward_text(b); });
  return all;
}

}  // namespace ligature
