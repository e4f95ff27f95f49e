#include "mmu/space/address_space.hpp"

#include "mmu/pgtable/gather.hpp"
#include "mmu/space/zap.hpp"

namespace faultline::mmu {

std::unique_ptr<AddressSpace> AddressSpace::create(const MmuEnv& env) {
  auto tables = PageTables::create(env.frames, env.sink, env.mode, env.kernel_half);
  if (!tables) return nullptr;
  std::unique_ptr<AddressSpace> mm(new AddressSpace(env, std::move(tables)));
  mm->mmap_base = mm->task_size();
  return mm;
}

AddressSpace::~AddressSpace() {
  TlbGather gather(*tables_);
  for (const auto& [start, vma] : vmas) zap_range(*this, vma, vma.start, vma.end, gather);
  gather.flush();
  tables_->free_tables(Gva(0), task_size(), Gva(0), task_size(), gather);
  gather.flush();
}

namespace {
// Linux anon_vma_compatible: could these two be one VMA, but for the protection?
bool anon_vma_compatible(const Vma& below, const Vma& above) {
  return below.end == above.start && below.file == above.file &&
         below.flags.without(VmFlags::kProtection) == above.flags.without(VmFlags::kProtection) &&
         above.pgoff == below.pgoff + below.pages();
}
}  // namespace

void AddressSpace::prepare_anon_vma(Vma& vma) {
  if (vma.anon_vma != 0) return;
  if (const Vma* above = vmas.next(vma); above != nullptr && above->anon_vma != 0 && anon_vma_compatible(vma, *above)) {
    vma.anon_vma = above->anon_vma;
  } else if (const Vma* below = vmas.previous(vma);
             below != nullptr && below->anon_vma != 0 && anon_vma_compatible(*below, vma)) {
    vma.anon_vma = below->anon_vma;
  } else {
    vma.anon_vma = next_anon_vma++;
  }
}

}  // namespace faultline::mmu
