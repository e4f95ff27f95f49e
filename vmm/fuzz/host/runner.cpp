#include "vmm/fuzz/host/runner.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <vector>

#include "vmm/fuzz/layout.hpp"
#include "vmm/tracepoint/fault_tracepoint.hpp"

extern "C" {
extern const char faultline_fuzz_runner_image[];
extern const std::uint64_t faultline_fuzz_runner_image_bytes;
}

namespace faultline::vmm::fuzz::host {

namespace {

using std::chrono::milliseconds;
constexpr milliseconds kStartPatience{10'000}, kEndPatience{10'000};

tl::unexpected<Error> failed(const std::string& what) { return fail("linux: " + what + ": " + std::strerror(errno)); }

FileDescriptor memory_file(const char* name, const void* bytes, std::size_t count) {
  FileDescriptor file(::memfd_create(name, MFD_CLOEXEC));
  if (file.valid() && ::pwrite(file.get(), bytes, count, 0) != static_cast<ssize_t>(count)) return {};
  return file;
}

// 64 bytes of each pattern: what kKernelWrite reads from.
FileDescriptor pattern_file() {
  std::vector<std::uint8_t> bytes;
  for (unsigned value = 0; value < 256; ++value)
    for (unsigned i = 0; i < 64; ++i) bytes.push_back(pattern_byte(value, i % 16));
  return memory_file("faultline-patterns", bytes.data(), bytes.size());
}

// A CPU of those allowed, another one for each runner.
unsigned pick_cpu() {
  static std::atomic<unsigned> started = 0;
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 0;
  unsigned which = (static_cast<unsigned>(::getpid()) + started++) % static_cast<unsigned>(CPU_COUNT(&allowed));
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed) != 0 && which-- == 0) return cpu;
  return 0;
}

void wait_on(const std::atomic<State>& futex, State value, milliseconds most) {
  const timespec timeout{.tv_sec = most.count() / 1000, .tv_nsec = most.count() % 1000 * 1'000'000};
  ::syscall(SYS_futex, &futex, FUTEX_WAIT, value, &timeout, nullptr, 0);
}

// posix_spawn's two objects.
struct SpawnPlan {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    // A group of its own: ^C is for the controller, which ends the runner in order.
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
};

// A copy beyond the numbers that the runner's descriptors have.
FileDescriptor aside(int fd) { return FileDescriptor(::fcntl(fd, F_DUPFD_CLOEXEC, 64)); }

}  // namespace

Result<std::unique_ptr<Runner>> Runner::start(int disk, int memory) {
  std::unique_ptr<Runner> runner(new Runner);
  if (auto mapped = runner->map_memory(); !mapped) return tl::unexpected(mapped.error());
  if (auto spawned = runner->spawn(disk, memory); !spawned) return tl::unexpected(spawned.error());
  if (auto ready = runner->wait_while(State::kRunning, kStartPatience); !ready) return tl::unexpected(ready.error());
  return runner;
}

Runner::~Runner() {
  control_ = {};  // that tells it to end
  if (pid_ <= 0) return;
  for (int i = 0; i < 200 && !gone(); ++i) ::usleep(i < 20 ? 100 : 10'000);
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);  // its children go with it: PR_SET_PDEATHSIG
    ::waitpid(pid_, nullptr, 0);
  }
}

Result<void> Runner::map_memory() {
  memfd_ = FileDescriptor(::memfd_create("faultline-runner", MFD_CLOEXEC));
  if (!memfd_.valid() || ::ftruncate(memfd_.get(), sizeof(Shared)) != 0) return failed("memory shared with the runner");
  void* at = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, memfd_.get(), 0);
  if (at == MAP_FAILED) return failed("memory shared with the runner");
  memory_ = Mapping(at, sizeof(Shared));
  Shared& s = *new (at) Shared;
  s.cpu = pick_cpu();
  const FaultTracepoint tracepoint = find_fault_tracepoint();
  no_tracepoint_ = tracepoint.why_not;
  if (!no_tracepoint_.empty()) return {};
  s.tracepoint = tracepoint.id;
  s.address_at = static_cast<std::uint32_t>(tracepoint.address_at);
  s.error_at = static_cast<std::uint32_t>(tracepoint.error_at);
  return {};
}

