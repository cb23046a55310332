// What a person sees of a long run: a live line on a terminal, plain log lines elsewhere, and tables at the end.
//
// Only rank 0 prints.  Nothing printed contains a value of an identifier.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "partition/communicator.hpp"

namespace ligature {

// One line "HH:MM:SS message" to standard error on rank 0 (spdlog); silent on other ranks.
void log_info(const Communicator& comm, const std::string& message);
void log_warning(const Communicator& comm, const std::string& message);

// Progress of one stage on this rank, shown as this rank's share (ranks share evenly): percent, rate, time left.
// On a terminal one line rewritten at most five times a second; else a log line every ten seconds.  Thread-safe add().
class Progress {
 public:
  // total: items this rank will do, 0 if not known.  unit: "rows", "bytes" (shown as MB), ...
  Progress(const Communicator& comm, std::string stage, std::uint64_t total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void add(std::uint64_t items);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What Progress shows: "intake  43 %  1,234 of 2,870 MB, 412 MB/s, 4.0 s left".  total 0: not known.
std::string progress_line(std::string_view stage, std::uint64_t done, std::uint64_t total, std::string_view unit,
                          double seconds);

// 1234567 -> "1,234,567"; 1536 MiB -> "1.5 GiB"; 0.9876 s -> "0.99 s"; rates "1.2 M rows/s".
std::string with_commas(std::uint64_t value);
std::string human_bytes(std::uint64_t bytes);
std::string human_rate(double per_second, std::string_view unit);
std::string human_seconds(double seconds);

// A table with aligned columns: the first left, the others right.  Returns it with a trailing newline.
std::string text_table(const std::vector<std::vector<std::string>>& rows, bool header = true);

}  // namespace ligature
