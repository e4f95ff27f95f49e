#include "vmm/hosted/stub_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>
#include <utility>

#include "vmm/hosted/filters.hpp"
#include "vmm/hosted/stub_start.hpp"

extern "C" const char faultline_hosted_stub[];
extern "C" const char faultline_hosted_stub_end[];

namespace faultline::vmm::hosted {
namespace {

// How often a wait looks whether the stub still lives, and how long one may take to stop.
constexpr auto kTick = std::chrono::milliseconds(50);
constexpr auto kStopGrace = std::chrono::seconds(5);
constexpr auto kStartGrace = std::chrono::seconds(30);
constexpr std::uint64_t kFsgsbase = 1U << 1;  // HWCAP2_FSGSBASE

using Clock = std::chrono::steady_clock;

// Returns when the word is no longer `value`, at a wake-up, a signal or after kTick.
void futex_wait(std::uint32_t& word, std::uint32_t value) {
  const timespec tick{0, std::chrono::nanoseconds(kTick).count()};
  ::syscall(SYS_futex, &word, FUTEX_WAIT, value, &tick, nullptr, 0);
}
void futex_wake(std::uint32_t& word) { ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0); }

}  // namespace

Result<std::unique_ptr<StubProcess>> StubProcess::start(const GuestRam& ram, StubPlace place) {
  if ((::getauxval(AT_HWCAP2) & kFsgsbase) == 0) {
    return fail("the hosted backend needs the FSGSBASE instructions: a CPU since 2013 and Linux 5.9 or newer");
  }
  std::unique_ptr<StubProcess> stub(new StubProcess);
  stub->place_ = place;
  if (auto done = stub->spawn(ram); !done) return tl::unexpected(done.error());
  const std::atomic<bool> urgent{false};
  const auto deadline = Clock::now() + kStartGrace;
  while (stub->state().load(std::memory_order_acquire) != FLH_STATE_STOPPED) {
    futex_wait(stub->area_->data.state, FLH_STATE_RUNNING);
    if (stub->died()) {
      return fail(fmt::format("the hosted backend cannot start its process here: {}", stub->obituary()));
    }
    if (Clock::now() > deadline) return fail("the hosted backend cannot start its process here: it does not answer");
  }
  stub->thread_.store(static_cast<pid_t>(stub->area_->data.tid), std::memory_order_release);
  stub->cpuid_faults_ = stub->area_->data.cpuid_faults == 1;
  stub->unmap_all();
  if (auto done = stub->settle(); !done) return tl::unexpected(done.error());
  return stub;
}

