#include "mmu/space/checker_rmap.hpp"

#include <fmt/format.h>

#include "mmu/backing/rmap.hpp"

namespace faultline::mmu {

Contradiction ReverseMapCensus::add(const AddressSpace& mm, const Vma& vma) {
  const auto wrong = [&](const char* what) { return fmt::format("VMA at {:#x} {}", vma.start.raw(), what); };
  if (vma.mm != &mm) return wrong("belongs to another address space");
  if (vma.file_interval.linked() != !vma.anonymous()) return wrong("is linked to no file, or to one it has not");
  if (vma.file_interval.linked() && &vma.file_interval.vma() != &vma) return wrong("is linked to its file as another");
  if (vma.file) ++file_links_[vma.file.get()];
  if ((vma.anon_vma == nullptr) != vma.anon_vma_chain.empty()) return wrong("has an anon_vma or links, not both");
  if (vma.anon_vma == nullptr) return std::nullopt;
  if (!vma.anon_vma_chain.contains(vma.anon_vma)) return wrong("is not linked to its anon_vma");
  ++anon_vmas_[vma.anon_vma].active;
  return add_chain(vma);
}

Contradiction ReverseMapCensus::add_chain(const Vma& vma) {
  const auto wrong = [&](const char* what) { return fmt::format("VMA at {:#x} {}", vma.start.raw(), what); };
  std::unordered_set<const AnonVma*> older;
  for (const auto& link : vma.anon_vma_chain.links()) {
    const AnonVma* const anon_vma = link->anon_vma;
    if (!link->interval.linked() || &link->interval.vma() != &vma) return wrong("is linked to an anon_vma as another");
    if (!older.insert(anon_vma).second) return wrong("is linked to an anon_vma twice");
    if (anon_vma->root != vma.anon_vma->root) return wrong("is linked to anon_vmas of two roots");
    // Or an anon_vma could outlive its parent.
    if (!older.contains(anon_vma->parent)) return wrong("is linked to an anon_vma before its parent");
    ++anon_vmas_[anon_vma].links;
  }
  return std::nullopt;
}

Contradiction ReverseMapCensus::check_anon_vma(const AnonVma& anon_vma, const Seen& seen,
                                               std::uint32_t children) const {
  if (auto broken = anon_vma.vmas.check_invariants()) return "anon_vma: " + *broken;
  if (anon_vma.vmas.size() != seen.links)
    return fmt::format("an anon_vma has {} VMAs in its tree, {} are linked to it", anon_vma.vmas.size(), seen.links);
  if (anon_vma.num_active_vmas != seen.active)
    return fmt::format("an anon_vma counts {} active VMAs, {} use it", anon_vma.num_active_vmas, seen.active);
  if (anon_vma.num_children != children)
    return fmt::format("an anon_vma counts {} children, it has {}", anon_vma.num_children, children);
  if ((anon_vma.root == &anon_vma) != (anon_vma.parent == &anon_vma)) return "an anon_vma is root or parent of itself";
  return std::nullopt;
}

Contradiction ReverseMapCensus::check(const std::unordered_set<const FileMapping*>& files) const {
  std::unordered_map<const AnonVma*, std::uint32_t> children;
  for (const auto& [anon_vma, seen] : anon_vmas_) ++children[anon_vma->parent];
  for (const auto& [anon_vma, seen] : anon_vmas_)
    if (auto wrong = check_anon_vma(*anon_vma, seen, children[anon_vma])) return wrong;
  for (const FileMapping* file : files) {
    if (auto broken = file->mappings().check_invariants()) return "file mapping: " + *broken;
    const auto found = file_links_.find(file);
    const std::size_t links = found == file_links_.end() ? 0 : found->second;
    if (file->mappings().size() != links)
      return fmt::format("a file has {} VMAs in its tree, {} map it", file->mappings().size(), links);
  }
  return std::nullopt;
}

std::int32_t count_reverse_mappings(const FrameAllocator& frames, Gfn frame) {
  std::int32_t found = 0;
  rmap_walk(frames, frame, [&](const MappedAt&) { ++found; });
  return found;
}

}  // namespace faultline::mmu
