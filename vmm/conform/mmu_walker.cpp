#include "mmu/arch/vector.hpp"
#include "mmu/pgtable/pdpte.hpp"
#include "mmu/pgtable/translate.hpp"
#include "vmm/conform/walker.hpp"

namespace faultline::vmm::conform {

vmm::conform::WalkerAnswer mmu_walker(const vmm::conform::WalkerQuestion& q) {
  using mmu::vector::kStackFault, mmu::vector::kGeneralProtection, mmu::vector::kPageFault;
  const model::Controls& c = q.controls;
  mmu::Processor cpu;
  switch (c.paging) {
    case model::Paging::kTwoLevel: cpu.mode = mmu::PagingMode::kTwoLevel; break;
    case model::Paging::kPae: cpu.mode = mmu::PagingMode::kPae; break;
    case model::Paging::kFiveLevel: cpu.mode = mmu::PagingMode::kFiveLevel; break;
    case model::Paging::kNone:
    case model::Paging::kFourLevel: cpu.mode = mmu::PagingMode::kFourLevel; break;
  }
  cpu.paging = {q.cpu.physical_bits, c.nxe, q.cpu.huge_1g, q.cpu.top_global_reserved, c.pse, q.cpu.pse36};
  cpu.protection = {c.wp, c.smep, c.smap, c.pke, c.pks, c.pkru, c.pkrs};
  mmu::ProcessorAccess access;
  access.user = q.user;
  access.implicit = q.implicit;
  access.ac = q.ac;
  access.kind = q.kind == model::Kind::kFetch  ? mmu::AccessKind::kFetch
                : q.kind == model::Kind::kRead ? mmu::AccessKind::kRead
                                               : mmu::AccessKind::kWrite;
  const mmu::PhysMemory memory(q.memory);
  std::optional<mmu::PdpteRegisters> pdptes;
  if (cpu.mode == mmu::PagingMode::kPae) {
    pdptes = mmu::load_pdptes(memory, q.root, cpu.paging);
    if (!pdptes) return {kGeneralProtection, 0, Gpa()};
    cpu.paging.pdptes = &*pdptes;
  }
  if (q.meanwhile != nullptr) {
    const mmu::Walk walk = mmu::walk(memory, q.root, cpu.mode, q.address, cpu.paging);
    (*q.meanwhile)();
    if (walk.mapped() && !mmu::page_fault_of(walk, cpu, access) && mmu::mark_used(memory, walk, access.kind))
      return {0xff, 0, walk.physical()};
  }
  const mmu::Translated t = mmu::translate(memory, q.root, cpu, q.address, access);
  if (t.walk.end == mmu::WalkEnd::kNonCanonical)
    return {q.stack && q.kind != model::Kind::kFetch ? kStackFault : kGeneralProtection, 0, Gpa()};
  if (t.walk.end == mmu::WalkEnd::kOutsideMemory) return {vmm::conform::kOutsideMemory, 0, Gpa()};
  if (t.fault) return {kPageFault, t.fault->raw(), Gpa()};
  return {0xff, 0, t.walk.physical()};
}

}  // namespace faultline::vmm::conform
