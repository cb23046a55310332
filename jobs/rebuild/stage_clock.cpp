// Usage is that of getrusage(2), /proc/self/io and /proc/self/status; where /proc is not mounted its figures are 0.
#include "jobs/rebuild/stage_clock.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <span>
#include <string_view>
#include <system_error>

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/trace.hpp"
#include "io/progress.hpp"
#include "partition/traffic.hpp"

namespace ligature {

namespace {

double seconds_between(std::uint64_t begin, std::uint64_t end) {
  return static_cast<double>(end - begin) * 1e-9;
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

double cpu_of_this_thread() {
  std::timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// The number after "key:" in a file of such lines.
std::uint64_t proc_value(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key, 0) != 0 || line.size() <= key.size() || line[key.size()] != ':') continue;
    const std::size_t digit = line.find_first_of("0123456789", key.size());
    std::uint64_t value = 0;
    if (digit != std::string::npos) std::from_chars(line.data() + digit, line.data() + line.size(), value);
    return value;
  }
  return 0;
}

// Since the kernel started this process; field 22 of /proc/self/stat, after the name in parentheses.
double seconds_since_launch() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  std::size_t at = text.rfind(')');
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = text.find(' ', at + 1);
  if (at == std::string::npos) return 0;
  std::uint64_t ticks = 0;
  std::from_chars(text.data() + at + 1, text.data() + text.size(), ticks);
  std::timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  const double started = static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return std::max(0.0, static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9 - started);
}

// Of all threads: how long they were ready to run and had no CPU (the second number of schedstat).
double seconds_queued() {
  std::uint64_t nanoseconds = 0;
  std::error_code ignored;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
    std::ifstream file(thread.path() / "schedstat");
    std::uint64_t ran = 0, queued = 0;
    if (file >> ran >> queued) nanoseconds += queued;
  }
  return static_cast<double>(nanoseconds) * 1e-9;
}

// What was used between two moments; what is a level, not a flow, is that of the later one.
StageUsage difference(const StageUsage& before, const StageUsage& after) {
  StageUsage used = after;
  for (const auto& [name, field] : kUsageTimes) used.*field = std::max(0.0, used.*field - before.*field);
  for (const auto& [name, field] : kUsageCounts) {
    if (field != &StageUsage::memory_bytes && field != &StageUsage::peak_memory_bytes) used.*field -= before.*field;
  }
  return used;
}

}  // namespace

double measure_first_touch() {
  constexpr std::size_t kPages = 512;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const memory = ::mmap(nullptr, kPages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 0;
  static_cast<void>(::madvise(memory, kPages * page, MADV_NOHUGEPAGE));
  const double begin = cpu_of_this_thread();
  for (std::size_t p = 0; p < kPages; ++p) static_cast<volatile char*>(memory)[p * page] = 1;
  const double seconds = cpu_of_this_thread() - begin;
  ::munmap(memory, kPages * page);
  return seconds / static_cast<double>(kPages);
}

StageClock::StageClock(const Communicator& comm) : comm_(comm) {
  launch_seconds_ = comm_.max(seconds_since_launch());
  fault_seconds_ = measure_first_touch();
  comm_.barrier();
  zero_ = stage_begin_ = trace_clock();
  before_ = used_so_far();
}

StageUsage StageClock::used_so_far() const {
  StageUsage used;
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  used.seconds = seconds_between(zero_, trace_clock());
  used.system_seconds = seconds_of(usage.ru_stime);
  used.cpu_seconds = seconds_of(usage.ru_utime) + used.system_seconds;
  used.minor_faults = static_cast<std::uint64_t>(usage.ru_minflt);
  used.major_faults = static_cast<std::uint64_t>(usage.ru_majflt);
  used.memory_bytes = proc_value("/proc/self/status", "VmRSS") * 1024;
  // The kernel updates the peak now and then; it cannot be below what is resident.
  used.peak_memory_bytes = std::max(used.memory_bytes, static_cast<std::uint64_t>(usage.ru_maxrss) * 1024);
  used.disk_bytes_read = proc_value("/proc/self/io", "read_bytes");
  used.disk_bytes_written = proc_value("/proc/self/io", "write_bytes");
  const Traffic& so_far = traffic();
  used.bytes_sent = so_far.bytes_sent;
  used.bytes_received = so_far.bytes_received;
  used.waits = so_far.waits;
  used.wait_seconds = static_cast<double>(so_far.wait_nanoseconds) * 1e-9;
  used.wait_cpu_seconds = static_cast<double>(so_far.wait_cpu_nanoseconds) * 1e-9;
  used.queue_seconds = seconds_queued() - static_cast<double>(so_far.wait_queue_nanoseconds) * 1e-9;
  return used;
}

void StageClock::begin(const char* name) {
  name_ = name;
  Trace::of_this_process().name_tasks(name);
}

void StageClock::step(const char* name) {
  end_step();
  step_ = name;
  step_begin_ = trace_clock();
  Trace::of_this_process().name_tasks(name);
}

void StageClock::end_step() {
  if (step_ == nullptr) return;
  Trace& trace = Trace::of_this_process();
  if (trace.on()) trace.add(step_, step_begin_, trace_clock());
  step_ = nullptr;
}

void StageClock::end(std::uint64_t items, const std::string& unit, std::uint64_t mine, const StageWork& work) {
  end_step();
  comm_.barrier();
  const StageUsage now = used_so_far();
  StageUsage usage = difference(before_, now);
  usage.items = mine;
  // A fault that brings a whole huge page counts as one, and faults on pages of files cost less: an estimate.
  usage.first_touch_seconds = std::min(usage.system_seconds, fault_seconds_ * static_cast<double>(usage.minor_faults));
  before_ = now;
  usages_.push_back(usage);
  works_.push_back(work);

  const std::uint64_t ended = trace_clock();
  if (Trace& trace = Trace::of_this_process(); trace.on()) trace.add(name_, stage_begin_, ended);
  stage_begin_ = ended;
  StagePerformance stage;
  stage.name = name_;
  stage.unit = unit;
  stage.items = items;
  stage.seconds = comm_.max(usage.seconds);
  log_info(comm_, stage.name + ": " + with_commas(items) + " " + unit + " in " + human_seconds(stage.seconds));
  stages_.push_back(std::move(stage));
}

double StageClock::total_seconds() const {
  double total = 0;
  for (const StagePerformance& stage : stages_) total += stage.seconds;
  return total;
}

std::vector<StagePerformance> StageClock::gather(const std::optional<Bounds>& bounds, int hosts, int cores) const {
  const std::vector<StageUsage> all = comm_.gather(std::span<const StageUsage>(usages_));
  if (!comm_.is_root()) return {};
  std::vector<StagePerformance> stages = stages_;
  for (std::size_t s = 0; s < stages.size(); ++s) {
    StagePerformance& stage = stages[s];
    for (std::size_t rank = 0; rank < static_cast<std::size_t>(comm_.size()); ++rank) {
      stage.ranks.push_back(all[rank * stages.size() + s]);
    }
    if (!bounds) continue;
    StageWork work = works_[s];
    work.read_bytes = static_cast<double>(sum_of(stage, &StageUsage::disk_bytes_read));
    work.written_bytes = static_cast<double>(sum_of(stage, &StageUsage::disk_bytes_written));
    const auto [seconds, by] = shortest_seconds(work, *bounds, hosts, cores);
    stage.bound_seconds = seconds;
    stage.bound_by = by;
  }
  return stages;
}

}  // namespace ligature
