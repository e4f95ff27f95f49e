// The monitor area: what the CPU needs below user code, in the first frames of guest RAM.
//
//   frame   what                                    mapped in the supervisor half
//     0     nothing (Gfn(0) means "none")           no
//     1     IDT                                     read-only
//     2     entry stubs (guest/stubs/entry.S)       read-only, executable
//     3     root with entries 256..511              no
//    4-7    the tables below it                     no
//    8..    one page a vCPU: GDT, TSS, stacks       writable
//   then    scratch frames of the sink's self-test  no
//
// The supervisor half maps frame n at kMonitorBase + n pages, U/S=0. It is written before the
// guest runs and never changes, so it needs no coherence sink. Every vCPU has a page of its own;
// all else is shared.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "guest/abi.h"
#include "mmu/arch/paging_mode.hpp"
#include "vmm/kvm/descriptors.hpp"
#include "vmm/ram/guest_ram.hpp"

namespace faultline::vmm::kvm {

inline constexpr unsigned kMaxVcpus = 64;

// First canonical address of the upper half with four levels; canonical with five as well.
inline constexpr Gva kMonitorBase{0xffff'8000'0000'0000ULL};

inline constexpr Gfn kIdtFrame{1};
inline constexpr Gfn kStubFrame{2};
inline constexpr Gfn kKernelHalfFrame{3};
inline constexpr Gfn kFirstVcpuFrame{8};
inline constexpr Gfn kFirstScratchFrame{kFirstVcpuFrame.raw() + kMaxVcpus};
inline constexpr std::uint64_t kScratchFrames = 8;
inline constexpr Gfn kFirstFreeFrame{kFirstScratchFrame.raw() + kScratchFrames};

// Where a frame of the monitor area is seen by supervisor code.
constexpr Gva monitor_address(Gfn frame) { return kMonitorBase + frame.raw() * kPageSize; }
inline constexpr Gva kLstar = monitor_address(kStubFrame) + FL_STUB_SYSCALL;
inline constexpr Gva kResumeStub = monitor_address(kStubFrame) + FL_STUB_RESUME;

// The stub that takes a step (Vcpu::set_page_table_steps), up to its IRETQ.
constexpr bool in_step_stub(Gva rip) {
  return rip >= monitor_address(kStubFrame) + FL_STUB_STEP && rip < monitor_address(kStubFrame) + FL_STUB_END;
}
// True for addresses inside the page of entry stubs.
constexpr bool in_stubs(Gva rip) { return rip.page() == monitor_address(kStubFrame).page(); }

// kFlush can flush and load page tables on the way back to user code, at the cost of three
// instructions more when there is nothing to do.
enum class StubVariant : std::uint8_t { kPlain, kFlush };

// What a stub leaves on its stack: RAX by the stub, the rest by the CPU.
// SDM vol. 3A, "64-Bit Mode Stack Frame".
struct StubFrame {
  std::uint64_t rax, error_code, rip, cs, rflags, rsp, ss;
};
static_assert(sizeof(StubFrame) == 7 * 8);
// Bytes below the top of the stack of the part that IRETQ pops.
inline constexpr std::uint64_t kIretFrameBytes = 5 * 8;

// Writes IDT, stubs and supervisor tables. Before the guest runs.
void build_monitor(const GuestRam& ram, mmu::PagingMode mode, StubVariant variant);
// The two words of the gate of `vector`.
std::array<std::uint64_t, 2> idt_gate(unsigned vector);
// Replaces the stubs. No vCPU may stand in them.
void write_stubs(const GuestRam& ram, StubVariant variant);

// One vCPU's page of the monitor area.
class VcpuArea {
 public:
  VcpuArea(const GuestRam& ram, unsigned vcpu);
  // GDT and TSS fill the beginning of the page; stacks follow.
  static constexpr std::uint64_t kTssOffset = 0x80;
  static constexpr std::size_t kFixedBytes = 0xe8;
  void build() const;
  void write_fixed_part(std::span<std::byte, kFixedBytes> page) const;

  [[nodiscard]] Gva gdt() const { return base_; }
  [[nodiscard]] Gva tss() const { return base_ + kTssOffset; }

  // The frame that the gate of `vector` leaves when it is entered from user code.
  [[nodiscard]] StubFrame& frame(unsigned vector) const;
  // Where RSP points when the stub of `vector` exits.
  [[nodiscard]] Gva frame_address(unsigned vector) const;
  // The stack that CPL0 starts with, and on which every IRETQ frame is built.
  [[nodiscard]] Gva rsp0() const { return base_ + kRsp0Top; }
  // Room for `bytes` below RAX and the IRETQ frame, where the stub finds what it is to invalidate.
  [[nodiscard]] std::span<std::byte> below_frame(std::size_t bytes) const;
  // Values for CR3 that user code steps through; all steps are to be taken. Precondition: at most FL_MAX_STEPS.
  void set_steps(std::span<const std::uint64_t> values) const;
  // How many were.
  [[nodiscard]] std::size_t steps_taken() const;
  [[nodiscard]] bool contains(Gva address) const { return address >= base_ && address - base_ < kPageSize; }

 private:
  static_assert(kTssOffset + kTssBytes == kFixedBytes);
  static constexpr std::uint64_t kRsp0Top = 0x1000;
  static constexpr std::uint64_t kRsp0Bottom = FL_STEP_VALUES + 8 * (FL_MAX_STEPS + 1);
  static std::uint64_t stack_top(unsigned vector);

  std::byte* page_;
  Gva base_;
};

}  // namespace faultline::vmm::kvm
