// What a kernel program asks of the host (guest/abi.h, FL_CALL_*).
#include <fmt/format.h>
#include <sys/mman.h>

#include "mmu/space/operations.hpp"
#include "vmm/kernel/guest.hpp"
#include "vmm/kernel/layout.hpp"

namespace faultline::vmm::kernel {

namespace {

using mmu::Pte;

constexpr std::uint64_t kMaxPrint = 64 << 10, kMaxVmallocPages = 4096;

std::uint64_t kernel_flags(std::uint64_t prot) {
  std::uint64_t flags = Pte::kPresent | Pte::kAccessed;
  if ((prot & PROT_WRITE) != 0) flags |= Pte::kWrite | Pte::kDirty;
  if ((prot & PROT_EXEC) == 0) flags |= Pte::kNoExecute;
  return flags;
}

std::int64_t result_of(const SysResult<void>& done) { return done ? 0 : -done.error().value(); }
std::int64_t success(bool done) { return done ? 0 : -EINVAL; }

}  // namespace

Guest::Outcome Guest::serve_call() {
  const UserRegs& regs = vcpu_->state().regs;
  const std::uint64_t number = regs[UserRegs::kRax];
  const std::array arguments = {regs[UserRegs::kRdi], regs[UserRegs::kRsi], regs[UserRegs::kRdx]};
  if (number == FL_CALL_EXIT) return std::optional<End>(Exited{static_cast<int>(arguments[0] & 0xff)});
  if (number == FL_CALL_USER) return enter_user(Gva(arguments[0]), arguments[1]);
  vcpu_->edit().regs[UserRegs::kRax] = static_cast<std::uint64_t>(call(number, arguments));
  return std::nullopt;
}

std::int64_t Guest::call(std::uint64_t number, const std::array<std::uint64_t, 3>& a) {
  switch (number) {
    case FL_CALL_PRINT: return print(Gva(a[0]), a[1]);
    case FL_CALL_TASK:
      if (!Gva(a[0]).checked_add(FL_TASK_BYTES)) return -EINVAL;
      task_ = Gva(a[0]);
      return 0;
    case FL_CALL_MMAP: {
      const int fixed = a[0] != 0 ? MAP_FIXED : 0;
      const auto at = mmu::do_mmap(*mm_, {.address = a[0],
                                          .length = a[1],
                                          .prot = static_cast<int>(a[2]),
                                          .flags = MAP_PRIVATE | MAP_ANONYMOUS | fixed});
      return at ? static_cast<std::int64_t>(at->raw()) : -at.error().value();
    }
    case FL_CALL_MUNMAP: return result_of(mmu::do_munmap(*mm_, a[0], a[1]));
    case FL_CALL_MPROTECT: return result_of(mmu::do_mprotect(*mm_, a[0], a[1], static_cast<int>(a[2])));
    case FL_CALL_VMALLOC: return vmalloc(a[0], a[1]);
    case FL_CALL_VPROTECT: return success(reference_->protect(Gva(a[0]), kernel_flags(a[1])));
    case FL_CALL_UPGRADE: upgrade_ = Upgrade{Gva(a[0]), kernel_flags(a[1])}; return 0;
    case FL_CALL_CORRUPT: return corrupt(Gva(a[0]), static_cast<mmu::Level>(a[1]), a[2]);
    case FL_CALL_DEVICE: return static_cast<std::int64_t>(kDevice.raw());
    case FL_CALL_TRACE: return success(kmmio_->trace(Gva(a[0])));
    case FL_CALL_TRACK: return success(kmemcheck_->track(Gva(a[0])));
    case FL_CALL_PROBE:
      return success(probes_->add(Gva(a[0]), [this, resume = a[1]](const mmu::FaultRequest&) {
        vcpu_->edit().regs.rip = resume;
        return true;
      }));
    case FL_CALL_COUNT: return static_cast<std::int64_t>(count(static_cast<unsigned>(a[0])));
    case FL_CALL_ARGUMENT:
      return a[0] < config_.arguments.size() ? static_cast<std::int64_t>(config_.arguments[a[0]]) : 0;
    case FL_CALL_STACK: return static_cast<std::int64_t>(kStackBottom.raw());
  }
  return -ENOSYS;
}

// Mapped in the reference alone: whoever touches it first takes a fault, and catches up.
std::int64_t Guest::vmalloc(std::uint64_t pages, std::uint64_t prot) {
  if (pages == 0 || pages > kMaxVmallocPages) return -EINVAL;
  const Gva start = vmalloc_next_;
  const Gva end = vmalloc_start(machine_->mode()) + kVmallocBytes;
  if (end - start < (pages + 1) * kPageSize) return -ENOMEM;
  for (std::uint64_t i = 0; i < pages; ++i) {
    if (!map_page(start + i * kPageSize, kernel_flags(prot))) return -ENOMEM;
  }
  vmalloc_next_ = start + (pages + 1) * kPageSize;
  return static_cast<std::int64_t>(start.raw());
}

std::int64_t Guest::print(Gva from, std::uint64_t bytes) {
  std::string text(std::min(bytes, kMaxPrint), '\0');
  text.resize(peek(from, std::as_writable_bytes(std::span(text))));
  if (text.size() < bytes) return -EFAULT;
  if (config_.console) config_.console(text);
  return 0;
}

std::int64_t Guest::corrupt(Gva address, mmu::Level level, std::uint64_t bits) {
  const mmu::Walk walk = mm_->tables().walk(address);
  for (unsigned i = 0; i < walk.count; ++i) {
    const mmu::WalkStep& step = walk.steps[i];
    if (step.level != level || !guard_.corrupt(step.slot, bits)) continue;
    machine_->sink().drop_all();
    return 0;
  }
  return -EINVAL;
}

Guest::Outcome Guest::enter_user(Gva rip, std::uint64_t rsp) {
  const auto more = settle();
  if (!more) return tl::unexpected(more.error());
  if (*more) return serve(**more);
  CpuState& cpu = vcpu_->edit();
  if (kernel_state_ || rip >= mm_->task_size() || Gva(rsp) >= mm_->task_size()) {
    cpu.regs[UserRegs::kRax] = static_cast<std::uint64_t>(-EINVAL);
    return std::nullopt;
  }
  kernel_state_ = cpu;
  cpu = CpuState{.regs = {}, .cs = FL_USER_CS, .ss = FL_USER_SS};
  cpu.regs.rip = rip.raw();
  cpu.regs[UserRegs::kRsp] = rsp;
  return std::nullopt;
}

}  // namespace faultline::vmm::kernel
