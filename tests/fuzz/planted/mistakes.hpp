// Mistakes to plant in copies of mmu's sources, to be switched on one at a time. Each stands for
// text that must occur exactly once in the file named: an expression, or statements that declare
// nothing. Texts of one file are the same or apart.
#pragma once

#include <string_view>

namespace faultline::test {

enum class PlantedIn : char { kExpression, kStatement };
// Who knows better: the reference, or, where it has no opinion, the Linux underneath.
enum class Against : char { kReference, kLinux };

struct Mistake {
  std::string_view mistake, file;
  PlantedIn in;
  std::string_view from, to;
  Against against = Against::kReference;
};

inline constexpr PlantedIn kE = PlantedIn::kExpression, kS = PlantedIn::kStatement;

inline constexpr Mistake kMistakes[] = {
    // Copy on write.
    {"a page that is shared is reused", "mmu/fault/write_protect.cpp", kE,
     "frame.refcount.load(std::memory_order_relaxed) == 1", "true"},
    {"the copy of a page is not made", "mmu/fault/write_protect.cpp", kS,
     "std::memcpy(memory.page(*fresh).data(), memory.page(old).data(), kPageSize);", ""},
    {"a private page of a file is written in place", "mmu/fault/write_protect.cpp", kE,
     "f.vma.flags.any(VmFlags::kShared | VmFlags::kMayShare)", "(f.vma.file != nullptr)"},
    {"the copy of a page of a file is not made", "mmu/fault/file.cpp", kS,
     "std::memcpy(memory.page(copy).data(), memory.page(page->frame).data(), kPageSize);", ""},
    {"the copy of a page that the file does not have is leaked", "mmu/fault/file.cpp", kS,
     "if (fault.any(VmFault::kError | VmFault::kNopage)) f.mm.frames().put(*copy);", ""},
    {"shared is treated as private", "mmu/fault/file.cpp", kE,
     "f.vma.flags.has(VmFlags::kShared) ? do_shared_fault(f) : do_cow_fault(f)", "do_cow_fault(f)"},
    {"private is treated as shared", "mmu/fault/file.cpp", kE,
     "f.vma.flags.has(VmFlags::kShared) ? do_shared_fault(f) : do_cow_fault(f)", "do_shared_fault(f)"},
    // Zero pages.
    {"the page of zeroes is mapped writable", "mmu/fault/anonymous.cpp", kE, "f.vma.page_prot() | Pte::kSpecial",
     "f.vma.page_prot() | Pte::kSpecial | Pte::kWrite"},
    {"a new page is not zeroed", "mmu/fault/anonymous.cpp", kE, "new_anonymous_frame(f, Zeroing::kNeeded)",
     "new_anonymous_frame(f, Zeroing::kNotNeeded)"},
    {"a page that replaces that of zeroes is not zeroed", "mmu/fault/write_protect.cpp", kE,
     "from_zero ? Zeroing::kNeeded : Zeroing::kNotNeeded", "Zeroing::kNotNeeded"},
    // Flushes.
    {"no flush when a leaf is replaced", "mmu/pgtable/editor.cpp", kS,
     "if (before.present()) gather_.invalidate(va, before.frame(level), level);\n  gather_.flush();",
     "gather_.flush();"},
    {"no flush when an entry is cleared", "mmu/pgtable/editor.cpp", kS,
     "if (before.present()) gather_.invalidate(va, before.frame(level), level);\n  log(slot, va, level, before, "
     "Pte());",
     "log(slot, va, level, before, Pte());"},
    {"no flush when rights are taken away", "mmu/pgtable/editor.cpp", kS,
     "if (!only_widens(current, desired)) gather_.invalidate(va, current.frame(level), level);", ""},
    {"no flush when fork takes W away", "mmu/pgtable/editor.cpp", kS,
     "if (before.present()) gather_.invalidate(va, before.frame(), 1);", ""},
    {"no flush when D is collected", "mmu/pgtable/editor.cpp", kS,
     "if ((current.raw() & mask) != 0 && current.present()) gather_.invalidate(va, current.frame(level), level);", ""},
    {"the flush ends a page early", "mmu/pgtable/gather.cpp", kE, "std::max(end_, start + bytes)",
     "std::max(end_, start + bytes - kPageSize)"},
    // Signals and error codes.
    {"a denied access has the code of a missing mapping", "mmu/fault/ladder.cpp", kE,
     "by_key ? FaultResult::kSegvPkuErr : FaultResult::kSegvAccErr", "FaultResult::kSegvMapErr"},
    {"beyond a file is SIGSEGV", "mmu/fault/ladder.cpp", kE,
     "poisoned ? FaultResult::kBusMceErrAr : FaultResult::kBusAdrErr", "FaultResult::kSegvMapErr"},
    {"the error code of a kernel address has no P", "mmu/fault/fault.cpp", kE,
     "run.request.error.with(ErrorCode::kPresent)", "run.request.error", Against::kLinux},
    // Bounds of VMAs.
    {"an address below a VMA is taken for in it", "mmu/fault/ladder.cpp", kE, "vma != nullptr && vma->start <= address",
     "vma != nullptr"},
    {"the end of a VMA is taken for in it", "mmu/space/vma_set.cpp", kE, "below->second.end > va",
     "below->second.end >= va"},
    {"the offset of the upper part of a split is that of the lower", "mmu/space/vma_set.cpp", kE, "vma.page_index(at)",
     "vma.pgoff"},
    {"the offset stays when a start moves up", "mmu/space/vma_set.cpp", kE,
     "vma.pgoff + (start.page() - vma.start.page())", "vma.pgoff"},
    {"a change is not cut off at its end", "mmu/space/merge.cpp", kE, "middle->end > end", "false"},
    {"areas merge whatever their offsets", "mmu/space/merge.cpp", kE,
     "anon_vma_joins(*below, range) && below->pgoff + below->pages() == range.pgoff", "anon_vma_joins(*below, range)"},
    {"areas merge whatever their rights", "mmu/space/merge.cpp", kE,
     "vma.flags.without(VmFlags::kSticky) != range.flags.without(VmFlags::kSticky) || vma.file.get() != range.file",
     "vma.file.get() != range.file"},
    {"munmap rounds down", "mmu/space/munmap.cpp", kE, "start + page_align(length)",
     "start + (length < kPageSize ? kPageSize : length & ~kPageMask)"},
    {"a table is freed that a neighbour uses", "mmu/pgtable/page_tables.cpp", kE, "base < range.floor", "false"},
    {"MAP_FIXED_NOREPLACE replaces", "mmu/space/mmap.cpp", kE,
     "noreplace && mm.vmas.first_in(plan.start, plan.end) != nullptr", "false"},
    {"a stack grows a page too far", "mmu/space/stack.cpp", kE, "address.page_base()",
     "(vma.start > address ? address.page_base() - kPageSize : address.page_base())"},
    {"a stack grows into its guard gap", "mmu/space/stack.cpp", kE, "start - below->end < mm.limits.stack_guard_gap",
     "false"},
    // mprotect.
    {"mprotect leaves the entries that are there", "mmu/space/mprotect.cpp", kS,
     "change_protection(mm, **changed, start, end, gather);", ""},
    {"mprotect leaves the entry of the last page", "mmu/space/mprotect.cpp", kS,
     "change_protection(mm, **changed, start, end, gather);",
     "change_protection(mm, **changed, start, end - kPageSize, gather);"},
    {"mprotect gives W to pages that are to be copied", "mmu/space/mprotect.cpp", kE,
     "can_change_pte_writable(mm, vma, entry)", "vma.flags.has(VmFlags::kWrite)"},
    {"mprotect passes over holes", "mmu/space/mprotect.cpp", kS,
     "if (vma == nullptr) return sys_error(ENOMEM);  // a hole: what lies before it stays changed",
     "if (vma == nullptr) return {};"},
    // mremap.
    {"mremap loses the last page", "mmu/space/move_tables.cpp", kE, "slot.load().none()",
     "offset + kPageSize >= span.length || slot.load().none()"},
    {"a part that moves has the offset of the whole", "mmu/space/mremap.cpp", kE,
     "untouched ? Pgoff(target.page().raw()) : vma.page_index(Gva(r.address))",
     "untouched ? Pgoff(target.page().raw()) : vma.pgoff"},
    {"a part in the middle of a VMA grows in place", "mmu/space/mremap.cpp", kE,
     "vma.end - Gva(r.address) != r.old_length", "false"},
    // fork.
    {"fork does not write-protect", "mmu/space/fork_pages.cpp", kE, "cow && entry.writable()", "false"},
    {"fork leaves pages to the parent alone", "mmu/space/fork_pages.cpp", kS,
     "if (meta.kind == FrameKind::kAnon) meta.anon_exclusive = false;", ""},
    {"fork leaks a reference", "mmu/space/fork_pages.cpp", kS, "c.parent.frames().get(frame);",
     "c.parent.frames().get(frame); c.parent.frames().get(frame);"},
    {"a child has no guards", "mmu/space/fork_pages.cpp", kE, "SwapEntry::kMarkerPoisoned | SwapEntry::kMarkerGuard",
     "SwapEntry::kMarkerPoisoned"},
    {"MADV_DONTFORK is forgotten", "mmu/space/fork.cpp", kS, "if (vma.flags.has(VmFlags::kDontCopy)) continue;", ""},
    {"a child inherits locks", "mmu/space/fork.cpp", kE, "vma.flags.without(VmFlags::kLocked | VmFlags::kLockOnFault)",
     "vma.flags"},
    // madvise, mlock, guards.
    {"MADV_DONTNEED keeps anonymous pages", "mmu/space/madvise.cpp", kS,
     "zap_range(mm, vma, start, end, gather, ZapMarkers::kKeep);",
     "if (!vma.anonymous()) zap_range(mm, vma, start, end, gather, ZapMarkers::kKeep);"},
    {"MADV_DONTNEED drops guards", "mmu/space/zap.cpp", kE,
     "markers == ZapMarkers::kKeep && slot.load().kind(1) == PteKind::kMarker", "false"},
    {"a guard goes at the first access", "mmu/fault/nonpresent.cpp", kS,
     "if (entry.guard()) {\n    f.path.add(FaultStep::kGuard);\n    return VmFault::kSigsegv;\n  }",
     "if (entry.guard()) { f.editor().clear(f.slot, f.address); return {}; }"},
    {"munlock does nothing", "mmu/space/mlock.cpp", kE, "old.without(kLockFlags).with(lock)",
     "lock == 0 ? old : old.without(kLockFlags).with(lock)"},
    // Files.
    {"an unmapped page is not given back", "mmu/space/zap.cpp", kS, "gather.retire_frame(frame);", ""},
    {"D of an unmapped page is lost", "mmu/space/zap.cpp", kS,
     "if (entry.dirty() && meta.kind == FrameKind::kFile) meta.dirty = true;", ""},
    {"private copies survive a truncation", "mmu/space/zap.cpp", kE, "private_copy && copies == PrivateCopies::kKeep",
     "private_copy"},
    {"a truncation leaves the last page mapped", "mmu/space/zap.cpp", kE, "to - vma.pgoff.raw() + 1",
     "to - vma.pgoff.raw()"},
    {"a truncation leaves the rest of the last page", "mmu/backing/file_mapping.cpp", kE, "tail == 0", "true"},
    {"a truncation leaves a page in the cache", "mmu/backing/file_mapping.cpp", kE,
     "page_align(new_size) >> kPageShift", "(page_align(new_size) >> kPageShift) + 1"},
    {"a file has a page more", "mmu/backing/file_mapping.cpp", kE, "page.raw() >= size_in_pages()",
     "page.raw() > size_in_pages()"},
    {"a hole ends a page early", "mmu/backing/file_mapping.cpp", kE, "last.raw() - first.raw() + 1",
     "last.raw() - first.raw()"},
    {"a dirty page is not written back", "mmu/backing/file_mapping.cpp", kS, "if (!f.dirty) continue;",
     "f.dirty = false; continue;"},
    {"fault-around goes past the end of the file", "mmu/fault/fault_around.cpp", kE,
     "file.find(first_index + (at - first))",
     "file.find(Pgoff(std::min((first_index + (at - first)).raw(), file.size_in_pages() - 1)))"},
    {"fault-around goes past the end of the mapping", "mmu/fault/fault_around.cpp", kE,
     "std::min({first + kWindow, table_end, f.vma.end.page().raw()})", "std::min({first + kWindow, table_end})"},
    {"fault-around maps with W", "mmu/fault/fault_around.cpp", kE, "Pte::make(*frame, f.vma.page_prot())",
     "Pte::make(*frame, f.vma.page_prot() | Pte::kWrite)"},
    // The kernel's own accesses.
    {"a system call writes through a read-only entry", "mmu/fault/gup.cpp", kE,
     "entry.present() && (!write || entry.writable())", "entry.present()"},
    {"msync passes over holes", "mmu/space/msync.cpp", kS, "if (hole) return sys_error(ENOMEM);", ""},
};

}  // namespace faultline::test
