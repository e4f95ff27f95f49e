// The frame that a signal handler returns through, byte for byte as the x86-64 kernel lays it
// out (arch/x86/kernel/signal_64.c; <asm/sigcontext.h>, <asm/ucontext.h>):
//
//   high   FP state, XSAVE standard format, FP_XSTATE_MAGIC2 behind it    64-byte aligned
//          siginfo_t                                                       128 bytes
//          ucontext: flags, link, stack, sigcontext, sigmask               304 bytes
//   low    pretcode = sa_restorer                                          rsp; rsp % 16 == 8
#pragma once

#include <array>
#include <cstdint>

#include "mmu/space/address_space.hpp"
#include "vmm/linux_abi/signal_types.hpp"
#include "vmm/port/vcpu.hpp"

namespace faultline::vmm::linux_abi {

struct SigContext {
  std::uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
  std::uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
  std::uint16_t cs, gs, fs, ss;
  std::uint64_t err, trapno, oldmask, cr2;
  std::uint64_t fpstate;
  std::array<std::uint64_t, 8> reserved;
};
static_assert(sizeof(SigContext) == 256);

struct KernelUcontext {
  std::uint64_t flags, link;
  KernelStack stack;
  SigContext mcontext;
  std::uint64_t sigmask;
};
static_assert(sizeof(KernelUcontext) == 304);

struct RtSigframe {
  std::uint64_t pretcode;
  KernelUcontext uc;
  siginfo_t info;
};
static_assert(sizeof(RtSigframe) == 440);

inline constexpr std::uint64_t kUcFpXstate = 1, kUcSigcontextSs = 2, kUcStrictRestoreSs = 4;
inline constexpr std::uint32_t kFpXstateMagic1 = 0x46505853, kFpXstateMagic2 = 0x46505845;
inline constexpr std::size_t kFpxSwReserved = 464;  // struct _fpx_sw_bytes in the FXSAVE area

// What the frame records and how the handler is entered.
struct FrameRequest {
  int signo = 0;
  KernelSigaction action;
  const SignalInfo* signal = nullptr;
  SignalSet saved_mask;   // restored by rt_sigreturn
  KernelStack alternate;  // sigaltstack in force
  SignalInfo::Trap trap;  // REG_TRAPNO, REG_ERR, REG_CR2
};

// Writes the frame and points the registers at the handler. False: no room, bad stack, or no
// restorer; registers are unchanged then.
bool push_signal_frame(mmu::AddressSpace& mm, Vcpu& vcpu, const FrameRequest& request);

struct RestoredFrame {
  SignalSet blocked;
  KernelStack alternate;
};
// rt_sigreturn: takes registers and FP state from the frame at rsp - 8, with the flags that
// user code may not set kept. False: the frame is bad (SIGSEGV).
bool pop_signal_frame(mmu::AddressSpace& mm, Vcpu& vcpu, RestoredFrame& restored);

// AT_MINSIGSTKSZ for an XSAVE area of this size.
std::uint64_t min_signal_stack(std::size_t xsave_size);
// Linux on_sig_stack / sas_ss_flags: SS_ONSTACK, SS_DISABLE or 0.
int alternate_stack_flags(const KernelStack& alternate, std::uint64_t sp);

}  // namespace faultline::vmm::linux_abi
