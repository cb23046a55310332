#include "jobs/mpi_start.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/error.hpp"

namespace ligature {

namespace {

constexpr int kPatience = 20'000;  // milliseconds that a launcher has to end after a rank

// To the watcher: that MPI has started, or that this process has said itself why it ends.
constexpr char kStarted = 's', kSaid = 'e';
int to_watcher = -1;

// A write that fails leaves nothing to be done.
void put(int descriptor, const char* text, std::size_t bytes) {
  static_cast<void>(!::write(descriptor, text, bytes));
}

// Only what signal-safety(7) allows: one write, so that lines of ranks that end together do not mix.
void leave(int signal) {
  constexpr char kSays[] = "ligature: stopped by signal ", kWhen[] = " while MPI was starting\n";
  std::array<char, sizeof kSays + sizeof kWhen + 16> line{};
  std::memcpy(line.data(), kSays, sizeof kSays - 1);
  char* end = std::to_chars(line.data() + sizeof kSays - 1, line.data() + line.size() - sizeof kWhen, signal).ptr;
  std::memcpy(end, kWhen, sizeof kWhen - 1);
  put(STDERR_FILENO, line.data(), static_cast<std::size_t>(end - line.data()) + sizeof kWhen - 1);
  if (to_watcher >= 0) put(to_watcher, &kSaid, 1);
  ::_exit(kExitStopped);
}

void give_up(int) {
  constexpr char kSays[] =
      "ligature: MPI did not start in time: has a rank ended on its way? (LIGATURE_START_SECONDS allows more)\n";
  put(STDERR_FILENO, kSays, sizeof kSays - 1);
  if (to_watcher >= 0) put(to_watcher, &kSaid, 1);
  ::_exit(kExitFailed);
}

// A handle of a process, which no other process can come to have; -1 where the kernel (before 5.3) has none.
int open_process(pid_t process) {
  return static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
}

std::string first_line(const std::string& path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  return line;
}

bool is_open_mpi_launcher(pid_t process) {
  const std::string name = first_line("/proc/" + std::to_string(process) + "/comm");
  constexpr std::array<std::string_view, 5> kNames{"mpirun", "mpiexec", "orte", "prte", "prun"};
  return std::any_of(kNames.begin(), kNames.end(), [&](std::string_view known) { return name.starts_with(known); });
}

// Whether a process has children that are more than an exit code nobody has asked for.
bool has_running_children(pid_t process) {
  const std::string id = std::to_string(process);
  std::ifstream children("/proc/" + id + "/task/" + id + "/children");
  for (std::string child; children >> child;) {
    const std::string stat = first_line("/proc/" + child + "/stat");  // "pid (name) state ..."
    const std::size_t name_end = stat.rfind(") ");
    if (name_end != std::string::npos && stat[name_end + 2] != 'Z') return true;
  }
  return false;
}

// The watcher: ends when MPI has started, or when the launcher has ended after this rank.
[[noreturn]] void watch(int from_rank, pid_t launcher, int launcher_handle, const char* rank) {
  ::setsid();  // what the launcher does to the rank's group is not for it
  ::prctl(PR_SET_NAME, "ligature-start");
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGALRM, SIGPIPE}) std::signal(signal, SIG_DFL);
  ::alarm(0);
  ::close(STDIN_FILENO);
  ::close(STDOUT_FILENO);
  char word = 0;
  ssize_t got = 0;
  while ((got = ::read(from_rank, &word, 1)) < 0 && errno == EINTR) {
  }
  if (got > 0 && word == kStarted) ::_exit(0);
  if (got == 0) {
    const std::string line = std::string("ligature: rank ") + rank + " has ended while MPI was starting\n";
    put(STDERR_FILENO, line.data(), line.size());
  }
  ::close(STDERR_FILENO);  // the launcher waits until nobody writes there
  struct pollfd ended {
    launcher_handle, POLLIN, 0
  };
  while (::poll(&ended, 1, kPatience) == 0) {
    if (!has_running_children(launcher)) ::syscall(SYS_pidfd_send_signal, launcher_handle, SIGKILL, nullptr, 0);
  }
  ::_exit(0);
}

}  // namespace

MpiStart::MpiStart() noexcept {
  struct sigaction action {};
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  for (std::size_t s = 0; s < kSignals.size(); ++s) {
    // A watcher that was itself killed is no reason to end.
    action.sa_handler = kSignals[s] == SIGPIPE ? SIG_IGN : kSignals[s] == SIGALRM ? give_up : leave;
    ::sigaction(kSignals[s], &action, &before_[s]);
  }
  unsigned seconds = 600;
  if (const char* const text = std::getenv("LIGATURE_START_SECONDS")) {
    std::from_chars(text, text + std::strlen(text), seconds);
  }
  ::alarm(seconds);

  const char* const rank = std::getenv("OMPI_COMM_WORLD_RANK");
  const pid_t launcher = ::getppid();
  if (rank == nullptr || !is_open_mpi_launcher(launcher)) return;
  const int launcher_handle = open_process(launcher);
  std::array<int, 2> ends{};
  if (launcher_handle < 0) return;
  if (::pipe2(ends.data(), O_CLOEXEC) == 0) {
    watcher_ = ::fork();
    if (watcher_ == 0) {
      ::close(ends[1]);
      watch(ends[0], launcher, launcher_handle, rank);
    }
    ::close(ends[0]);
    to_watcher = ends[1];
  }
  ::close(launcher_handle);
}

MpiStart::~MpiStart() {
  if (to_watcher >= 0) {
    put(to_watcher, &kStarted, 1);
    ::close(to_watcher);
    to_watcher = -1;
  }
  if (watcher_ > 0) ::waitpid(watcher_, nullptr, 0);
  ::alarm(0);
  for (std::size_t s = 0; s < kSignals.size(); ++s) ::sigaction(kSignals[s], &before_[s], nullptr);
}

}  // namespace ligature
