#include <algorithm>

#include "vmm/linux_abi/proc/process_text.hpp"

namespace faultline::vmm::linux_abi::proc {
namespace {

// Linux mm->exec_vm.
bool is_exec(mmu::VmFlags flags) {
  using F = mmu::VmFlags;
  return flags.has(F::kExec) && !flags.any(F::kWrite | F::kGrowsDown);
}

std::uint64_t of_kind(const mmu::Rss& rss, mmu::RssKind kind) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(rss.pages[static_cast<std::size_t>(kind)], 0));
}

}  // namespace

// Linux task_mem.
MemoryUse memory_use(const mmu::AddressSpace& mm) {
  MemoryUse use;
  use.size = mm.total_vm;
  use.peak = std::max(mm.peak_vm, mm.total_vm);
  use.resident = mm.rss.total();
  use.peak_resident = std::max(mm.rss.high_water, mm.rss.total());
  use.anon = of_kind(mm.rss, mmu::RssKind::kAnon);
  use.file = of_kind(mm.rss, mmu::RssKind::kFile);
  use.shmem = of_kind(mm.rss, mmu::RssKind::kShmem);
  use.data = mm.data_vm;
  use.stack = mm.stack_vm;
  use.locked = mm.locked_vm;
  std::uint64_t executable = 0;
  for (const auto& [at, vma] : mm.vmas) executable += is_exec(vma.flags) ? vma.pages() : 0;
  const std::uint64_t code = page_align(mm.program.end_code.raw()) - (mm.program.start_code.raw() & ~kPageMask);
  use.text = std::min(code >> kPageShift, executable);
  use.libraries = executable - use.text;
  return use;
}

SignalSets signal_sets(const Task& task) {
  SignalSets sets;
  const SignalState& signals = task.signals();
  sets.pending = signals.pending_set().raw();
  sets.blocked = signals.blocked.raw();
  for (const auto& [number, action] : signals.actions) {
    const std::uint64_t bit = std::uint64_t{1} << (number - 1);
    constexpr std::uint64_t kIgnore = 1;  // SIG_IGN; SIG_DFL is below
    if (action.handler == kIgnore) sets.ignored |= bit;
    if (action.handler > kIgnore) sets.caught |= bit;
  }
  return sets;
}

}  // namespace faultline::vmm::linux_abi::proc
