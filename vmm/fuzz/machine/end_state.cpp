#include "vmm/fuzz/machine/end_state.hpp"

#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/normalise.hpp"

namespace faultline::vmm::fuzz {

namespace {

using mmu::Pte;

std::uint64_t zero_hash() {
  static const std::uint64_t hash = content_hash(std::vector<std::byte>(kPageSize));
  return hash;
}

// One VMA's pages, in order.
class PageView {
 public:
  PageView(const World& world, const mmu::AddressSpace& mm, const mmu::Vma& vma, SeenProcess& seen)
      : world_(world), mm_(mm), vma_(vma), seen_(seen) {}

  void look() {
    for (std::uint64_t at = vma_.start.raw(); at < vma_.end.raw(); at += kPageSize) look_at(Gva(at));
  }

 private:
  void look_at(Gva at) {
    const mmu::LeafSlot leaf = mmu::find_leaf(mm_.frames().memory(), mm_.tables().root(), mm_.mode(), at);
    const Pte entry = leaf.slot.valid() && leaf.level == 1 ? leaf.slot.load() : Pte();
    const bool mapped = entry.maps_frame(1);
    if (mapped) {
      const bool file = mm_.frames().at(entry.frame()).kind == mmu::FrameKind::kFile;
      seen_.pages.push_back({at.raw(), true, file, entry.accessed(), entry.dirty()});
    }
    if (!vma_.flags.has(mmu::VmFlags::kRead) || entry.kind(1) == mmu::PteKind::kMarker || beyond_file(at)) return;
    seen_.content.push_back({at.raw(), mapped ? frame_hash(entry.frame()) : hash_by_fault(at)});
  }

  [[nodiscard]] bool beyond_file(Gva at) const {
    return !vma_.anonymous() && vma_.page_index(at).raw() >= vma_.file->size_in_pages();
  }

  [[nodiscard]] std::uint64_t frame_hash(Gfn frame) const {
    if (mm_.frames().at(frame).kind == mmu::FrameKind::kZero) return zero_hash();
    return content_hash(mm_.frames().memory().page(frame));
  }

  // What a read would find where nothing is mapped.
  [[nodiscard]] std::uint64_t hash_by_fault(Gva at) const {
    if (vma_.anonymous()) return zero_hash();
    const Pgoff page = vma_.page_index(at);
    if (const auto cached = vma_.file->find(page)) return frame_hash(*cached);
    const FileOperand file = world_.file_of(vma_);
    if (file == FileOperand::kNone) return zero_hash();
    std::array<std::byte, kPageSize> bytes;
    world_.file(file).copy_page(page, bytes);
    return content_hash(bytes);
  }

  const World& world_;
  const mmu::AddressSpace& mm_;
  const mmu::Vma& vma_;
  SeenProcess& seen_;
};

SeenVma seen_vma(const World& world, const mmu::Vma& vma) {
  SeenVma seen{.start = vma.start.raw(), .end = vma.end.raw(), .file = world.file_of(vma)};
  const std::string rights = vma.flags.text();
  std::copy_n(rights.begin(), 4, seen.rights.begin());
  seen.offset = seen.file == FileOperand::kNone ? 0 : vma.pgoff.raw() << kPageShift;
  return seen;
}

}  // namespace

std::vector<SeenProcess> end_state(const World& world, const Processor& processor) {
  std::vector<SeenProcess> processes;
  for (unsigned number = 0; number < kMaxProcesses; ++number) {
    const mmu::AddressSpace* mm = world.process(number);
    if (mm == nullptr) continue;
    SeenProcess& seen = processes.emplace_back();
    seen.number = number;
    for (const auto& [start, vma] : mm->vmas) {
      if (!in_window(start.raw()) || processor.owns(start)) continue;
      seen.vmas.push_back(seen_vma(world, vma));
      PageView(world, *mm, vma, seen).look();
    }
    normalise(seen.vmas);
  }
  return processes;
}

}  // namespace faultline::vmm::fuzz
