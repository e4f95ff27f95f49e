#include "mmu/pgtable/used_entries.hpp"

#include <atomic>

namespace faultline::mmu {

namespace {
// A cache line at a time: one branch for all of its entries.
constexpr unsigned kTogether = 8;

template <class Entry>
unsigned next_used(std::byte* table, unsigned from, unsigned end) {
  auto* entries = reinterpret_cast<Entry*>(table);
  const auto load = [entries](unsigned i) { return std::atomic_ref(entries[i]).load(std::memory_order_relaxed); };
  unsigned i = from;
  while (i < end) {
    if (i % kTogether == 0 && end - i >= kTogether) {
      Entry any = 0;
      for (unsigned n = 0; n < kTogether; ++n) any |= load(i + n);
      if (any == 0) {
        i += kTogether;
        continue;
      }
    }
    if (load(i) != 0) return i;
    ++i;
  }
  return end;
}
}  // namespace

unsigned next_used_entry(const PhysMemory& memory, Gfn table, unsigned from, unsigned end, PagingMode mode) {
  std::byte* bytes = memory.page(table).data();
  return entry_bytes(mode) == 4 ? next_used<std::uint32_t>(bytes, from, end)
                                : next_used<std::uint64_t>(bytes, from, end);
}

}  // namespace faultline::mmu
