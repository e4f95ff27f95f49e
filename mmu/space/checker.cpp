// Walks every table by itself, and trusts no counter: each is compared with what is found.
#include "mmu/space/checker.hpp"

#include <fmt/format.h>

#include <unordered_set>

#include "mmu/arch/swap_entry.hpp"
#include "mmu/pgtable/used_entries.hpp"
#include "mmu/space/checker_rmap.hpp"
#include "mmu/space/fork_pages.hpp"
#include "mmu/space/mapcount.hpp"

namespace faultline::mmu {

namespace {

// What all address spaces together do to the frames.
struct Census {
  explicit Census(const MmuEnv& e) : env(e), mappings(e.frames.high_water() - e.frames.settled()) {}
  const MmuEnv& env;
  std::vector<std::int32_t> mappings;  // leaves by frame, from the first that is not settled on
  std::unordered_set<Gfn> tables;
  std::unordered_set<const FileMapping*> files;
  ReverseMapCensus reverse_maps;
};

// One address space's walk.
struct SpaceCheck {
  const AddressSpace& mm;
  Census& census;
  Rss rss{};
  std::uint64_t tables = 0;
};

Contradiction check_rights(Pte entry, const Vma& vma, Gva va, PagingMode mode) {
  const auto wrong = [&](const char* what) {
    return fmt::format("entry {} at {:#x} {}, in a VMA {}", entry.describe(1), va.raw(), what, vma.flags.text());
  };
  if (!entry.present()) {
    if (vma.flags.accessible()) return wrong("is PROT_NONE");
    return std::nullopt;
  }
  if (!vma.flags.accessible()) return wrong("is present");
  if (!entry.user()) return wrong("lacks U");
  if (entry.writable() && !vma.flags.has(VmFlags::kWrite)) return wrong("is writable");
  if (has_nx(mode) && !entry.no_execute() && !vma.flags.has(VmFlags::kExec)) return wrong("is executable");
  return std::nullopt;
}

Contradiction check_anonymous(const Frame& frame, Pte entry, const Vma& vma, Gva va) {
  if (vma.flags.has(VmFlags::kShared)) return fmt::format("anonymous page at {:#x} in a shared mapping", va.raw());
  if (vma.anon_vma == nullptr) return fmt::format("anonymous page at {:#x} in a VMA that never had one", va.raw());
  if (!vma.anon_vma_chain.contains(frame.anon_vma()))
    return fmt::format("anonymous page at {:#x} belongs to an anon_vma that its VMA is not linked to", va.raw());
  if (frame.index != vma.page_index(va).raw())
    return fmt::format("anonymous page at {:#x} has index {:#x}, not {:#x}", va.raw(), frame.index,
                       vma.page_index(va).raw());
  if (entry.writable() && !frame.anon_exclusive)
    return fmt::format("anonymous page at {:#x} is writable and not exclusive", va.raw());
  return std::nullopt;
}

Contradiction check_file_page(const Frame& frame, Pte entry, const Vma& vma, Gva va) {
  if (frame.mapping() != vma.file.get() || vma.anonymous())
    return fmt::format("page at {:#x} belongs to another file than its VMA", va.raw());
  if (frame.index != vma.page_index(va).raw())
    return fmt::format("file page at {:#x} has index {:#x}, not {:#x}", va.raw(), frame.index,
                       vma.page_index(va).raw());
  if (entry.writable() && !vma.flags.has(VmFlags::kShared))
    return fmt::format("file page at {:#x} is writable in a private mapping", va.raw());
  return std::nullopt;
}

// A guard or poison, which a fork must copy; or a page that is on its way.
Contradiction check_nonpresent(const Vma& vma, Pte entry, Gva va) {
  const SwapEntry swap(entry);
  const bool guard_or_poison =
      swap.marker() && (swap.offset() & (SwapEntry::kMarkerGuard | SwapEntry::kMarkerPoisoned)) != 0;
  if (guard_or_poison && !vma_needs_copy(vma))
    return fmt::format("entry {} at {:#x} in a VMA whose tables a fork does not copy", entry.describe(1), va.raw());
  if (guard_or_poison || swap.migration()) return std::nullopt;
  return fmt::format("entry {} at {:#x} means nothing", entry.describe(1), va.raw());
}

Contradiction check_leaf(SpaceCheck& check, Pte entry, Gva va) {
  const Vma* vma = check.mm.vmas.lookup(va);
  if (vma == nullptr) return fmt::format("entry {} at {:#x} outside any VMA", entry.describe(1), va.raw());
  if (!entry.maps_frame(1)) return check_nonpresent(*vma, entry, va);
  if (auto wrong = check_rights(entry, *vma, va, check.mm.mode())) return wrong;
  const Gfn gfn = entry.frame();
  if (gfn >= check.mm.frames().high_water() || !check.mm.frames().memory().contains(gfn))
    return fmt::format("frame {:#x} is outside memory", gfn.raw());
  if (entry.special()) {
    if (gfn != check.census.env.zero_frame || entry.writable())
      return fmt::format("special entry {} at {:#x} is not the zero page", entry.describe(1), va.raw());
    return std::nullopt;
  }
  const Frame& frame = check.mm.frames().at(gfn);
  if (frame.kind != FrameKind::kAnon && frame.kind != FrameKind::kFile)
    return fmt::format("frame {:#x} is mapped at {:#x} and is neither anonymous nor a file's", gfn.raw(), va.raw());
  if (gfn >= check.mm.frames().settled()) ++check.census.mappings[gfn - check.mm.frames().settled()];
  check.rss.add(rss_kind(frame), 1);
  return frame.kind == FrameKind::kAnon ? check_anonymous(frame, entry, *vma, va)
                                        : check_file_page(frame, entry, *vma, va);
}

// The table in `gfn`, whose entries are of `level` and span from `base`.
Contradiction check_table(SpaceCheck& check, Gfn gfn, Level level, Gva base) {
  const PhysMemory& memory = check.mm.frames().memory();
  const bool root = level == levels(check.mm.mode());
  if (!memory.contains(gfn)) return fmt::format("table {:#x} is outside memory", gfn.raw());
  if (check.mm.frames().at(gfn).kind != FrameKind::kTable)
    return fmt::format("table {:#x} is not marked as one", gfn.raw());
  if (!check.census.tables.insert(gfn).second) return fmt::format("table {:#x} is linked twice", gfn.raw());
  const PagingMode mode = check.mm.mode();
  const std::uint64_t span = level_span(level, mode);
  const unsigned entries = root ? user_entries(mode) : entries_per_table(level, mode);
  for (unsigned i = 0; (i = next_used_entry(memory, gfn, i, entries, mode)) < entries; ++i) {
    const Pte entry = PteSlot(memory, gfn, i, mode).load();
    const Gva va = base + i * span;
    if (level == 1) {
      if (auto wrong = check_leaf(check, entry, va)) return wrong;
      continue;
    }
    if (entry.kind(level) != PteKind::kTable)
      return fmt::format("entry {} of level {} at {:#x} is no table", entry.describe(level), level, va.raw());
    ++check.tables;
    const Vma* vma = check.mm.vmas.find(va);
    if (vma == nullptr || vma->start >= va + span)
      return fmt::format("table {:#x} at {:#x} serves no VMA", entry.frame(level).raw(), va.raw());
    if (auto wrong = check_table(check, entry.frame(level), level - 1, va)) return wrong;
  }
  return std::nullopt;
}

// The VMA counters, from an empty address space's.
Contradiction check_counters(const AddressSpace& mm) {
  std::uint64_t total = 0, data = 0, stack = 0, locked = 0;
  for (const auto& [start, vma] : mm.vmas) {
    total += vma.pages();
    const bool grows = vma.flags.has(VmFlags::kGrowsDown);
    const bool writable = vma.flags.has(VmFlags::kWrite);
    if (vma.flags.has(VmFlags::kLocked)) locked += vma.pages();
    if (grows) stack += vma.pages();
    if (!grows && writable && !vma.flags.has(VmFlags::kShared)) data += vma.pages();
  }
  if (total != mm.total_vm) return fmt::format("total_vm is {}, the VMAs have {} pages", mm.total_vm, total);
  if (data != mm.data_vm) return fmt::format("data_vm is {}, the VMAs have {} pages", mm.data_vm, data);
  if (stack != mm.stack_vm) return fmt::format("stack_vm is {}, the VMAs have {} pages", mm.stack_vm, stack);
  // MREMAP_DONTUNMAP unlocks its source without counting it down, as Linux does.
  if (locked > mm.locked_vm) return fmt::format("locked_vm is {}, the VMAs have {} pages", mm.locked_vm, locked);
  return std::nullopt;
}

Contradiction check_space(const AddressSpace& mm, Census& census) {
  if (auto wrong = mm.vmas.check_invariants()) return wrong;
  if (mm.vmas.size() != 0 && std::prev(mm.vmas.end())->second.end > mm.task_size()) return "a VMA beyond TASK_SIZE";
  SpaceCheck check{.mm = mm, .census = census};
  if (auto wrong = check_table(check, mm.tables().root(), levels(mm.mode()), Gva(0))) return wrong;
  if (check.tables != mm.tables().tables())
    return fmt::format("{} tables are linked, {} are counted", check.tables, mm.tables().tables());
  for (std::size_t kind = 0; kind < check.rss.pages.size(); ++kind)
    if (check.rss.pages[kind] != mm.rss.pages[kind])
      return fmt::format("RSS kind {} is {}, {} pages are mapped", kind, mm.rss.pages[kind], check.rss.pages[kind]);
  for (const auto& [start, vma] : mm.vmas) {
    if (vma.file) census.files.insert(vma.file.get());
    if (auto wrong = census.reverse_maps.add(mm, vma)) return wrong;
  }
  return check_counters(mm);
}

// Every frame that was ever handed out, but those that are settled, against what was found.
Contradiction check_frames(const Census& census) {
  const FrameAllocator& frames = census.env.frames;
  std::uint64_t used = frames.settled() - frames.first();
  for (Gfn gfn = frames.settled(); gfn < frames.high_water(); gfn = gfn + 1) {
    const Frame& frame = frames.at(gfn);
    const std::int32_t references = frame.refcount.load(std::memory_order_relaxed);
    const std::int32_t mapped = census.mappings[gfn - frames.settled()];
    if (references == 0) {
      if (mapped != 0) return fmt::format("frame {:#x} is free and mapped", gfn.raw());
      continue;
    }
    ++used;
    if (frame.mapcount.load(std::memory_order_relaxed) != mapped)
      return fmt::format("frame {:#x} has map count {}, {} entries map it", gfn.raw(),
                         frame.mapcount.load(std::memory_order_relaxed), mapped);
    const bool cached = frame.kind == FrameKind::kFile && census.files.contains(frame.mapping());
    if (frame.kind == FrameKind::kFile && !cached)
      return fmt::format("frame {:#x} belongs to a file that is gone", gfn.raw());
    const bool counted = frame.kind == FrameKind::kAnon || cached;
    if (counted && references != mapped + (cached ? 1 : 0))
      return fmt::format("frame {:#x} has {} references and {} mappings", gfn.raw(), references, mapped);
    if (frame.kind == FrameKind::kAnon && frame.anon_exclusive && mapped > 1)
      return fmt::format("frame {:#x} is exclusive and mapped {} times", gfn.raw(), mapped);
    if (mapped != 0) {
      const std::int32_t found = count_reverse_mappings(frames, gfn);
      if (found != mapped)
        return fmt::format("frame {:#x} is mapped {} times, its reverse map finds {}", gfn.raw(), mapped, found);
    }
  }
  if (used != frames.used_frames())
    return fmt::format("{} frames are used, {} are counted", used, frames.used_frames());
  return frames.check_invariants();
}

Contradiction check_files(const Census& census) {
  for (const FileMapping* file : census.files) {
    for (const auto& [page, gfn] : file->pages()) {
      const Frame& frame = census.env.frames.at(gfn);
      if (frame.kind != FrameKind::kFile || frame.mapping() != file || frame.index != page.raw())
        return fmt::format("cached page {:#x} is not what its frame {:#x} says", page.raw(), gfn.raw());
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> check_invariants(const MmuEnv& env, std::span<const AddressSpace* const> spaces) {
  Census census(env);
  for (const auto& [id, file] : env.cache.mappings()) census.files.insert(file.get());
  for (const AddressSpace* mm : spaces)
    if (auto wrong = check_space(*mm, census)) return wrong;
  if (auto wrong = check_files(census)) return wrong;
  if (auto wrong = census.reverse_maps.check(census.files)) return wrong;
  return check_frames(census);
}

}  // namespace faultline::mmu
