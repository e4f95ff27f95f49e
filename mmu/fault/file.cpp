// Follows do_fault: do_read_fault, do_cow_fault, do_shared_fault, finish_fault (mm/memory.c).
#include <cstring>

#include "mmu/fault/context.hpp"

namespace faultline::mmu {

namespace {

VmFault failed(FaultContext& f, Errno error) {
  if (error.value() == ENOMEM) {
    f.path.add(FaultStep::kOutOfMemory);
    return VmFault::kOom;
  }
  f.path.add(FaultStep::kBeyondFile);
  return VmFault::kSigbus;
}

// Linux finish_fault for a page of the cache: one reference and one mapping more.
void map_file_page(FaultContext& f, Gfn frame, std::uint64_t extra_bits) {
  const Pte entry = Pte::make(frame, f.vma.page_prot() | extra_bits);
  if (!f.editor().install(f.slot, f.address, entry)) {
    f.path.add(FaultStep::kRaced);
    return;
  }
  f.mm.frames().get(frame);
  count_mapped(f.mm, frame);
}

VmFault do_read_fault(FaultContext& f) {
  f.path.add(FaultStep::kReadFault);
  if (do_fault_around(f)) return VmFault();
  const auto page = f.vma.file->fetch(f.vma.page_index(f.address));
  if (!page) return failed(f, page.error());
  map_file_page(f, page->frame, 0);
  return page->major ? VmFault(VmFault::kMajor) : VmFault();
}

VmFault do_cow_fault(FaultContext& f) {
  f.path.add(FaultStep::kCowFault);
  f.mm.prepare_anon_vma(f.vma);  // even where the file has no page: later merges show it
  const auto page = f.vma.file->fetch(f.vma.page_index(f.address));
  if (!page) return failed(f, page.error());
  const std::optional<Gfn> copy = new_anonymous_frame(f, Zeroing::kNotNeeded);
  if (!copy) return VmFault::kOom;
  const PhysMemory& memory = f.mm.frames().memory();
  std::memcpy(memory.page(*copy).data(), memory.page(page->frame).data(), kPageSize);
  if (f.log() != nullptr) f.log()->add_copied(page->frame, *copy);
  const Pte entry = Pte::make(*copy, f.vma.page_prot() | Pte::kDirty | Pte::kWrite);
  if (f.editor().install(f.slot, f.address, entry)) {
    count_first_mapping(f.mm, *copy);
  } else {
    f.path.add(FaultStep::kRaced);
    f.mm.frames().put(*copy);
  }
  return page->major ? VmFault(VmFault::kMajor) : VmFault();
}

VmFault do_shared_fault(FaultContext& f) {
  f.path.add(FaultStep::kSharedFault);
  const Pgoff index = f.vma.page_index(f.address);
  const auto page = f.vma.file->fetch(index);
  if (!page) return failed(f, page.error());
  if (f.vma.file->kind() == FileKind::kRegular) f.path.add(FaultStep::kPageMkwrite);
  f.vma.file->mark_dirty(index);
  map_file_page(f, page->frame, Pte::kWrite | Pte::kDirty);
  return page->major ? VmFault(VmFault::kMajor) : VmFault();
}

}  // namespace

VmFault do_fault(FaultContext& f) {
  if (!f.write) return do_read_fault(f);
  return f.vma.flags.has(VmFlags::kShared) ? do_shared_fault(f) : do_cow_fault(f);
}

}  // namespace faultline::mmu