Result<void> StubProcess::move_to(const GuestRam& ram, StubPlace place) {
  auto started = start(ram, place);
  if (!started) return tl::unexpected(started.error());
  StubProcess& fresh = **started;
  kill("");
  place_ = place;
  region_ = std::move(fresh.region_);
  command_ = std::move(fresh.command_);
  command_end_ = std::move(fresh.command_end_);
  ack_ = std::move(fresh.ack_);
  mapping_ = std::move(fresh.mapping_);
  area_ = fresh.area_;
  calls_.clear();
  pid_ = std::exchange(fresh.pid_, 0);
  group_.store(fresh.group_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  thread_.store(fresh.thread_.load(std::memory_order_relaxed), std::memory_order_release);
  return {};
}

Result<void> StubProcess::spawn(const GuestRam& ram) {
  region_ = FileDescriptor(::memfd_create("faultline-stub", MFD_CLOEXEC));
  if (!region_.valid() || ::ftruncate(region_.get(), FLH_REGION_BYTES) != 0)
    return fail(fmt::format("memfd_create for the hosted backend: {}", std::strerror(errno)));
  void* at = ::mmap(nullptr, FLH_REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, region_.get(), 0);
  if (at == MAP_FAILED) return fail(fmt::format("cannot map the hosted backend's region: {}", std::strerror(errno)));
  mapping_ = Mapping(at, FLH_REGION_BYTES);
  area_ = static_cast<StubArea*>(at);
  std::memcpy(area_->code.data(), faultline_hosted_stub,
              static_cast<std::size_t>(faultline_hosted_stub_end - faultline_hosted_stub));
  write_filters(area_->data, place_);
  area_->data.full_mask = ~std::uint64_t{0};
  area_->data.stack = {.ss_sp = reinterpret_cast<void*>(stack_start()), .ss_flags = 0, .ss_size = area_->stack.size()};

  std::array<int, 2> command{}, ack{};
  if (::pipe2(command.data(), O_CLOEXEC) != 0) return fail(fmt::format("pipe: {}", std::strerror(errno)));
  command_end_ = FileDescriptor(command[0]);
  command_ = FileDescriptor(command[1]);
  if (::pipe2(ack.data(), O_CLOEXEC) != 0) return fail(fmt::format("pipe: {}", std::strerror(errno)));
  const FileDescriptor ack_end(ack[1]);
  ack_ = FileDescriptor(ack[0]);

  // Not fork(): handlers of other libraries have no business in the stub.
  const long child = ::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, 0);
  if (child == 0) become_stub({region_.get(), ram.fd(), command_end_.get(), ack_end.get()}, place_, *area_);
  if (child < 0) return fail(fmt::format("cannot start the hosted backend's process: {}", std::strerror(errno)));
  pid_ = group_ = static_cast<pid_t>(child);
  return {};
}

StubProcess::~StubProcess() { kill(""); }

void StubProcess::kill(std::string why) {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  thread_.store(0, std::memory_order_release);
  pid_ = 0;
  obituary_ = std::move(why);
}

