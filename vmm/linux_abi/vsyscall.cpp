// The vsyscall page, execute-only as Linux has it by default: a call into it is emulated, and
// returns to the caller (arch/x86/entry/vsyscall/vsyscall_64.c, emulate_vsyscall).
#include <sys/syscall.h>
#include <sys/time.h>

#include "mmu/space/uaccess.hpp"
#include "vmm/linux_abi/syscall.hpp"
#include "vmm/linux_abi/task.hpp"

namespace faultline::vmm::linux_abi {

namespace {

// The system call behind an entry point; nothing for any other address of the page.
std::optional<std::uint64_t> call_at(Gva address) {
  constexpr std::uint64_t kEntrySpan = 1024;
  if (address.page_offset() % kEntrySpan != 0) return std::nullopt;
  switch (address.page_offset() / kEntrySpan) {
    case 0: return SYS_gettimeofday;
    case 1: return SYS_time;
    case 2: return SYS_getcpu;
    default: return std::nullopt;
  }
}

}  // namespace

void Task::on_vsyscall(const PageFaultEvent& event) {
  const auto number = call_at(event.address);
  const UserRegs& regs = vcpu_.regs();
  SignalInfo refused;  // a wrong entry, a broken stack or pointer: no code that says more
  refused.info.si_signo = SIGSEGV;
  refused.info.si_code = SI_KERNEL;
  if (!number) return force_signal(refused);
  const auto caller = mmu::get_user<std::uint64_t>(*mm_, Gva(regs[UserRegs::kRsp]));
  if (!caller) return force_signal(refused);
  SyscallArgs args;
  args.number = *number;
  args.raw = {regs[UserRegs::kRdi], regs[UserRegs::kRsi], *number == SYS_getcpu ? 0 : regs[UserRegs::kRdx], 0, 0, 0};
  const SyscallHandler handler = find_handler(*number);
  const SyscallValue value = handler != nullptr ? handler(*this, args) : SyscallValue(sys_error(ENOSYS));
  if (!value && value.error().value() == EFAULT) return force_signal(refused);
  UserRegs& edited = vcpu_.edit_regs();
  edited[UserRegs::kRax] =
      value ? *value : static_cast<std::uint64_t>(-static_cast<std::int64_t>(value.error().value()));
  edited.rip = *caller;
  edited[UserRegs::kRsp] += sizeof(std::uint64_t);
}

}  // namespace faultline::vmm::linux_abi
