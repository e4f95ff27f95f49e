#include "vmm/kvm/fatal.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>
#include <iterator>

#include "mmu/arch/vector.hpp"
#include "vmm/kvm/exit.hpp"
#include "vmm/kvm/monitor_check.hpp"

namespace faultline::vmm::kvm {
namespace {

using mmu::vector::kDoubleFault, mmu::vector::kPageFault;

class Explanation {
 public:
  explicit Explanation(const FatalContext& context)
      : context_(context),
        area_(context.ram, context.index),
        exit_(decode_exit(context.vcpu.run())),
        now_(context.vcpu.run().s.regs.regs),
        findings_(check_monitor(context.ram, context.mode, context.root, context.index)) {}

  FatalEvent make() {
    FatalEvent event;
    event.summary = summary();
    user_registers();
    pending_event();
    nested_frame();
    current_state();
    monitor();
    stacks();
    event.detail = std::move(text_);
    return event;
  }

 private:
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_ += '\n';
  }

  [[nodiscard]] std::string summary() const {
    std::string text = exception_in_stubs();
    if (text.empty()) text = describe(exit_);
    if (!findings_.empty()) text += "; " + findings_.front();
    return text;
  }

  // An exit through a stub's port that is no event of user code's; empty otherwise.
  [[nodiscard]] std::string exception_in_stubs() const {
    const auto* io = std::get_if<exits::Io>(&exit_);
    if (io == nullptr || io->port < FL_PORT_EXCEPTION || io->port >= FL_PORT_EXCEPTION + FL_VECTORS) return {};
    const unsigned vector = io->port - FL_PORT_EXCEPTION;
    if (vector == kDoubleFault) return "#DF: an exception could not be delivered";
    return fmt::format("{} in supervisor code", vector_name(vector));
  }

  void user_registers() {
    const UserRegs& r = context_.entered_with;
    line("user code was last resumed with");
    line("  rip {:016x} rflags {:08x}", r.rip, r.rflags);
    line("  rax {:016x} rbx {:016x} rcx {:016x} rdx {:016x}", r[UserRegs::kRax], r[UserRegs::kRbx], r[UserRegs::kRcx],
         r[UserRegs::kRdx]);
    line("  rsi {:016x} rdi {:016x} rbp {:016x} rsp {:016x}", r[UserRegs::kRsi], r[UserRegs::kRdi], r[UserRegs::kRbp],
         r[UserRegs::kRsp]);
    line("  r8  {:016x} r9  {:016x} r10 {:016x} r11 {:016x}", r[8], r[9], r[10], r[11]);
    line("  r12 {:016x} r13 {:016x} r14 {:016x} r15 {:016x}", r[12], r[13], r[14], r[15]);
  }

  void pending_event() {
    kvm_vcpu_events events{};
    if (!FL_KVM_IOCTL(context_.vcpu.get(), KVM_GET_VCPU_EVENTS, &events)) return;
    if (events.exception.injected == 0 && events.exception.pending == 0) {
      line("KVM holds no exception any more: the one being delivered cannot be told");
      return;
    }
    line("being delivered: {} error code {:#x}", vector_name(events.exception.nr), events.exception.error_code);
  }

  void current_state() {
    line("the vCPU now (KVM may have reset it): rip {:016x} rsp {:016x} rflags {:08x}", now_.rip, now_.rsp,
         now_.rflags);
    const auto sregs = context_.vcpu.sregs();
    if (!sregs) return;
    line("  cr0 {:x} cr2 {:x} cr3 {:x} cr4 {:x} efer {:x}", sregs->cr0, sregs->cr2, sregs->cr3, sregs->cr4,
         sregs->efer);
    line("  cs {:04x} ss {:04x} tr {:04x} at {:x} gdt {:x}+{:x} idt {:x}+{:x}", sregs->cs.selector, sregs->ss.selector,
         sregs->tr.selector, sregs->tr.base, sregs->gdt.base, sregs->gdt.limit, sregs->idt.base, sregs->idt.limit);
  }

  void monitor() {
    if (findings_.empty()) {
      line("IDT, GDT, TSS, stubs and stacks are sound as far as memory shows");
      return;
    }
    line("what is wrong with the monitor area:");
    for (const std::string& finding : findings_) line("  {}", finding);
  }

  // The frame that the stub which exited was entered with.
  void nested_frame() {
    if (exception_in_stubs().empty() || !area_.contains(Gva(now_.rsp))) return;
    const std::uint64_t offset = Gva(now_.rsp).page_offset();
    if (offset > kPageSize - sizeof(StubFrame)) return;
    StubFrame f{};
    std::memcpy(&f, context_.ram.at(Gpa(kFirstVcpuFrame + context_.index) + offset), sizeof f);
    line("the exception came at rip {:016x} rsp {:016x} rflags {:08x} error code {:#x} cr2 {:016x}", f.rip, f.rsp,
         f.rflags, f.error_code, now_.rax);
  }

  void stacks() {
    for (const unsigned vector : {kPageFault, kDoubleFault}) {
      const StubFrame& f = area_.frame(vector);
      line("stack {} at {:#x}: error code {:#x} rip {:016x} cs {:04x} rflags {:08x} rsp {:016x} ss {:04x}",
           vector == kDoubleFault ? "of #DF" : "RSP0", area_.frame_address(vector).raw(), f.error_code, f.rip, f.cs,
           f.rflags, f.rsp, f.ss);
    }
  }

  const FatalContext& context_;
  VcpuArea area_;
  KvmExit exit_;
  kvm_regs now_;
  std::vector<std::string> findings_;
  std::string text_;
};

}  // namespace

FatalEvent explain_fatal(const FatalContext& context) { return Explanation(context).make(); }

}  // namespace faultline::vmm::kvm
