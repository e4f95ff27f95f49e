#include "vmm/linux_abi/blocking_open.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <system_error>

namespace faultline::vmm::linux_abi {
namespace {

// Only ends the wait in the kernel. Whoever had a handler for it keeps it: it is not installed
// over another one.
constexpr int kGiveUpSignal = SIGURG;
void nothing(int) {}

void install_give_up_handler() {
  static const bool once = [] {
    struct sigaction action {};
    action.sa_handler = nothing;  // without SA_RESTART
    return ::sigaction(kGiveUpSignal, &action, nullptr) == 0;
  }();
  static_cast<void>(once);
}

}  // namespace

BlockingOpen::BlockingOpen(FileDescriptor pipe, FileDescriptor event, int flags)
    : pipe_(std::move(pipe)), event_(std::move(event)), flags_(flags) {}

std::shared_ptr<BlockingOpen> BlockingOpen::start(FileDescriptor pipe, int flags) {
  install_give_up_handler();
  FileDescriptor event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return nullptr;
  std::shared_ptr<BlockingOpen> open(new BlockingOpen(std::move(pipe), std::move(event), flags));
  try {
    open->thread_ = std::thread([raw = open.get()] { raw->run(); });
  } catch (const std::system_error&) {
    return nullptr;
  }
  return open;
}

void BlockingOpen::run() {
  tid_.store(static_cast<int>(::syscall(SYS_gettid)), std::memory_order_release);
  const std::string path = fmt::format("/proc/self/fd/{}", pipe_.get());
  do {
    result_ = giving_up_.load() ? -1 : ::open(path.c_str(), flags_ | O_CLOEXEC | O_NOCTTY);
    error_ = result_ < 0 ? errno : 0;
  } while (result_ < 0 && error_ == EINTR && !giving_up_.load());
  done_.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  static_cast<void>(::write(event_.get(), &one, sizeof one) == sizeof one);
}

BlockingOpen::~BlockingOpen() {
  if (!thread_.joinable()) return;
  giving_up_.store(true);
  // The signal may come before the call does: until it is over, again.
  while (!done_.load(std::memory_order_acquire)) {
    if (const int tid = tid_.load(std::memory_order_acquire); tid != 0)
      ::syscall(SYS_tgkill, ::getpid(), tid, kGiveUpSignal);
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  thread_.join();
  if (result_ >= 0) ::close(result_);
}

std::optional<SysResult<FileDescriptor>> BlockingOpen::take() {
  if (!done_.load(std::memory_order_acquire)) return std::nullopt;
  if (thread_.joinable()) thread_.join();
  if (result_ < 0) return SysResult<FileDescriptor>(sys_error(error_));
  return SysResult<FileDescriptor>(FileDescriptor(std::exchange(result_, -1)));
}

}  // namespace faultline::vmm::linux_abi
