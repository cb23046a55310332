#include "io/trace_file.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "engine/error.hpp"
#include "io/files.hpp"

namespace ligature {

namespace {

constexpr std::size_t kEventsOfAllRanks = 2'000'000;  // about 200 MB, which Perfetto opens
constexpr std::size_t kFewestEvents = 1'000;

std::string host_name() {
  std::array<char, 256> name{};
  static_cast<void>(::gethostname(name.data(), name.size() - 1));
  return name.data();
}

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::size_t trace_limit(int ranks) noexcept {
  return std::max(kFewestEvents, kEventsOfAllRanks / static_cast<std::size_t>(ranks));
}

std::string trace_json(const std::vector<TraceEvent>& events, int rank, const std::string& host, std::uint64_t zero) {
  std::string text =
      fmt::format(R"({{"ph":"M","name":"process_name","pid":{0},"tid":0,"args":{{"name":{1}}}}},)"
                  R"({{"ph":"M","name":"process_sort_index","pid":{0},"tid":0,"args":{{"sort_index":{0}}}}},)"
                  "\n",
                  rank, quoted(fmt::format("rank {} on {}", rank, host)));
  std::uint32_t threads = 1;
  for (const TraceEvent& event : events) threads = std::max(threads, event.thread + 1);
  for (std::uint32_t thread = 0; thread < threads; ++thread) {
    text += fmt::format(R"({{"ph":"M","name":"thread_name","pid":{},"tid":{},"args":{{"name":{}}}}},)"
                        "\n",
                        rank, thread, quoted(thread == 0 ? std::string("main") : fmt::format("worker {}", thread)));
  }
  // In microseconds.  What began before the common zero (a clock is never set back, but ranks meet there) is cut.
  for (const TraceEvent& event : events) {
    if (event.end <= zero) continue;
    const std::uint64_t begin = std::max(event.begin, zero);
    text += fmt::format(R"({{"ph":"X","name":{},"pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f}}},)"
                        "\n",
                        quoted(event.name), rank, event.thread, static_cast<double>(begin - zero) * 1e-3,
                        static_cast<double>(event.end - begin) * 1e-3);
  }
  return text;
}

void write_trace(const Communicator& comm, const std::filesystem::path& path, const std::vector<TraceEvent>& events,
                 std::uint64_t zero) {
  std::string text = trace_json(events, comm.rank(), host_name(), zero);
  if (comm.is_root()) text.insert(0, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
  if (comm.rank() + 1 == comm.size()) {
    text.erase(text.rfind(','));  // the last event's
    text += "\n]}\n";
  }
  std::optional<std::string> problem;
  const auto attempt = [&](const auto& body) {
    try {
      body();
    } catch (const Error& error) {
      problem = error.what();
    }
    comm.agree(problem, kExitFailed);
  };
  File file;
  attempt([&] {
    if (comm.is_root()) file = File::create(path, 0600);
  });
  attempt([&] {
    if (!comm.is_root()) file = File::open_update(path);
  });
  const std::uint64_t begin = comm.exclusive_sum(text.size());
  attempt([&] {
    file.write_at(begin, std::as_bytes(std::span(text)));
    file.close();
  });
}

}  // namespace ligature
