#include "vmm/hosted/filters.hpp"

#include <linux/audit.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cstring>
#include <vector>

#include "mmu/base/check.hpp"

namespace faultline::vmm::hosted {
namespace {

constexpr std::uint32_t kIpLow = offsetof(seccomp_data, instruction_pointer);
constexpr std::uint32_t kIpHigh = kIpLow + 4;

sock_filter load(std::size_t offset) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
// Skips `skip` instructions unless the value equals `k`.
sock_filter unless_equal(std::uint32_t k, std::uint8_t skip) { return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 0, skip); }
sock_filter if_equal(std::uint32_t k, std::uint8_t skip) { return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, skip, 0); }
sock_filter answer(std::uint32_t action) { return BPF_STMT(BPF_RET | BPF_K, action); }

// Answers `otherwise` for calls of another architecture, and for those made outside the code page.
// The instruction pointer is behind SYSCALL, thus never at the start of the page.
std::vector<sock_filter> from_the_code_page(std::uint32_t otherwise, StubPlace place) {
  const std::uint64_t start = place.at(FLH_CODE).raw();
  const auto high = static_cast<std::uint32_t>(start >> 32);
  const auto low = static_cast<std::uint32_t>(start);
  return {
      load(offsetof(seccomp_data, arch)),
      if_equal(AUDIT_ARCH_X86_64, 1),
      answer(otherwise),
      load(kIpHigh),
      if_equal(high, 1),
      answer(otherwise),
      load(kIpLow),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~static_cast<std::uint32_t>(kPageMask)),
      if_equal(low, 1),
      answer(otherwise),
      load(offsetof(seccomp_data, nr)),
  };
}

std::vector<sock_filter> guest_filter(StubPlace place) {
  auto code = from_the_code_page(SECCOMP_RET_TRAP, place);
  code.insert(code.end(), {
                              unless_equal(SYS_rt_sigreturn, 1),
                              answer(SECCOMP_RET_ALLOW),
                              if_equal(SYS_futex, 1),
                              answer(SECCOMP_RET_TRAP),
                              load(offsetof(seccomp_data, args[1])),
                              if_equal(FUTEX_WAIT, 2),
                              if_equal(FUTEX_WAKE, 1),
                              answer(SECCOMP_RET_TRAP),
                              answer(SECCOMP_RET_ALLOW),
                          });
  return code;
}

std::vector<sock_filter> helper_filter(StubPlace place) {
  auto code = from_the_code_page(SECCOMP_RET_KILL_PROCESS, place);
  for (const int call : {SYS_read, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_futex, SYS_write, SYS_exit_group}) {
    code.push_back(unless_equal(static_cast<std::uint32_t>(call), 1));
    code.push_back(answer(SECCOMP_RET_ALLOW));
  }
  code.push_back(answer(SECCOMP_RET_KILL_PROCESS));
  return code;
}

}  // namespace

void write_filters(StubData& data, StubPlace place) {
  std::size_t at = 0;
  const auto put = [&](const std::vector<sock_filter>& code, sock_fprog& program) {
    const std::size_t bytes = code.size() * sizeof(sock_filter);
    FL_CHECK(at + bytes <= data.filters.size());
    std::memcpy(data.filters.data() + at, code.data(), bytes);
    program.len = static_cast<unsigned short>(code.size());
    program.filter = reinterpret_cast<sock_filter*>(place.at(FLH_DATA + FLH_FILTERS + at).raw());
    at += bytes;
  };
  put(guest_filter(place), data.guest_filter);
  put(helper_filter(place), data.helper_filter);
}

}  // namespace faultline::vmm::hosted
