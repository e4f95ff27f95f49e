#include <algorithm>
#include <set>

#include "vmm/linux_abi/proc/processes.hpp"
#include "vmm/linux_abi/proc/system_text.hpp"

namespace faultline::vmm::linux_abi::proc {

SystemMemory system_memory(Task& reader) {
  const mmu::FrameAllocator& frames = reader.mm().frames();
  SystemMemory use;
  use.total = frames.total_frames();
  use.free = frames.free_frames();
  for (const auto& [id, mapping] : reader.mm().env().cache.mappings()) {
    use.cached += mapping->cached_pages();
    if (mapping->kind() == mmu::FileKind::kShmem) use.shmem += mapping->cached_pages();
  }
  std::set<const mmu::AddressSpace*> seen;
  for (const int pid : process_ids(reader)) {
    Task* task = find_process(reader, pid);
    if (task == nullptr || !seen.insert(&task->mm()).second) continue;
    const mmu::AddressSpace& mm = task->mm();
    use.tables += mm.tables().tables() + 1;
    use.mapped += mm.rss.total() - static_cast<std::uint64_t>(std::max<std::int64_t>(mm.rss.pages[0], 0));
    use.locked += mm.locked_vm;
    for (const auto& [at, vma] : mm.vmas) use.committed += vma.flags.has(mmu::VmFlags::kAccount) ? vma.pages() : 0;
  }
  use.mapped = std::min(use.mapped, use.cached);
  // What is left is anonymous; one frame is the zero page.
  const std::uint64_t others = use.cached + use.tables + 1, used = frames.used_frames();
  use.anon = used > others ? used - others : 0;
  return use;
}

}  // namespace faultline::vmm::linux_abi::proc
