// What the kernel puts on the stub's signal stack when guest code is interrupted: struct
// rt_sigframe of x86-64 (arch/x86/include/asm/sigframe.h, uapi <asm/sigcontext.h>).
#pragma once

#include <signal.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace faultline::vmm::hosted {

struct KernelContext {
  std::uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
  std::uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
  std::uint16_t cs, gs, fs, ss;
  std::uint64_t error_code, vector, old_mask, cr2;  // of the last exception of the thread
  std::uint64_t fpstate;                            // address of the XSAVE area
  std::array<std::uint64_t, 8> reserved;
};
static_assert(sizeof(KernelContext) == 256);

struct KernelFrame {
  std::uint64_t return_address;
  std::uint64_t flags, link;
  stack_t stack;
  KernelContext context;
  std::uint64_t signal_mask;
  siginfo_t info;
};
static_assert(offsetof(KernelFrame, info) == 312 && sizeof(KernelFrame) == 440);

// struct _fpx_sw_bytes: bytes 464 to 511 of the XSAVE area of a frame.
struct FrameXsaveNote {
  std::uint32_t magic, extended_size;
  std::uint64_t features;
  std::uint32_t xsave_size;
  std::array<std::uint32_t, 7> padding;
};
inline constexpr std::size_t kXsaveNote = 464;
static_assert(sizeof(FrameXsaveNote) == 48);
inline constexpr std::uint32_t kXsaveNoteMagic = 0x46505853;  // FP_XSTATE_MAGIC1

}  // namespace faultline::vmm::hosted