bool StubProcess::died() {
  if (pid_ == 0) return true;
  int status = 0;
  const pid_t waited = ::waitpid(pid_, &status, WNOHANG);
  // Where SIGCHLD is ignored, the kernel buries the dead itself.
  const bool buried = waited < 0 && errno == ECHILD;
  if (waited != pid_ && !buried) return false;
  thread_.store(0, std::memory_order_release);
  pid_ = 0;
  if (buried) {
    obituary_ = "it ended, and the host does not say how (SIGCHLD is ignored)";
  } else if (WIFSIGNALED(status)) {
    obituary_ = fmt::format("killed by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  } else if (WEXITSTATUS(status) == FLH_EXIT_CALL_FAILED || WEXITSTATUS(status) == FLH_EXIT_SET_UP) {
    obituary_ = fmt::format("{} failed: {}", WEXITSTATUS(status) == FLH_EXIT_SET_UP ? "its set-up" : "a mapping call",
                            std::strerror(-area_->data.error));
  } else {
    obituary_ = fmt::format("it exited with status {}", WEXITSTATUS(status));
  }
  return true;
}

void StubProcess::queue(StubCall call) { calls_.push_back(call); }

void StubProcess::map(Gva at, std::uint64_t bytes, Gpa from, Protection protection, bool populate) {
  const int flags = MAP_SHARED | MAP_FIXED | (populate ? MAP_POPULATE : 0);
  queue({.number = SYS_mmap,
         .arguments = {at.raw(), bytes, static_cast<std::uint64_t>(protection), static_cast<std::uint64_t>(flags),
                       FLH_RAM_FD, from.raw()}});
}

void StubProcess::unmap(Gva start, Gva end) {
  const auto part = [this](Gva from, Gva to) {
    if (from < to) queue({.number = SYS_munmap, .arguments = {from.raw(), to - from}});
  };
  end = std::min(end, kMappableEnd);
  part(start, std::min(end, place_.start));
  part(std::max(start, place_.end()), end);
}

void StubProcess::unmap_all() {
  calls_.clear();
  unmap(Gva(0), kMappableEnd);
}

Result<void> StubProcess::command(std::span<const StubCall> calls, bool resume) {
  std::ranges::copy(calls, area_->commands.calls.begin());
  area_->commands.count = static_cast<std::uint32_t>(calls.size());
  area_->commands.resume = resume ? 1 : 0;
  if (resume) state().store(FLH_STATE_RUNNING, std::memory_order_release);
  const char doorbell = 0;
  while (::write(command_.get(), &doorbell, 1) != 1) {
    if (errno != EINTR) return fail(fmt::format("the hosted backend's process is gone: {}", std::strerror(errno)));
  }
  return resume ? Result<void>() : await_ack();
}

Result<void> StubProcess::await_ack() {
  for (;;) {
    char byte = 0;
    const auto n = ::read(ack_.get(), &byte, 1);
    if (n == 1) return {};
    if (n < 0 && errno == EINTR) continue;
    // The last writer is gone: it exited, or was killed.
    while (!died()) ::poll(nullptr, 0, 1);
    return fail(fmt::format("the hosted backend's process died: {}", obituary_));
  }
}

Result<void> StubProcess::make_calls(bool resume) {
  std::span<const StubCall> left = calls_;
  while (left.size() > FLH_MAX_CALLS) {
    if (auto done = command(left.first(FLH_MAX_CALLS), false); !done) return done;
    left = left.subspan(FLH_MAX_CALLS);
  }
  if (auto done = command(left, resume); !done) return done;
  calls_.clear();
  return {};
}

Result<void> StubProcess::settle() { return calls_.empty() ? Result<void>() : make_calls(false); }

Result<void> StubProcess::resume() {
  if (!calls_.empty()) return make_calls(true);
  state().store(FLH_STATE_RUNNING, std::memory_order_release);
  std::atomic_ref(area_->data.go).store(1, std::memory_order_release);
  futex_wake(area_->data.go);
  return {};
}

StubProcess::Wait StubProcess::wait(const std::atomic<bool>& urgent) {
  Clock::time_point asked{};
  while (state().load(std::memory_order_acquire) != FLH_STATE_STOPPED) {
    futex_wait(area_->data.state, FLH_STATE_RUNNING);
    if (state().load(std::memory_order_acquire) == FLH_STATE_STOPPED) break;
    if (died()) return Wait::kDead;
    if (!urgent.load(std::memory_order_relaxed)) continue;
    if (asked == Clock::time_point{}) asked = Clock::now();
    interrupt();
    if (Clock::now() - asked > kStopGrace) {
      kill("it did not stop when it was interrupted, and was killed");
      return Wait::kDead;
    }
  }
  return Wait::kStopped;
}

void StubProcess::interrupt() const {
  const int saved = errno;
  if (const pid_t thread = thread_.load(std::memory_order_acquire); thread != 0)
    ::syscall(SYS_tgkill, group_.load(std::memory_order_relaxed), thread, kStopSignal);
  errno = saved;
}

bool StubProcess::load_frame(KernelFrame& frame) const {
  const std::uint64_t offset = area_->data.frame - stack_start();
  if (offset >= area_->stack.size() || area_->stack.size() - offset < sizeof frame || offset % 8 != 0) return false;
  std::memcpy(&frame, area_->stack.data() + offset, sizeof frame);
  // Where it belongs; store_frame() writes it there again.
  frame.return_address = offset;
  return true;
}

void StubProcess::store_frame(const KernelFrame& frame) {
  KernelFrame copy = frame;
  copy.stack = {.ss_sp = reinterpret_cast<void*>(stack_start()), .ss_flags = 0, .ss_size = area_->stack.size()};
  copy.signal_mask = guest_signal_mask();
  copy.return_address = 0;
  std::memcpy(area_->stack.data() + frame.return_address, &copy, sizeof copy);
  area_->data.frame = stack_start() + frame.return_address;
}

std::span<std::byte> StubProcess::xsave_area(const KernelFrame& frame) const {
  const std::uint64_t offset = frame.context.fpstate - stack_start();
  if (offset >= area_->stack.size()) return {};
  return std::span(area_->stack).subspan(offset);
}

}  // namespace faultline::vmm::hosted
