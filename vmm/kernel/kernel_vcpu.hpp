// A vCPU that runs code at CPL0. Every exception enters the stubs on a stack that the program has no
// hand in (IST), so that a stack overflow is a page fault like any other.
//
// On PVM such code is emulated one plain integer instruction at a time; what it cannot emulate ends
// the run (docs/kvm.md).
#pragma once

#include <atomic>
#include <optional>
#include <variant>

#include "vmm/kvm/kvm_machine.hpp"

namespace faultline::vmm::kernel {

struct CpuState {
  UserRegs regs;
  std::uint16_t cs = FL_KERNEL_CS, ss = FL_KERNEL_SS;
  [[nodiscard]] bool user() const { return (cs & 3) == 3; }
};

struct ControlState {
  std::uint64_t cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0, efer = 0;
  std::uint64_t fs_base = 0, gs_base = 0;
};

// Vector 14: the address is in it.
struct ExceptionExit {
  unsigned vector = 0;
  std::uint32_t error_code = 0;
  Gva address;
};
struct CallExit {};     // an OUT to FL_PORT_KERNEL
struct SyscallExit {};  // of user code
// A device's register. For a read, finish_read() before the next run().
struct MmioExit {
  Gpa address;
  bool write = false;
  unsigned bytes = 0;
  std::uint64_t value = 0;
};
struct KickedExit {};
struct DeadExit {
  std::string why;  // one line
};
using KernelExit = std::variant<ExceptionExit, CallExit, SyscallExit, MmioExit, KickedExit, DeadExit>;

class KernelVcpu {
 public:
  // At `entry` with the stack below `stack_top`, on the tables of `root`. SMEP and SMAP are on where
  // KVM takes them. The machine must outlive this.
  static Result<std::unique_ptr<KernelVcpu>> create(kvm::KvmMachine& machine, Gpa root, Gva entry, Gva stack_top);

  Result<KernelExit> run();
  // Where it stands. Changes count at the next run(); RIP, RFLAGS and selectors only after
  // an exception or a system call, or once it settled.
  [[nodiscard]] const CpuState& state() const { return state_; }
  CpuState& edit() { return state_; }
  // Behind a CallExit or MmioExit: finishes the instruction that made it, so that state() is behind
  // it and may be changed. An exit when the instruction has more to do.
  Result<std::optional<KernelExit>> settle();
  void finish_read(std::uint64_t value);

  [[nodiscard]] Result<ControlState> control() const;
  [[nodiscard]] bool smap() const { return (cr4_ & kvm::kCr4Smap) != 0; }
  [[nodiscard]] bool smep() const { return (cr4_ & kvm::kCr4Smep) != 0; }

  // Makes run() return KickedExit. Any thread, and signal handlers.
  void kick();

 private:
  KernelVcpu(kvm::KvmMachine& machine, kvm::KvmMachine::BareVcpu vcpu, Gpa root);
  Result<void> set_start(Gva entry, Gva stack_top);
  void own_stacks() const;
  int enter();
  void prepare();
  void load();
  KernelExit decode();
  KernelExit decode_exception(unsigned vector);

  enum class Position : std::uint8_t { kInProgram, kInMmio, kInStub, kAtResume };

  kvm::KvmMachine& machine_;
  kvm::KvmMachine::BareVcpu vcpu_;
  kvm::VcpuArea area_;
  Gpa root_;
  std::uint64_t cr4_ = 0;
  CpuState state_;
  Position position_ = Position::kAtResume;  // it starts by an IRETQ
  std::atomic<bool> kicked_{false};
  std::atomic<pid_t> thread_{0};
};

}  // namespace faultline::vmm::kernel
