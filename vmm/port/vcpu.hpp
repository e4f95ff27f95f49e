// The vCPU port: user code runs until something happens that the kernel above must see.
// Nothing above this port knows which backend is below it. One vCPU is driven by one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "mmu/arch/error_code.hpp"
#include "mmu/base/address.hpp"
#include "mmu/base/result.hpp"
#include "mmu/ports/tlb_sink.hpp"
#include "vmm/port/host_statistics.hpp"
#include "vmm/port/raw_exit.hpp"

namespace faultline::vmm {

// General registers of user code. Order is the hardware's encoding order, so that
// gpr[n] is the register that ModRM and Zydis call number n: rax rcx rdx rbx rsp rbp rsi rdi r8..r15.
struct UserRegs {
  std::array<std::uint64_t, 16> gpr{};
  std::uint64_t rip = 0;
  std::uint64_t rflags = 0x202;

  enum : unsigned { kRax, kRcx, kRdx, kRbx, kRsp, kRbp, kRsi, kRdi, kR8, kR9, kR10, kR11, kR12, kR13, kR14, kR15 };
  [[nodiscard]] std::uint64_t& operator[](unsigned n) { return gpr[n]; }
  [[nodiscard]] std::uint64_t operator[](unsigned n) const { return gpr[n]; }
};

// #PF. UserRegs::rip is the faulting instruction.
struct PageFaultEvent {
  Gva address;  // CR2
  mmu::ErrorCode error;
};
// SYSCALL. rip is the instruction after it (RCX), rflags is R11, rax the number.
struct SyscallEvent {};
// Any other exception taken in user code. rip as the hardware pushed it.
struct ExceptionEvent {
  std::uint8_t vector = 0;
  std::uint32_t error_code = 0;  // 0 where the vector has none
};
// kick() was called, or a signal arrived: look at the limits and run again.
struct InterruptedEvent {};
// The vCPU cannot go on: triple fault, an exit that nothing handles, an emulation failure.
struct FatalEvent {
  std::string summary;  // one line
  std::string detail;   // several lines: state before it, what KVM said
};
using VcpuEvent = std::variant<PageFaultEvent, SyscallEvent, ExceptionEvent, InterruptedEvent, FatalEvent>;

// Nanoseconds of CLOCK_MONOTONIC around the last run(), for the time split of the record.
struct RunTimes {
  std::uint64_t entered_ns = 0, left_ns = 0;
};

// The segment bases of user code, which change with the process.
struct SegmentBases {
  std::uint64_t fs = 0, gs = 0;
};

// Bits of the CPU's control registers that change what user code may do. SDM vol. 3A, "Paging-Mode Modifiers".
enum class ControlBit : std::uint8_t { kWriteProtect, kNoExecuteEnable };  // CR0.WP, EFER.NXE

// How a vCPU's own TLB got on with several address spaces. All are zero where the host flushes it
// (shadow paging) or there is none.
struct AddressSpaceLoads {
  std::uint64_t switches = 0;       // asked for; those that are asked back before user code runs load nothing
  std::uint64_t kept = 0;           // loads of tables whose translations were still good
  std::uint64_t flushed = 0;        // loads that dropped the translations that there were
  std::uint64_t page_flushes = 0;   // of what is loaded: a few pages
  std::uint64_t whole_flushes = 0;  // all of it
};

// What a backend can do; tests skip by these, doctor prints them.
struct VcpuCapabilities {
  std::string backend;           // "kvm-pvm", "kvm-vmx", "kvm-svm", "hosted", ...
  bool supervisor_code = false;  // can run code at CPL0
  bool five_level_paging = false;
  bool single_step_by_tf = true;   // RFLAGS.TF in user code gives #DB
  bool precise_exceptions = true;  // every user exception arrives with its vector
  bool whole_user_half = true;     // a mapping may take all of it; else one that takes it all is ENOMEM
  unsigned page_table_steps = 0;   // set_page_table_steps() takes so many
  bool cpuid_as_told = true;       // CPUID in user code is as vmm/port/guest_cpu.hpp has it; else the host's own
};

// Each by its name, with "yes" or "no": what doctor prints, and what scripts ask for.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> describe(const VcpuCapabilities& capabilities);

class Vcpu {
 public:
  virtual ~Vcpu() = default;

