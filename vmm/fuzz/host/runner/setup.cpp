// What the runner does once: an address space with nothing but its image, the shared memory and
// the ring; no capabilities, no new privileges, few system calls.
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sys/resource.h>

#include "vmm/fuzz/host/runner/runner.hpp"
#include "vmm/fuzz/host/runner/syscalls.hpp"
#include "vmm/fuzz/layout.hpp"

extern "C" const char __ehdr_start[], _end[];

namespace faultline::vmm::fuzz::host {

namespace {

constexpr std::uint64_t kMapped = kSharedAt + (sizeof(Shared) + 4095) / 4096 * 4096;

void must(const char* what, std::int64_t result, std::uint64_t detail = 0) {
  if (result < 0) give_up(what, result, detail);
}

// The first pages of the user half are asked for too: nothing of ours must be there.
void empty_address_space() {
  const std::uint64_t image = word(__ehdr_start) & ~4095ULL, end = (word(_end) + 4095) & ~4095ULL;
  must("unmap below the image", call(__NR_munmap, 0, image));
  must("unmap above the image", call(__NR_munmap, end, kSharedAt - end));
  must("unmap above the shared memory", call(__NR_munmap, kMapped, kTaskSize - kMapped));
}

// That a program can have what is its own, down to the lowest page.
void check_windows() {
  for (const Window& window : kWindows) {
    const std::uint64_t bytes = window.end - window.start;
    const std::int64_t got = call(__NR_mmap, window.start, bytes, PROT_NONE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);
    must("map a window (vm.mmap_min_addr must not be above 65536)", got, window.start);
    must("unmap a window", call(__NR_munmap, window.start, bytes));
  }
}

void keep_to_cpu() {
  std::uint64_t mask[16] = {};
  mask[shared().cpu / 64] = 1ULL << shared().cpu % 64;
  must("keep to one CPU", call(__NR_sched_setaffinity, 0, sizeof mask, mask), shared().cpu);
}

void limit(unsigned what, std::uint64_t value) {
  const rlimit both{value, value};
  must("set a limit", call(__NR_prlimit64, 0, what, &both, 0), what);
}

void drop_rights() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  const __user_cap_data_struct none[2]{};
  must("drop capabilities", call(__NR_capset, &header, none));
  limit(RLIMIT_MEMLOCK, 8ULL << 20);
  limit(RLIMIT_STACK, 8ULL << 20);
  limit(RLIMIT_CORE, 0);
  must("switch huge pages off", call(__NR_prctl, PR_SET_THP_DISABLE, 1));
  must("give up new privileges", call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1));
}

// Allowed: what programs of the language do, what Linux makes of jumps to the vsyscall page, and what
// the runner does to run them.
constexpr std::uint16_t kAllowed[] = {
    __NR_mmap,  __NR_munmap,     __NR_mprotect,     __NR_mremap,       __NR_madvise,  __NR_mlock2, __NR_munlock,
    __NR_msync, __NR_mincore,    __NR_ftruncate,    __NR_pread64,      __NR_pwrite64, __NR_futex,  __NR_getrusage,
    __NR_clone, __NR_exit_group, __NR_rt_sigreturn, __NR_prctl,        __NR_getppid,  __NR_getpid, __NR_read,
    __NR_ppoll, __NR_wait4,      __NR_kill,         __NR_gettimeofday, __NR_time,     __NR_getcpu,
};
constexpr unsigned kAllowedCount = sizeof kAllowed / sizeof kAllowed[0];

void filter_system_calls() {
  sock_filter program[kAllowedCount + 5] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, arch)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, kAllowedCount + 1, AUDIT_ARCH_X86_64},
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
  };
  for (unsigned i = 0; i < kAllowedCount; ++i) {
    program[3 + i] = {BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint8_t>(kAllowedCount - i), 0, kAllowed[i]};
  }
  program[3 + kAllowedCount] = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS};
  program[4 + kAllowedCount] = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
  const sock_fprog filter{.len = kAllowedCount + 5, .filter = program};
  must("filter system calls", call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter));
}

}  // namespace

extern "C" std::uint64_t map_shared() {
  const std::int64_t at = call(__NR_mmap, kSharedAt, kMapped - kSharedAt, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_FIXED_NOREPLACE, kSharedFd, 0);
  if (at != static_cast<std::int64_t>(kSharedAt)) call(__NR_exit_group, 1);
  return kSharedAt + offsetof(Shared, stacks) + (kMaxProcesses + 1) * kStackBytes;
}

void give_up(const char* what, std::int64_t result, std::uint64_t detail) {
  Shared& s = shared();
  s.failure_error = static_cast<std::int32_t>(-result);
  s.failure_detail = detail;
  for (unsigned i = 0; i + 1 < sizeof s.failure && what[i] != 0; ++i) s.failure[i] = what[i];
  s.state.store(State::kFailed);
  futex_wake(&s.state);
  call(__NR_exit_group, 1);
  __builtin_unreachable();
}

void set_up() {
  shared().runner = static_cast<std::uint32_t>(call(__NR_getpid));
  call(__NR_prctl, PR_SET_NAME, "faultline-fuzz");  // its arguments go with its stack
  empty_address_space();
  keep_to_cpu();
  open_ring();
  drop_rights();
  check_windows();
  install_handlers();
  filter_system_calls();
}

}  // namespace faultline::vmm::fuzz::host
