#include "vmm/linux_abi/rseq.hpp"

#include "mmu/space/uaccess.hpp"
#include "vmm/linux_abi/task.hpp"

namespace faultline::vmm::linux_abi {
namespace {

constexpr std::uint32_t kUnregister = 1;  // RSEQ_FLAG_UNREGISTER
constexpr std::uint32_t kOriginalSize = 32;
constexpr std::uint64_t kAlign = 32, kCsField = 8;
constexpr std::uint32_t kUninitialized = ~0U;  // RSEQ_CPU_ID_UNINITIALIZED

// struct rseq's first fields and struct rseq_cs (<linux/rseq.h>).
struct CpuIds {
  std::uint32_t cpu_id_start, cpu_id;
};
struct Section {
  std::uint32_t version, flags;
  std::uint64_t start_ip, post_commit_offset, abort_ip;
};
static_assert(sizeof(Section) == 32);

SyscallValue unregister(Task& task, std::uint64_t address, std::uint32_t size, std::uint32_t signature) {
  const RseqState& now = task.rseq;
  if (now.address == 0 || now.address != address) return sys_error(EINVAL);
  if (now.size != size) return sys_error(EINVAL);
  if (now.signature != signature) return sys_error(EPERM);
  if (!mmu::put_user(task.mm(), Gva(address), CpuIds{0, kUninitialized})) return sys_error(EFAULT);
  task.rseq = {};
  return 0;
}

}  // namespace

SyscallValue sys_rseq(Task& task, const SyscallArgs& args) {
  const std::uint64_t address = args[0];
  const std::uint32_t size = args.u32(1), flags = args.u32(2), signature = args.u32(3);
  if ((flags & kUnregister) != 0)
    return (flags & ~kUnregister) != 0 ? SyscallValue(sys_error(EINVAL)) : unregister(task, address, size, signature);
  if (flags != 0) return sys_error(EINVAL);
  if (task.rseq.address != 0) {
    if (task.rseq.address != address || task.rseq.size != size) return sys_error(EINVAL);
    return sys_error(task.rseq.signature != signature ? EPERM : EBUSY);
  }
  if (size < kOriginalSize || address % kAlign != 0) return sys_error(EINVAL);
  if (address >= task.mm().task_size().raw()) return sys_error(EFAULT);
  // One CPU, number 0: written once, it stays true.
  if (!mmu::put_user(task.mm(), Gva(address), CpuIds{0, 0})) return sys_error(EFAULT);
  task.rseq = {address, size, signature};
  return 0;
}

void abort_rseq_section(Task& task) {
  if (task.rseq.address == 0) return;
  mmu::AddressSpace& mm = task.mm();
  const auto pointer = mmu::get_user<std::uint64_t>(mm, Gva(task.rseq.address + kCsField));
  if (!pointer || *pointer == 0) return;
  const auto refuse = [&] {
    task.rseq = {};
    task.force_signal(SignalInfo::fault(SIGSEGV, SI_KERNEL, 0, task.signals().last_trap));
  };
  const auto section = mmu::get_user<Section>(mm, Gva(*pointer));
  const std::uint64_t ip = task.vcpu().regs().rip;
  if (!section || section->version != 0 || section->abort_ip >= mm.task_size().raw() ||
      section->abort_ip - section->start_ip < section->post_commit_offset)
    return refuse();
  if (!mmu::put_user(mm, Gva(task.rseq.address + kCsField), std::uint64_t{0})) return refuse();
  if (ip - section->start_ip >= section->post_commit_offset) return;
  const auto signature = section->abort_ip < 4 ? SysResult<std::uint32_t>(sys_error(EFAULT))
                                               : mmu::get_user<std::uint32_t>(mm, Gva(section->abort_ip - 4));
  if (!signature || *signature != task.rseq.signature) return refuse();
  task.vcpu().edit_regs().rip = section->abort_ip;
}

}  // namespace faultline::vmm::linux_abi
