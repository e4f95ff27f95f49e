#include "mmu/space/address_space.hpp"

#include "mmu/pgtable/gather.hpp"
#include "mmu/space/zap.hpp"

namespace faultline::mmu {

std::unique_ptr<AddressSpace> AddressSpace::create(const MmuEnv& env) {
  auto tables = PageTables::create(env.frames, env.sink, env.mode, env.kernel_half);
  if (!tables) return nullptr;
  tables->set_edit_observer(env.edits);
  std::unique_ptr<AddressSpace> mm(new AddressSpace(env, std::move(tables)));
  mm->mmap_base = mm->task_size();
  mm->allocated_pkeys = env.protection_keys ? 1 : 0;  // key 0 is everybody's
  return mm;
}

AddressSpace::~AddressSpace() {
  TlbGather gather = TlbGather::for_exit(*tables_);
  for (const auto& [start, vma] : vmas) {
    zap_range(*this, vma, vma.start, vma.end, gather);
    if (env_.commit != nullptr && vma.flags.has(VmFlags::kAccount)) env_.commit->committed -= vma.pages();
  }
  tables_->free_tables(Gva(0), task_size(), Gva(0), task_size(), gather);
}

namespace {
// Linux anon_vma_compatible: could these two be one VMA, but for the protection?
bool anon_vma_compatible(const Vma& below, const Vma& above) {
  return below.end == above.start && below.file == above.file &&
         below.flags.without(VmFlags::kProtection | VmFlags::kSticky) ==
             above.flags.without(VmFlags::kProtection | VmFlags::kSticky) &&
         above.pgoff == below.pgoff + below.pages();
}

// Linux reusable_anon_vma: one that no other process knows.
AnonVma* reusable(const Vma* owner, const Vma* below, const Vma* above) {
  if (owner == nullptr || owner->anon_vma == nullptr || !owner->anon_vma_chain.singular()) return nullptr;
  return anon_vma_compatible(*below, *above) ? owner->anon_vma : nullptr;
}
}  // namespace

void AddressSpace::prepare_anon_vma(Vma& vma) {
  if (vma.anon_vma != nullptr) return;
  const Vma* const above = vmas.next(vma);
  AnonVma* mergeable = reusable(above, &vma, above);
  if (mergeable == nullptr) {
    const Vma* const below = vmas.previous(vma);
    mergeable = reusable(below, below, &vma);
  }
  anon_vma_attach(vma, mergeable);
}

}  // namespace faultline::mmu