Result<void> Runner::spawn(int disk, int memory) {
  const FileDescriptor patterns = pattern_file();
  const FileDescriptor sink(::memfd_create("faultline-sink", MFD_CLOEXEC));
  const FileDescriptor image(
      memory_file("faultline-fuzz-host", faultline_fuzz_runner_image, faultline_fuzz_runner_image_bytes));
  int ends[2];
  if (!patterns.valid() || !sink.valid() || !image.valid() ||
      ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return failed("files of the runner");
  control_ = FileDescriptor(ends[0]);
  const FileDescriptor other_end(ends[1]);
  const std::array<FileDescriptor, kFds - kControlFd> theirs{
      aside(other_end.get()), aside(memfd_.get()),   aside(disk),
      aside(memory),          aside(patterns.get()), aside(sink.get())};
  SpawnPlan plan;
  for (int i = 0; i < kControlFd; ++i) posix_spawn_file_actions_addopen(&plan.actions, i, "/dev/null", O_RDWR, 0);
  for (std::size_t i = 0; i < theirs.size(); ++i)
    posix_spawn_file_actions_adddup2(&plan.actions, theirs[i].get(), kControlFd + static_cast<int>(i));
  const FileDescriptor program = aside(image.get());
  const std::string path = "/proc/self/fd/" + std::to_string(program.get());
  char name[] = "faultline-fuzz-host";
  char* arguments[] = {name, nullptr};
  char* environment[] = {nullptr};
  const int error = ::posix_spawn(&pid_, path.c_str(), &plan.actions, &plan.attributes, arguments, environment);
  if (error == 0) return {};
  pid_ = -1;
  return fail(std::string("linux: start of the runner: ") + std::strerror(error));
}

bool Runner::gone() {
  if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
  return pid_ <= 0;
}

Result<void> Runner::wait_while(State state, milliseconds patience) {
  Shared& s = shared();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (s.state.load() == state) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() < 0) return fail("linux: stuck in step " + std::to_string(s.step));
    if (gone() && s.state.load() == state) return fail("linux: the runner is gone");
    wait_on(s.state, state, std::min(left, milliseconds(200)) + milliseconds(1));
  }
  if (s.state.load() == State::kLost)
    return fail("linux: a process ended by itself in step " + std::to_string(s.step) + ", with wait status " +
                std::to_string(s.failure_detail));
  if (s.state.load() == State::kFailed)
    return fail("linux: the runner cannot " + std::string(s.failure) + ": error " + std::to_string(s.failure_error) +
                ", " + std::to_string(s.failure_detail));
  return {};
}

Result<void> Runner::command(char letter) {
  if (::send(control_.get(), &letter, 1, MSG_NOSIGNAL) != 1) return failed("the runner is gone");
  return {};
}

Result<void> Runner::run(milliseconds patience) {
  for (std::uint32_t i = 0; i < shared().steps; ++i) shared().seen[i] = {};
  shared().state.store(State::kRunning);
  if (auto told = command('R'); !told) return told;
  return wait_while(State::kRunning, patience);
}

Result<void> Runner::finish() { return command('E'); }

Result<void> Runner::wait_idle() { return wait_while(State::kFinished, kEndPatience); }

std::string Runner::no_faults() const {
  if (!no_tracepoint_.empty()) return no_tracepoint_;
  const int error = reinterpret_cast<const Shared*>(memory_.data())->ring_error;
  return error == 0 ? "" : std::string("perf_event_open of page_fault_user: ") + std::strerror(error);
}

}  // namespace faultline::vmm::fuzz::host
