// Any bytes as an audit log: read or refused with Error, the same in one piece and in many; and no entry that is read
// breaks the chain.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "engine/error.hpp"
#include "io/audit_log.hpp"

namespace {

struct Outcome {
  std::string fault;
  std::uint64_t entries = 0, torn_lines = 0, torn_bytes = 0;
  std::string head;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome read(std::string_view text, std::size_t piece) {
  Outcome outcome;
  std::string previous(64, '0');
  std::uint64_t sequence = 0;
  ligature::AuditReader reader([&](const ligature::AuditEntry& entry) {
    if (entry.previous != previous || entry.sequence != ++sequence) std::abort();
    previous = entry.hash;
  });
  try {
    for (std::size_t at = 0; at < text.size(); at += piece) reader.add(text.substr(at, piece));
    const ligature::AuditChain chain = reader.finish();
    outcome = {{}, chain.entries, chain.torn_lines, chain.torn_bytes, chain.head};
    if (chain.head != previous || chain.entries != sequence) std::abort();
  } catch (const ligature::Error& error) {
    outcome.fault = error.what();
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (read(text, size + 1) != read(text, 7)) std::abort();
  return 0;
}
