#include "vmm/linux_abi/signal_frame.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "mmu/space/uaccess.hpp"

namespace faultline::vmm::linux_abi {
namespace {

constexpr std::uint64_t kRedZone = 128;
constexpr std::uint64_t kFpAlign = 64, kMagic2Bytes = 4, kFxsaveBytes = 512, kXsaveHeaderBytes = 64;
constexpr std::uint16_t kUserCs = 0x33, kUserDs = 0x2b;  // __USER_CS, __USER_DS
constexpr std::uint64_t kFlagCf = 1, kFlagPf = 4, kFlagAf = 0x10, kFlagZf = 0x40, kFlagSf = 0x80, kFlagTf = 0x100,
                        kFlagDf = 0x400, kFlagOf = 0x800, kFlagRf = 0x10000, kFlagAc = 0x40000;
// FIX_EFLAGS: what user code may set by itself.
constexpr std::uint64_t kUserFlags =
    kFlagAc | kFlagOf | kFlagDf | kFlagTf | kFlagSf | kFlagZf | kFlagAf | kFlagPf | kFlagCf | kFlagRf;
constexpr std::uint64_t kFpSse = 3;  // XFEATURE_MASK_FPSSE

// struct _fpx_sw_bytes.
struct FpxSwBytes {
  std::uint32_t magic1, extended_size;
  std::uint64_t xfeatures;
  std::uint32_t xstate_size;
  std::array<std::uint32_t, 7> padding;
};
static_assert(sizeof(FpxSwBytes) == 48 && kFpxSwReserved + sizeof(FpxSwBytes) == kFxsaveBytes);

template <class T>
void store(std::vector<std::byte>& area, std::size_t at, const T& value) {
  std::memcpy(area.data() + at, &value, sizeof value);
}
template <class T>
T load(const std::vector<std::byte>& area, std::size_t at) {
  T value;
  std::memcpy(&value, area.data() + at, sizeof value);
  return value;
}

bool on_stack(const KernelStack& s, std::uint64_t sp) { return s.size != 0 && sp > s.sp && sp - s.sp <= s.size; }

struct Placement {
  std::uint64_t frame = 0, fpstate = 0;
};

// Linux get_sigframe. False in `fits`: it would overflow the alternate stack.
std::optional<Placement> place(const FrameRequest& r, std::uint64_t rsp, std::uint64_t fp_bytes) {
  std::uint64_t sp = rsp - kRedZone;
  const bool nested = on_stack(r.alternate, sp);
  bool entering = false;
  if ((r.action.flags & SA_ONSTACK) != 0 && alternate_stack_flags(r.alternate, sp) == 0) {
    sp = r.alternate.sp + r.alternate.size;
    entering = true;
  }
  Placement p;
  sp = (sp - fp_bytes) & ~(kFpAlign - 1);
  p.fpstate = sp;
  sp -= sizeof(RtSigframe);
  p.frame = (sp & ~std::uint64_t{15}) - 8;
  if ((nested || entering) && !on_stack(r.alternate, p.frame)) return std::nullopt;
  return p;
}

SigContext context_of(const UserRegs& regs, const FrameRequest& r, std::uint64_t fpstate) {
  SigContext c{};
  const auto& g = regs.gpr;
  c.r8 = g[8], c.r9 = g[9], c.r10 = g[10], c.r11 = g[11], c.r12 = g[12], c.r13 = g[13], c.r14 = g[14], c.r15 = g[15];
  c.rdi = g[UserRegs::kRdi], c.rsi = g[UserRegs::kRsi], c.rbp = g[UserRegs::kRbp], c.rbx = g[UserRegs::kRbx];
  c.rdx = g[UserRegs::kRdx], c.rax = g[UserRegs::kRax], c.rcx = g[UserRegs::kRcx], c.rsp = g[UserRegs::kRsp];
  c.rip = regs.rip, c.eflags = regs.rflags;
  c.cs = kUserCs, c.ss = kUserDs;
  c.err = r.trap.error_code, c.trapno = r.trap.trapno, c.cr2 = r.trap.cr2.value_or(0);
  c.oldmask = r.saved_mask.raw();
  c.fpstate = fpstate;
  return c;
}

void restore_context(UserRegs& regs, const SigContext& c) {
  auto& g = regs.gpr;
  g[8] = c.r8, g[9] = c.r9, g[10] = c.r10, g[11] = c.r11, g[12] = c.r12, g[13] = c.r13, g[14] = c.r14, g[15] = c.r15;
  g[UserRegs::kRdi] = c.rdi, g[UserRegs::kRsi] = c.rsi, g[UserRegs::kRbp] = c.rbp, g[UserRegs::kRbx] = c.rbx;
  g[UserRegs::kRdx] = c.rdx, g[UserRegs::kRax] = c.rax, g[UserRegs::kRcx] = c.rcx, g[UserRegs::kRsp] = c.rsp;
  regs.rip = c.rip;
  regs.rflags = (regs.rflags & ~kUserFlags) | (c.eflags & kUserFlags);
}

// Linux copy_fpstate_to_sigframe, save_xstate_epilog.
bool write_fpstate(mmu::AddressSpace& mm, Vcpu& vcpu, std::uint64_t at) {
  const std::size_t size = vcpu.xsave_size();
  std::vector<std::byte> area(size + kMagic2Bytes);
  if (!vcpu.get_xsave(std::span(area).first(size))) return false;
  const FpxSwBytes sw{kFpXstateMagic1,
                      static_cast<std::uint32_t>(size + kMagic2Bytes),
                      vcpu.xsave_features(),
                      static_cast<std::uint32_t>(size),
                      {}};
  store(area, kFpxSwReserved, sw);
  store(area, kFxsaveBytes, load<std::uint64_t>(area, kFxsaveBytes) | kFpSse);
  store(area, size, kFpXstateMagic2);
  return mmu::copy_to_user(mm, Gva(at), area) == 0;
}

// What XRSTOR would raise #GP for: reserved MXCSR bits, unknown features, a dirty header.
bool loadable(const std::vector<std::byte>& area, std::uint64_t features) {
  constexpr std::size_t kMxcsr = 24, kMxcsrMask = 28;
  const auto mask = load<std::uint32_t>(area, kMxcsrMask);
  const std::uint32_t allowed = mask != 0 ? mask & 0x2ffff : 0xffbf;
  if ((load<std::uint32_t>(area, kMxcsr) & ~(allowed | 0xffff)) != 0) return false;
  if ((load<std::uint64_t>(area, kFxsaveBytes) & ~features) != 0) return false;
  const std::span header(area.data() + kFxsaveBytes + 8, kXsaveHeaderBytes - 8);
  return std::ranges::all_of(header, [](std::byte b) { return b == std::byte{0}; });
}

// Linux check_xstate_in_sigframe: is what is behind the FXSAVE area an XSAVE area of ours?
bool has_extended(mmu::AddressSpace& mm, const FpxSwBytes& sw, std::uint64_t at, std::size_t size) {
  if (sw.magic1 != kFpXstateMagic1 || sw.xstate_size < kFxsaveBytes + kXsaveHeaderBytes || sw.xstate_size > size ||
      sw.xstate_size > sw.extended_size)
    return false;
  const auto magic2 = at + sw.xstate_size < at ? SysResult<std::uint32_t>(sys_error(EFAULT))
                                               : mmu::get_user<std::uint32_t>(mm, Gva(at + sw.xstate_size));
  return magic2 && *magic2 == kFpXstateMagic2;
}

// Linux fpu__restore_sig.
bool read_fpstate(mmu::AddressSpace& mm, Vcpu& vcpu, std::uint64_t at) {
  const std::size_t size = vcpu.xsave_size();
  std::vector<std::byte> area(size);
  if (at == 0) {  // no FP state: the initial one
    constexpr std::uint16_t kFcw = 0x37f;
    constexpr std::uint32_t kMxcsrInit = 0x1f80;
    store(area, 0, kFcw);
    store(area, 24, kMxcsrInit);
    return vcpu.set_xsave(area).has_value();
  }
  if (mmu::copy_from_user(mm, std::span(area).first(kFxsaveBytes), Gva(at)) != 0) return false;
  const auto sw = load<FpxSwBytes>(area, kFpxSwReserved);
  if (has_extended(mm, sw, at, size)) {
    if (mmu::copy_from_user(mm, std::span(area).first(sw.xstate_size), Gva(at)) != 0) return false;
    const std::uint64_t present = load<std::uint64_t>(area, kFxsaveBytes) & sw.xfeatures;
    store(area, kFxsaveBytes, present);
  } else {
    store(area, kFxsaveBytes, kFpSse);  // x87 and SSE only; the rest goes to its initial state
  }
  std::fill_n(area.begin() + kFpxSwReserved, sizeof(FpxSwBytes), std::byte{0});
  return loadable(area, vcpu.xsave_features()) && vcpu.set_xsave(area).has_value();
}

}  // namespace

int alternate_stack_flags(const KernelStack& alternate, std::uint64_t sp) {
  if (alternate.size == 0) return SS_DISABLE;
  // An SS_AUTODISARM stack is never "in use": entering the handler disarmed it.
  if ((alternate.flags & kSsAutoDisarm) != 0) return 0;
  return on_stack(alternate, sp) ? SS_ONSTACK : 0;
}

std::uint64_t min_signal_stack(std::size_t xsave_size) {
  // init_sigframe_size: the largest frame of any ABI is sigframe_ia32; fregs_state is counted
  // even for 64-bit programs.
  constexpr std::uint64_t kSigframeIa32 = 736, kFregsState = 112;
  const std::uint64_t bytes = kSigframeIa32 + 15 + (kFpAlign - 1) + xsave_size + kMagic2Bytes + kFregsState;
  return (bytes + 15) & ~std::uint64_t{15};
}

bool push_signal_frame(mmu::AddressSpace& mm, Vcpu& vcpu, const FrameRequest& request) {
  const UserRegs before = vcpu.regs();
  if ((request.action.flags & kSaRestorer) == 0 || !is_canonical(Gva(request.action.handler), mm.mode())) return false;
  const auto at = place(request, before[UserRegs::kRsp], vcpu.xsave_size() + kMagic2Bytes);
  if (!at || !write_fpstate(mm, vcpu, at->fpstate)) return false;

  RtSigframe frame{};
  frame.pretcode = request.action.restorer;
  frame.uc.flags = kUcFpXstate | kUcSigcontextSs | kUcStrictRestoreSs;
  frame.uc.stack = request.alternate;
  frame.uc.mcontext = context_of(before, request, at->fpstate);
  frame.uc.sigmask = request.saved_mask.raw();
  frame.info = request.signal->info;
  // Without SA_SIGINFO the kernel leaves what lies in siginfo's place.
  const bool with_info = (request.action.flags & SA_SIGINFO) != 0;
  const auto bytes = std::as_bytes(std::span(&frame, 1)).first(with_info ? sizeof frame : offsetof(RtSigframe, info));
  if (mmu::copy_to_user(mm, Gva(at->frame), bytes) != 0) return false;

  UserRegs& regs = vcpu.edit_regs();
  regs[UserRegs::kRdi] = static_cast<std::uint64_t>(request.signo);
  regs[UserRegs::kRsi] = at->frame + offsetof(RtSigframe, info);
  regs[UserRegs::kRdx] = at->frame + offsetof(RtSigframe, uc);
  regs[UserRegs::kRax] = 0;
  regs[UserRegs::kRsp] = at->frame;
  regs.rip = request.action.handler;
  regs.rflags &= ~(kFlagDf | kFlagRf | kFlagTf);
  return true;
}

bool pop_signal_frame(mmu::AddressSpace& mm, Vcpu& vcpu, RestoredFrame& restored) {
  const std::uint64_t at = vcpu.regs()[UserRegs::kRsp] - 8;
  const auto uc = mmu::get_user<KernelUcontext>(mm, Gva(at + offsetof(RtSigframe, uc)));
  // A return to a non-canonical address faults in the kernel's IRET: SIGSEGV as well.
  if (!uc || !is_canonical(Gva(uc->mcontext.rip), mm.mode())) return false;
  restored.blocked = SignalSet(uc->sigmask) & ~kUnblockable;
  restored.alternate = uc->stack;
  if (!read_fpstate(mm, vcpu, uc->mcontext.fpstate)) return false;
  restore_context(vcpu.edit_regs(), uc->mcontext);
  return true;
}

}  // namespace faultline::vmm::linux_abi
