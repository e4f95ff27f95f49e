#include "vmm/hosted/stub_start.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

extern "C" const char faultline_hosted_stub[];
extern "C" const char faultline_hosted_handler[];

namespace faultline::vmm::hosted {
namespace {

constexpr std::array kStopSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, kStopSignal};
constexpr std::uint64_t kAllSignals = ~std::uint64_t{0};

// The kernel's own struct sigaction.
struct Action {
  std::uint64_t handler, flags, restorer, mask;
};
constexpr std::uint64_t kRestorerFlag = 0x04000000;  // SA_RESTORER

[[noreturn]] void give_up(StubArea& area, int error) {
  area.data.error = -error;
  ::syscall(SYS_exit_group, FLH_EXIT_SET_UP);
  __builtin_unreachable();
}

void check(StubArea& area, long result) {
  if (result < 0) give_up(area, errno);
}

// The kernel would go on writing to the C library's area, which is about to be unmapped, and
// kill the process for it. The length must be the one that was registered, which the library
// doesn't tell: try both that there are.
void leave_restartable_sequences(StubArea& area) {
  if (__rseq_size == 0) return;  // not registered
  constexpr unsigned kUnregister = 1, kSignature = 0x53053053;
  auto* own = static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
  for (const unsigned length : {32U, __rseq_size}) {
    if (::syscall(SYS_rseq, own, length, kUnregister, kSignature) == 0) return;
  }
  give_up(area, errno);
}

void keep_only(const StubDescriptors& from, StubArea& area) {
  const int ram = ::fcntl(from.ram, F_DUPFD, 3);
  const int command = ::fcntl(from.command, F_DUPFD, 3);
  const int ack = ::fcntl(from.ack, F_DUPFD, 3);
  check(area, ram), check(area, command), check(area, ack);
  check(area, ::dup2(ram, FLH_RAM_FD));
  check(area, ::dup2(command, FLH_COMMAND_FD));
  check(area, ::dup2(ack, FLH_ACK_FD));
  check(area, ::syscall(SYS_close_range, 3U, ~0U, 0U));
}

void map_region(int region, StubPlace place, StubArea& area) {
  const auto map = [&](std::uint64_t from, std::uint64_t to, int protection) {
    void* at = reinterpret_cast<void*>(place.at(from).raw());
    if (::mmap(at, to - from, protection, MAP_SHARED | MAP_FIXED_NOREPLACE, region, static_cast<off_t>(from)) != at)
      give_up(area, errno != 0 ? errno : EEXIST);
  };
  map(FLH_CODE, FLH_COMMANDS, PROT_READ | PROT_EXEC);
  map(FLH_COMMANDS, FLH_DATA, PROT_READ);
  map(FLH_DATA, FLH_REGION_BYTES, PROT_READ | PROT_WRITE);
}

// A CPU or host without it leaves CPUID as it is.
void make_cpuid_fault(StubArea& area) {
  constexpr int kArchCpuid = 0x1012;  // ARCH_CPUID of <asm/prctl.h>
  area.data.cpuid_faults = ::syscall(SYS_arch_prctl, kArchCpuid, 0UL) == 0 ? 1 : 0;
}

void take_signals(StubPlace place, StubArea& area) {
  const std::uint64_t mask = guest_signal_mask();
  check(area, ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, sizeof mask));
  const std::uint64_t handler =
      place.at(static_cast<std::uint64_t>(faultline_hosted_handler - faultline_hosted_stub)).raw();
  const Action action{handler, SA_SIGINFO | SA_ONSTACK | kRestorerFlag, 0, kAllSignals};
  for (const int signal : kStopSignals)
    check(area, ::syscall(SYS_rt_sigaction, signal, &action, nullptr, sizeof action.mask));
}

}  // namespace

std::uint64_t guest_signal_mask() {
  std::uint64_t mask = kAllSignals;
  for (const int signal : kStopSignals) mask &= ~(std::uint64_t{1} << (signal - 1));
  return mask;
}

void become_stub(const StubDescriptors& descriptors, StubPlace place, StubArea& area) {
  // Nobody but the VMM may look into it or leave its memory in a core file.
  check(area, ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
  check(area, ::prctl(PR_SET_NAME, "faultline-stub", 0, 0, 0));
  check(area, ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  map_region(descriptors.region, place, area);
  keep_only(descriptors, area);
  leave_restartable_sequences(area);
  take_signals(place, area);
  make_cpuid_fault(area);
  reinterpret_cast<void (*)()>(place.at(FLH_CODE).raw())();
  __builtin_unreachable();
}

}  // namespace faultline::vmm::hosted