  // Runs user code with regs() until the next event. The event's registers are in regs().
  // Error: the host failed (an ioctl), not the guest.
  virtual Result<VcpuEvent> run() = 0;

  // Registers of user code, valid after run(). Reading is free.
  [[nodiscard]] virtual const UserRegs& regs() const = 0;
  // The same to change them; what was changed is in force at the next run().
  virtual UserRegs& edit_regs() = 0;

  [[nodiscard]] virtual Result<std::uint64_t> fs_base() = 0;
  virtual Result<void> set_fs_base(std::uint64_t base) = 0;
  [[nodiscard]] virtual Result<std::uint64_t> gs_base() = 0;
  virtual Result<void> set_gs_base(std::uint64_t base) = 0;

  // x87/SSE/AVX state in the XSAVE standard format (what a signal frame carries).
  // `features` is the XCR0 in force.
  [[nodiscard]] virtual std::size_t xsave_size() const = 0;
  [[nodiscard]] virtual std::uint64_t xsave_features() const = 0;
  virtual Result<void> get_xsave(std::span<std::byte> area) = 0;
  virtual Result<void> set_xsave(std::span<const std::byte> area) = 0;

  // Switches to the page tables whose root is at `root`.
  virtual Result<void> set_page_table(Gpa root) = 0;
  // Another process: its page tables and segment bases at once. Returns the bases that were in
  // force. A backend that can do better than one after the other does.
  virtual Result<SegmentBases> switch_process(Gpa root, SegmentBases bases) {
    const auto fs = fs_base();
    if (!fs) return tl::unexpected(fs.error());
    const auto gs = gs_base();
    if (!gs) return tl::unexpected(gs.error());
    for (const Result<void>& step : {set_page_table(root), set_fs_base(bases.fs), set_gs_base(bases.gs)}) {
      if (!step) return tl::unexpected(step.error());
    }
    return SegmentBases{*fs, *gs};
  }

  // Page tables that user code goes over to by itself, in this order: each INT3 there loads the next
  // ones and goes on behind it, without an event. When none are left INT3 is the exception that it is
  // otherwise. What was left of the last call is forgotten. None of them may end while they stand here.
  // Error: more than capabilities().page_table_steps.
  virtual Result<void> set_page_table_steps(std::span<const Gpa> roots) {
    if (roots.empty()) return {};
    return fail("user code cannot go over to other page tables by itself with this backend");
  }
  // How many of them were loaded. The last of these are the vCPU's page tables now.
  [[nodiscard]] virtual std::size_t page_table_steps_taken() const { return 0; }

  // Sets or clears a control bit, both of which are set at the start. False: not with this backend.
  virtual Result<bool> set_control(ControlBit, bool) { return false; }

  // Makes a run() in progress, or the next one, return InterruptedEvent soon. Callable from
  // any thread and from a signal handler.
  virtual void kick() = 0;

  [[nodiscard]] virtual const RunTimes& last_run() const = 0;
  // The exit that the last run()'s event came of; `entries` is 0 when the guest was not entered.
  [[nodiscard]] virtual RawExit last_exit() const { return {}; }
  [[nodiscard]] virtual const VcpuCapabilities& capabilities() const = 0;
  [[nodiscard]] virtual unsigned index() const = 0;
  [[nodiscard]] virtual AddressSpaceLoads address_space_loads() const { return {}; }
  // What the host counts of this vCPU, as Machine::host_statistics().
  [[nodiscard]] virtual Result<std::vector<HostStatistic>> host_statistics() const {
    return fail("not available: nothing but KVM keeps them");
  }
};

}  // namespace faultline::vmm
