// Follows do_fault: do_read_fault, do_cow_fault, do_shared_fault, finish_fault (mm/memory.c). The
// lock is kept while a page is read from the file, so a cold page takes one attempt; Linux drops
// it and takes a second one, with the same count in the end.
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

VmFault done(const FileMapping::Fetched& page) {
  return (page.major ? VmFault::kMajor : 0U) | (page.waited ? VmFault::kWaited : 0U);
}

SysResult<FileMapping::Fetched> fetch_page(const FaultContext& f) {
  const Vma& vma = f.vma;
  const bool forward = vma.flags.has(VmFlags::kExec) && f.mm.env().behaviour.exec_readahead;
  return vma.file->fetch({.page = vma.page_index(f.address),
                          .area_first = vma.pgoff,
                          .area_end = vma.pgoff + vma.pages(),
                          .random = vma.flags.has(VmFlags::kRandRead),
                          .sequential = vma.flags.has(VmFlags::kSeqRead),
                          .executable = forward,
                          .huge = vma.flags.has(VmFlags::kHugePage)});
}

// Linux finish_fault for a page of the cache: one reference and one mapping more.
VmFault map_file_page(FaultContext& f, Gfn frame, std::uint64_t extra_bits) {
  if (!f.entry_unchanged()) return VmFault::kNopage;
  const Pte entry = Pte::make(frame, f.vma.page_prot() | extra_bits);
  FL_CHECK(f.editor().install(f.slot, f.address, entry));
  f.mm.frames().get(frame);
  count_mapped(f.mm, frame);
  return {};
}

VmFault do_read_fault(FaultContext& f) {
  f.path.add(FaultStep::kReadFault);
  if (do_fault_around(f)) return {};
  const auto page = fetch_page(f);
  if (!page) return failed(f, page.error());
  if (!f.vma.flags.has(VmFlags::kShared)) {
    if (const VmFault unstable = f.check_stable(); unstable.error()) return unstable;
  }
  // What came along with a cold page is mapped along with it: Linux's second attempt looks around again.
  if ((page->major || page->waited) && do_fault_around(f)) return done(*page);
  return map_file_page(f, page->frame, 0).with(done(*page).raw());
}

// Fills the copy from the file and maps it. The copy is the caller's where this fails.
VmFault finish_cow(FaultContext& f, Gfn copy) {
  const auto page = fetch_page(f);
  if (!page) return failed(f, page.error());
  const PhysMemory& memory = f.mm.frames().memory();
  std::memcpy(memory.page(copy).data(), memory.page(page->frame).data(), kPageSize);
  if (f.log() != nullptr) f.log()->add_copied(page->frame, copy);
  if (const VmFault unstable = f.check_stable(); unstable.error()) return unstable;
  if (!f.entry_unchanged()) return done(*page).with(VmFault::kNopage);
  FL_CHECK(f.editor().install(f.slot, f.address, Pte::make(copy, f.own_page_prot())));
  count_first_mapping(f.mm, copy);
  return done(*page);
}

VmFault do_cow_fault(FaultContext& f) {
  f.path.add(FaultStep::kCowFault);
  const std::optional<Gfn> copy = new_anonymous_frame(f, Zeroing::kNotNeeded);
  if (!copy) return VmFault::kOom;
  const VmFault fault = finish_cow(f, *copy);
  if (fault.any(VmFault::kError | VmFault::kNopage)) f.mm.frames().put(*copy);
  return fault;
}

VmFault do_shared_fault(FaultContext& f) {
  f.path.add(FaultStep::kSharedFault);
  const auto page = fetch_page(f);
  if (!page) return failed(f, page.error());
  const VmFault told = do_page_mkwrite(f);
  if (told.any(VmFault::kError | VmFault::kNopage)) return told;
  return map_file_page(f, page->frame, Pte::kWrite | Pte::kDirty).with(done(*page).raw());
}

}  // namespace

VmFault do_page_mkwrite(FaultContext& f) {
  FileMapping& file = *f.vma.file;
  const Pgoff index = f.vma.page_index(f.address);
  if (file.kind() == FileKind::kRegular) {
    f.path.add(FaultStep::kPageMkwrite);
    if (const auto ready = file.file().page_mkwrite(index); !ready) return failed(f, ready.error());
    // Truncated while the file system was busy: no page of this file any more.
    if (index.raw() >= file.size_in_pages()) {
      f.path.add(FaultStep::kTruncated);
      return VmFault::kNopage;
    }
  }
  file.mark_dirty(index);
  return {};
}

VmFault do_fault(FaultContext& f) {
  if (!f.write()) return do_read_fault(f);
  return f.vma.flags.has(VmFlags::kShared) ? do_shared_fault(f) : do_cow_fault(f);
}

}  // namespace faultline::mmu
