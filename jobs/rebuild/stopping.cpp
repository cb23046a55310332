#include "jobs/rebuild/stopping.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>

#include <unistd.h>

namespace ligature {

namespace {

constexpr std::array<int, 3> kSignals{SIGTERM, SIGINT, SIGUSR1};

std::array<struct sigaction, kSignals.size() + 1> before;  // and SIGALRM
std::atomic<int> told{0};
std::atomic<unsigned> grace{0};
std::atomic<const char*> stage{"start"};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<const char*>::is_always_lock_free);

void say(const char* text) {
  // A write that fails leaves nothing to be done.
  static_cast<void>(!::write(STDERR_FILENO, text, std::strlen(text)));
}

// Only what signal-safety(7) allows.
[[noreturn]] void leave(int) {
  say("ligature: stopped by signal, in the middle of stage '");
  say(stage.load());
  say("': whole checkpoints are kept, and --resume goes on from the last\n");
  ::_exit(kExitStopped);
}

void tell(int signal) {
  int none = 0;
  if (!told.compare_exchange_strong(none, signal)) leave(signal);
  if (grace.load() == 0) leave(signal);
  ::alarm(grace.load());
}

}  // namespace

StopSignals::StopSignals(std::uint64_t grace_seconds) {
  grace = static_cast<unsigned>(grace_seconds);
  struct sigaction action {};
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  action.sa_handler = tell;
  for (std::size_t s = 0; s < kSignals.size(); ++s) ::sigaction(kSignals[s], &action, &before[s]);
  action.sa_handler = leave;
  ::sigaction(SIGALRM, &action, &before.back());
}

StopSignals::~StopSignals() {
  ::alarm(0);
  for (std::size_t s = 0; s < kSignals.size(); ++s) ::sigaction(kSignals[s], &before[s], nullptr);
  ::sigaction(SIGALRM, &before.back(), nullptr);
  told = 0;
}

void StopSignals::at(const char* name) noexcept {
  stage = name;
}

void StopSignals::stop_if_told(const Communicator& comm, const char* next_stage,
                               const std::string& last_checkpoint) const {
  const auto signal = static_cast<int>(comm.max(static_cast<std::uint64_t>(told.load())));
  if (signal == 0) return;
  throw Error(
      "stopped by signal " + std::to_string(signal) + " before stage '" + next_stage + "': " +
          (last_checkpoint.empty() ? "there is no checkpoint yet" : "--resume goes on after '" + last_checkpoint + "'"),
      kExitStopped);
}

}  // namespace ligature
