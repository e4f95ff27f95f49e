#include "vmm/fuzz/machine/model_tlb.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "mmu/pgtable/walk.hpp"

namespace faultline::vmm::fuzz {

namespace {
constexpr std::uint64_t kP = 1, kD = 1 << 6;
constexpr Gfn frame_of(std::uint64_t entry) { return Gfn((entry & 0x000f'ffff'ffff'f000ULL) >> kPageShift); }
}  // namespace

const ModelTlb::Page* ModelTlb::find(Gpa root, Vpn page) const {
  const auto at = std::ranges::find_if(pages_, [&](const Page& p) { return p.page == page && p.root == root; });
  return at == pages_.end() ? nullptr : &*at;
}

void ModelTlb::fill(Gpa root, Vpn page, const model::Translation& used, bool stored) {
  const Page cached{.root = root,
                    .page = page,
                    .frame = used.physical.page(),
                    .write = used.write,
                    .execute = used.execute,
                    .dirty = stored || (used.last().entry & kD) != 0};
  if (Page* const known = const_cast<Page*>(find(root, page))) {
    *known = cached;
  } else {
    pages_.push_back(cached);
  }
  for (unsigned i = 0; i + 1 < used.count; ++i) {
    const model::Step& s = used.steps[i];
    const auto is = [&](const Structure& c) { return c.slot == s.slot && c.root == root; };
    if (std::ranges::any_of(structures_, is)) continue;
    const std::uint64_t span = std::uint64_t{1} << (9 * (s.level - 1)), first = page.raw() & ~(span - 1);
    structures_.push_back({root, s.level, first, first + span, s.slot, frame_of(s.entry)});
  }
}

void ModelTlb::drop(Gpa root, Vpn page) {
  std::erase_if(pages_, [&](const Page& p) { return p.page == page && p.root == root; });
}

void ModelTlb::invlpg(Gpa root, Vpn page) {
  drop(root, page);
  std::erase_if(structures_, [&](const Structure& s) { return s.root == root; });
}

mmu::TlbAction ModelTlb::flush(const mmu::TlbBatch& batch) {
  const std::uint64_t first = batch.start.page().raw(), end = page_align(batch.end.raw()) >> kPageShift;
  std::erase_if(pages_,
                [&](const Page& p) { return p.root == batch.root && p.page.raw() >= first && p.page.raw() < end; });
  if (batch.tables_freed) {
    std::erase_if(structures_,
                  [&](const Structure& s) { return s.root == batch.root && s.first < end && s.end > first; });
  }
  return mmu::TlbAction::kGuestFlush;
}

mmu::TlbAction ModelTlb::drop_all() {
  pages_.clear();
  structures_.clear();
  ++drops_;
  return mmu::TlbAction::kFullDrop;
}

std::uint64_t ModelTlb::entry_at(Gpa slot) const {
  std::uint64_t entry = 0;
  std::memcpy(&entry, memory_.at(slot), sizeof entry);
  return entry;
}

std::optional<std::string> ModelTlb::stale() const {
  for (const Structure& s : structures_) {
    const std::uint64_t now = entry_at(s.slot);
    if ((now & kP) == 0 || frame_of(now) != s.table)
      return fmt::format("the table of level {} at {:#x} is gone and was not invalidated", s.level - 1,
                         s.first << kPageShift);
  }
  for (const Page& p : pages_) {
    const mmu::Walk walk = mmu::walk(memory_, p.root.page(), mmu::PagingMode::kFourLevel, Gva(p.page));
    const auto wrong = [&p](std::string_view what) {
      return fmt::format("page {:#x} {} and was not invalidated", Gva(p.page).raw(), what);
    };
    if (!walk.mapped()) return wrong("is not mapped any more");
    if (walk.physical().page() != p.frame) return wrong("has another frame");
    if (p.allows_write() && !walk.last().rights.write) return wrong("is read-only");
    if (p.execute && !walk.last().rights.execute) return wrong("may not be executed");
    if (p.dirty && !walk.last().entry.dirty()) return wrong("is clean");
  }
  return std::nullopt;
}

}  // namespace faultline::vmm::fuzz
