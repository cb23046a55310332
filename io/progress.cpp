// Standard error as a person sees it: spdlog for lines, and one live line that is wiped before any other output.
#include "io/progress.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <mutex>
#include <utility>

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace ligature {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kLiveInterval{200};
constexpr std::chrono::seconds kLogInterval{10};

// The process has one standard error, so there is one of these: it keeps the live line and the log lines apart.
class Console {
 public:
  static Console& of_this_process() {
    static Console console;
    return console;
  }

  void log(spdlog::level::level_enum level, const std::string& message) {
    const std::lock_guard lock(mutex_);
    wipe();
    logger_.log(level, spdlog::string_view_t(message.data(), message.size()));
    logger_.flush();
  }

  void show_live(const std::string& text) {
    const std::lock_guard lock(mutex_);
    winsize size{};
    const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20;
    const std::size_t width = known ? size.ws_col - 1U : 79U;
    std::fprintf(stderr, "\r\x1b[K%.*s", static_cast<int>(std::min(width, text.size())), text.c_str());
    std::fflush(stderr);
    live_ = true;
  }

  void wipe_live() {
    const std::lock_guard lock(mutex_);
    wipe();
  }

 private:
  Console() : logger_("ligature", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_pattern("%H:%M:%S %v");
    logger_.set_level(spdlog::level::info);
  }
  void wipe() {
    if (!live_) return;
    std::fputs("\r\x1b[K", stderr);
    std::fflush(stderr);
    live_ = false;
  }

  std::mutex mutex_;
  spdlog::logger logger_;
  bool live_ = false;
};

// A number with its decimal prefix and three figures at most: "1.2 M", "345 k", "950 ".
std::string with_prefix(double value) {
  constexpr std::array<std::string_view, 7> kPrefixes = {"", "k", "M", "G", "T", "P", "E"};
  if (!(value > 0)) return "0 ";
  std::size_t prefix = 0;
  while (value >= 999.5 && prefix + 1 < kPrefixes.size()) {
    value /= 1000;
    ++prefix;
  }
  const bool whole = value >= 99.95 || (prefix == 0 && value == std::floor(value));
  return fmt::format("{:.{}f} {}", value, whole ? 0 : 1, kPrefixes[prefix]);
}

// Code points: what a terminal shows of plain text.
std::size_t shown_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

void log_info(const Communicator& comm, const std::string& message) {
  if (comm.is_root()) Console::of_this_process().log(spdlog::level::info, message);
}

void log_warning(const Communicator& comm, const std::string& message) {
  if (comm.is_root()) Console::of_this_process().log(spdlog::level::warn, "warning: " + message);
}

struct Progress::State {
  std::string stage, unit;
  std::uint64_t total = 0;
  bool live = false;
  Clock::time_point start;
  std::atomic<std::uint64_t> done{0};
  std::atomic<Clock::rep> next_shown{0};  // of the steady clock
};

Progress::Progress(const Communicator& comm, std::string stage, std::uint64_t total, std::string unit) {
  if (!comm.is_root()) return;
  state_ = std::make_unique<State>();
  state_->stage = std::move(stage);
  state_->unit = std::move(unit);
  state_->total = total;
  state_->live = ::isatty(STDERR_FILENO) == 1;
  state_->start = Clock::now();
  const Clock::duration interval = state_->live ? Clock::duration(kLiveInterval) : Clock::duration(kLogInterval);
  state_->next_shown = (state_->start + interval).time_since_epoch().count();
}

Progress::~Progress() {
  if (state_ && state_->live) Console::of_this_process().wipe_live();
}

void Progress::add(std::uint64_t items) {
  if (!state_) return;
  const std::uint64_t done = state_->done.fetch_add(items, std::memory_order_relaxed) + items;
  const Clock::time_point now = Clock::now();
  Clock::rep due = state_->next_shown.load(std::memory_order_relaxed);
  if (now.time_since_epoch().count() < due) return;
  const Clock::duration interval = state_->live ? Clock::duration(kLiveInterval) : Clock::duration(kLogInterval);
  // One of the threads that find the line due shows it.
  if (!state_->next_shown.compare_exchange_strong(due, (now + interval).time_since_epoch().count())) return;
  const double seconds = std::chrono::duration<double>(now - state_->start).count();
  const std::string text = progress_line(state_->stage, done, state_->total, state_->unit, seconds);
  if (state_->live) {
    Console::of_this_process().show_live(text);
  } else {
    Console::of_this_process().log(spdlog::level::info, text);
  }
}

std::string progress_line(std::string_view stage, std::uint64_t done, std::uint64_t total, std::string_view unit,
                          double seconds) {
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  const auto amount = [&](std::uint64_t items) {
    return unit == "bytes" ? with_commas(items / 1'000'000) : with_commas(items);
  };
  const std::string_view shown_unit = unit == "bytes" ? std::string_view("MB") : unit;
  if (total == 0) return fmt::format("{}  {} {}, {}", stage, amount(done), shown_unit, human_rate(rate, unit));
  const std::uint64_t capped = std::min(done, total);
  const double share = static_cast<double>(capped) / static_cast<double>(total);
  const std::string left =
      rate > 0 ? fmt::format(", {} left", human_seconds(static_cast<double>(total - capped) / rate)) : "";
  return fmt::format("{} {:3.0f} %  {} of {} {}, {}{}", stage, std::floor(share * 100), amount(capped), amount(total),
                     shown_unit, human_rate(rate, unit), left);
}

std::string with_commas(std::uint64_t value) {
  std::string text = fmt::format("{}", value);
  for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, 1, ',');
  return text;
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 7> kUnits = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1023.5 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", value, unit == 0 || value >= 99.95 ? 0 : 1, kUnits[unit]);
}

std::string human_rate(double per_second, std::string_view unit) {
  std::string text = with_prefix(per_second);
  if (unit == "bytes") return text + "B/s";
  if (text.back() != ' ') text += ' ';
  return fmt::format("{}{}/s", text, unit);
}

std::string human_seconds(double seconds) {
  constexpr double kLongest = 1e15;  // beyond any run; keeps the conversion below in range
  if (!(seconds > 0)) return "0.00 s";
  if (seconds < 9.995) return fmt::format("{:.2f} s", seconds);
  if (seconds < 119.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::uint64_t>(std::llround(std::min(seconds, kLongest)));
  if (whole < 7200) return fmt::format("{} min {} s", whole / 60, whole % 60);
  const std::uint64_t minutes = (whole + 30) / 60;
  return fmt::format("{} h {} min", minutes / 60, minutes % 60);
}

std::string text_table(const std::vector<std::vector<std::string>>& rows, bool header) {
  std::vector<std::size_t> widths;
  for (const std::vector<std::string>& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], shown_width(row[i]));
  }
  std::string text;
  const auto add_row = [&](const std::vector<std::string>& row) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - shown_width(row[i]), ' ');
      if (i > 0) line += "  ";
      line += i == 0 ? row[i] + padding : padding + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  };
  for (std::size_t r = 0; r < rows.size(); ++r) {
    add_row(rows[r]);
    if (r > 0 || !header) continue;
    std::vector<std::string> rule;
    for (const std::size_t width : widths) rule.emplace_back(width, '-');
    add_row(rule);
  }
  return text;
}

}  // namespace ligature
