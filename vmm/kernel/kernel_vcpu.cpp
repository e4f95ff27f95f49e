#include "vmm/kernel/kernel_vcpu.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <cstring>

#include "mmu/arch/vector.hpp"
#include "vmm/kvm/exit.hpp"
#include "vmm/kvm/kick_signal.hpp"

namespace faultline::vmm::kernel {

namespace {

using mmu::vector::kPageFault;
constexpr std::uint64_t kTssIst5 = kvm::VcpuArea::kTssOffset + 36 + 4 * 8;

void to_kvm(const UserRegs& from, kvm_regs& to) {
  const auto& g = from.gpr;
  to.rax = g[0], to.rcx = g[1], to.rdx = g[2], to.rbx = g[3], to.rsp = g[4], to.rbp = g[5], to.rsi = g[6];
  to.rdi = g[7], to.r8 = g[8], to.r9 = g[9], to.r10 = g[10], to.r11 = g[11];
  to.r12 = g[12], to.r13 = g[13], to.r14 = g[14], to.r15 = g[15];
}

void from_kvm(const kvm_regs& from, UserRegs& to) {
  to.gpr = {from.rax, from.rcx, from.rdx, from.rbx, from.rsp, from.rbp, from.rsi, from.rdi,
            from.r8,  from.r9,  from.r10, from.r11, from.r12, from.r13, from.r14, from.r15};
}

}  // namespace

KernelVcpu::KernelVcpu(kvm::KvmMachine& machine, kvm::KvmMachine::BareVcpu vcpu, Gpa root)
    : machine_(machine), vcpu_(std::move(vcpu)), area_(machine.ram(), vcpu_.index), root_(root) {
  vcpu_.fd.run().kvm_valid_regs = KVM_SYNC_X86_REGS;
}

Result<std::unique_ptr<KernelVcpu>> KernelVcpu::create(kvm::KvmMachine& machine, Gpa root, Gva entry, Gva stack_top) {
  auto bare = machine.create_bare_vcpu(root);
  if (!bare) return tl::unexpected(bare.error());
  std::unique_ptr<KernelVcpu> vcpu(new KernelVcpu(machine, std::move(*bare), root));
  vcpu->own_stacks();
  if (auto set = vcpu->set_start(entry, stack_top); !set) return tl::unexpected(set.error());
  return vcpu;
}

// Gates without a stack of their own get IST 5, which is where RSP0 points anyway.
void KernelVcpu::own_stacks() const {
  const GuestRam& ram = machine_.ram();
  for (unsigned vector = 0; vector < FL_VECTORS; ++vector) {
    constexpr std::uint64_t kIstMask = 7ULL << 32, kIst5 = 5ULL << 32;
    std::uint64_t low = kvm::idt_gate(vector)[0];
    if ((low & kIstMask) == 0) low |= kIst5;
    std::memcpy(ram.at(Gpa(kvm::kIdtFrame) + vector * 16), &low, sizeof low);
  }
  const std::uint64_t top = area_.rsp0().raw();
  std::memcpy(ram.at(Gpa(kvm::kFirstVcpuFrame + vcpu_.index)) + kTssIst5, &top, sizeof top);
}

Result<void> KernelVcpu::set_start(Gva entry, Gva stack_top) {
  auto sregs = vcpu_.fd.sregs();
  if (!sregs) return tl::unexpected(sregs.error());
  const std::uint64_t plain = sregs->cr4;
  for (const std::uint64_t optional : {kvm::kCr4Smep | kvm::kCr4Smap, kvm::kCr4Smep, std::uint64_t{0}}) {
    sregs->cr4 = cr4_ = plain | optional;
    const auto set = vcpu_.fd.set_sregs(*sregs);
    if (set) break;
    if (optional == 0) return set;
  }
  state_.regs.rip = entry.raw();
  state_.regs.rflags = 0x202;
  // As behind a CALL: the ABI wants RSP + 8 to be a multiple of 16.
  state_.regs[UserRegs::kRsp] = stack_top.raw() - 8;
  return {};
}

int KernelVcpu::enter() {
  kvm::unblock_kick_signal();
  thread_.store(static_cast<pid_t>(::syscall(SYS_gettid)), std::memory_order_seq_cst);
  const int status = ::ioctl(vcpu_.fd.get(), KVM_RUN, 0) == 0 ? 0 : errno;
  thread_.store(0, std::memory_order_seq_cst);
  return status;
}

void KernelVcpu::kick() {
  kicked_.store(true, std::memory_order_seq_cst);
  kvm::kick_out(vcpu_.fd.run(), thread_);
}

// KVM finishes the exit that it stands at before it looks at immediate_exit.
Result<std::optional<KernelExit>> KernelVcpu::settle() {
  if (position_ != Position::kInProgram && position_ != Position::kInMmio) return std::nullopt;
  std::atomic_ref immediate(vcpu_.fd.run().immediate_exit);
  immediate.store(1, std::memory_order_seq_cst);
  const int status = enter();
  if (!kicked_.load(std::memory_order_seq_cst)) immediate.store(0, std::memory_order_seq_cst);
  if (status == 0) return decode();
  if (status != EINTR) return fail(fmt::format("KVM_RUN with immediate_exit: {}", std::strerror(status)));
  load();
  position_ = Position::kAtResume;
  return std::nullopt;
}

void KernelVcpu::finish_read(std::uint64_t value) { std::memcpy(vcpu_.fd.run().mmio.data, &value, sizeof value); }

// Out of a stub by an IRETQ, or on with the program's own instruction.
void KernelVcpu::prepare() {
  // KVM is in the middle of an instruction: registers are its own until it is done.
  if (position_ == Position::kInMmio) return;
  kvm_run& run = vcpu_.fd.run();
  kvm_regs& regs = run.s.regs.regs;
  to_kvm(state_.regs, regs);
  run.kvm_dirty_regs = KVM_SYNC_X86_REGS;
  if (position_ == Position::kInProgram) return;
  kvm::StubFrame& frame = area_.frame(kPageFault);
  frame.rip = state_.regs.rip;
  frame.cs = state_.cs;
  frame.rflags = state_.regs.rflags;
  frame.rsp = state_.regs[UserRegs::kRsp];
  frame.ss = state_.ss;
  regs.rsp = area_.rsp0().raw() - kvm::kIretFrameBytes;
  if (machine_.sink_choice().variant == kvm::StubVariant::kFlush) {
    frame.error_code = regs.rax;  // the stub pops it
    regs.rsp -= sizeof(std::uint64_t);
    regs.rax = vcpu_.tlb.order(root_).cr3;
  }
  if (position_ == Position::kAtResume) {
    regs.rip = kvm::kResumeStub.raw();
    regs.rflags = 2;
  }
}

void KernelVcpu::load() {
  const kvm_regs& regs = vcpu_.fd.run().s.regs.regs;
  from_kvm(regs, state_.regs);
  state_.regs.rip = regs.rip;
  state_.regs.rflags = regs.rflags;
  state_.cs = FL_KERNEL_CS;
  state_.ss = FL_KERNEL_SS;
}

Result<KernelExit> KernelVcpu::run() {
  if (!kicked_.load(std::memory_order_seq_cst)) prepare();
  const int status = enter();
  if (status != 0 && status != EINTR && status != EAGAIN)
    return fail(fmt::format("KVM_RUN: {}", std::strerror(status)));
  if (status == 0) return decode();
  // Wherever it was hit, in the program or on the way back through a stub: it goes on from there.
  load();
  position_ = Position::kInProgram;
  if (kicked_.load(std::memory_order_seq_cst)) return KernelExit{KickedExit{}};
  return run();
}

KernelExit KernelVcpu::decode() {
  const kvm_run& run = vcpu_.fd.run();
  load();
  position_ = Position::kInProgram;
  if (run.exit_reason == KVM_EXIT_MMIO && run.mmio.len <= 8) {
    MmioExit mmio{Gpa(run.mmio.phys_addr), run.mmio.is_write != 0, run.mmio.len, 0};
    position_ = Position::kInMmio;
    if (mmio.write) std::memcpy(&mmio.value, run.mmio.data, mmio.bytes);
    return mmio;
  }
  const bool out = run.exit_reason == KVM_EXIT_IO && run.io.direction == KVM_EXIT_IO_OUT;
  if (out && kvm::in_stubs(Gva(state_.regs.rip))) {
    const unsigned port = run.io.port;
    position_ = Position::kInStub;
    if (port == FL_PORT_SYSCALL) {
      state_.regs.rip = state_.regs[UserRegs::kRcx];
      state_.regs.rflags = state_.regs[UserRegs::kR11];
      state_.cs = FL_USER_CS;
      state_.ss = FL_USER_SS;
      return SyscallExit{};
    }
    if (port >= FL_PORT_EXCEPTION && port < FL_PORT_EXCEPTION + FL_VECTORS)
      return decode_exception(port - FL_PORT_EXCEPTION);
  }
  if (out && run.io.port == FL_PORT_KERNEL) return CallExit{};
  return DeadExit{fmt::format("{} at RIP {:#x}", kvm::describe(kvm::decode_exit(run)), state_.regs.rip)};
}

KernelExit KernelVcpu::decode_exception(unsigned vector) {
  const kvm::StubFrame& frame = area_.frame(vector);
  const Gva address(state_.regs[UserRegs::kRax]);
  state_.regs[UserRegs::kRax] = frame.rax;
  state_.regs[UserRegs::kRsp] = frame.rsp;
  state_.regs.rip = frame.rip;
  state_.regs.rflags = frame.rflags;
  state_.cs = static_cast<std::uint16_t>(frame.cs);
  state_.ss = static_cast<std::uint16_t>(frame.ss);
  // Where code is fetched from LSTAR at CPL3, that is how a SYSCALL arrives.
  const bool syscall = vector == kPageFault && state_.user() && address == kvm::kLstar && frame.rip == address.raw();
  if (syscall) {
    state_.regs.rip = state_.regs[UserRegs::kRcx];
    state_.regs.rflags = state_.regs[UserRegs::kR11];
    return SyscallExit{};
  }
  return ExceptionExit{vector, static_cast<std::uint32_t>(frame.error_code), address};
}

Result<ControlState> KernelVcpu::control() const {
  const auto sregs = vcpu_.fd.sregs();
  if (!sregs) return tl::unexpected(sregs.error());
  return ControlState{sregs->cr0, sregs->cr2, sregs->cr3, sregs->cr4, sregs->efer, sregs->fs.base, sregs->gs.base};
}

}  // namespace faultline::vmm::kernel
