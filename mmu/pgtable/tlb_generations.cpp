#include "mmu/pgtable/tlb_generations.hpp"

namespace faultline::mmu {

namespace {
constexpr bool in_kernel_half(Gva address) { return address.raw() >> 63 != 0; }
}  // namespace

TlbContext TlbGenerations::of(Gpa root) {
  const auto [it, is_new] = spaces_.try_emplace(root);
  Space& space = it->second;
  if (is_new) space.id = ++last_id_;
  return {space.id, space.generation, kernel_};
}

bool TlbGenerations::lives(Gpa root, std::uint64_t id) const {
  const auto it = spaces_.find(root);
  return it != spaces_.end() && it->second.id == id;
}

void TlbGenerations::flush(const TlbBatch& batch) {
  if (batch.end > batch.start && in_kernel_half(batch.end - 1)) {
    ++kernel_;
  }
  // One that is not known was never in use.
  const auto it = spaces_.find(batch.root);
  if (it == spaces_.end()) return;
  Stale stale{batch.start.page_base(), 0};
  if (!batch.tables_freed && batch.end > batch.start) stale.pages = (batch.end - 1).page() - batch.start.page() + 1;
  Space& space = it->second;
  space.steps[++space.generation % kHistory] = stale;
}

void TlbGenerations::end(Gpa root) { spaces_.erase(root); }

void TlbGenerations::end_all() {
  spaces_.clear();
  ++kernel_;
}

std::optional<std::vector<Gva>> TlbGenerations::stale_since(Gpa root, std::uint64_t generation) const {
  const auto it = spaces_.find(root);
  if (it == spaces_.end() || it->second.generation - generation > kHistory) return std::nullopt;
  const Space& space = it->second;
  std::vector<Gva> pages;
  for (std::uint64_t g = generation + 1; g <= space.generation; ++g) {
    const Stale& stale = space.steps[g % kHistory];
    if (stale.pages == 0 || stale.pages > kMaxPages - pages.size()) return std::nullopt;
    for (std::uint64_t i = 0; i < stale.pages; ++i) pages.push_back(stale.start + i * kPageSize);
  }
  return pages;
}

}  // namespace faultline::mmu
