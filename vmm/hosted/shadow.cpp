#include "vmm/hosted/shadow.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>

namespace faultline::vmm::hosted {
namespace {

using mmu::Pte;

// Neighbours that are mapped ahead: as many as Linux's fault-around brings in (64 KiB).
constexpr std::uint64_t kWindowPages = 16;
// Mappings that one fault can add: every page of the window on its own, and splits at both ends.
constexpr std::size_t kRoomForOneFault = kWindowPages + 2;

Protection protection_of(Pte leaf, const mmu::Rights& rights) {
  Protection p = PROT_READ;
  if (rights.write && leaf.dirty()) p |= PROT_WRITE;
  if (rights.execute) p |= PROT_EXEC;
  return p;
}

// The CPU's own write to an entry, which PteSlot's users reckon with: sets bits if the entry is
// still as the walk found it.
void set_by_walker(const mmu::PhysMemory& memory, const mmu::WalkStep& step, std::uint64_t bits) {
  auto* entry = reinterpret_cast<std::uint64_t*>(memory.at(step.slot));
  std::uint64_t expected = step.entry.raw();
  std::atomic_ref(*entry).compare_exchange_strong(expected, expected | bits, std::memory_order_acq_rel);
}

}  // namespace

Shadow::Answer Shadow::resolve(Gva address, mmu::ErrorCode error) {
  const mmu::Walk walk = mmu::walk(memory_, root_, kMode, address);
  switch (walk.end) {
    case mmu::WalkEnd::kMapped: break;
    case mmu::WalkEnd::kReservedBit:
    case mmu::WalkEnd::kOutsideMemory: return Answer::kReserved;  // the address is wider than this CPU's
    case mmu::WalkEnd::kNotPresent:
    case mmu::WalkEnd::kNonCanonical: return Answer::kNotPresent;
  }
  if (!memory_.contains(walk.physical().page())) return Answer::kReserved;
  const mmu::Rights& rights = walk.last().rights;
  if (!rights.user || (error.write() && !rights.write) || (error.fetch() && !rights.execute))
    return Answer::kProtection;
  if (stub_.place().contains(address)) return Answer::kCollision;
  mark(walk, error.write());
  map_around(mmu::walk(memory_, root_, kMode, address));
  return Answer::kMapped;
}

std::size_t Shadow::read(Gva from, std::span<std::byte> to) const {
  std::size_t done = 0;
  while (done < to.size()) {
    const std::uint64_t at = from.raw() + done;
    const mmu::Walk walk = mmu::walk(memory_, root_, kMode, Gva(at));
    if (!walk.mapped() || !memory_.contains(walk.physical().page())) break;
    const std::size_t offset = at & kPageMask;
    const std::size_t bytes = std::min(to.size() - done, kPageSize - offset);
    std::ranges::copy(memory_.page(walk.physical().page()).subspan(offset, bytes), to.data() + done);
    done += bytes;
  }
  return done;
}

void Shadow::mark(const mmu::Walk& walk, bool write) {
  for (unsigned i = 0; i < walk.count; ++i) {
    const mmu::WalkStep& step = walk.steps[i];
    const bool leaf = i + 1 == walk.count;
    const std::uint64_t bits = Pte::kAccessed | (leaf && write ? Pte::kDirty : 0);
    if (!step.entry.has(bits)) set_by_walker(memory_, step, bits);
  }
}

// Maps the page of the walk, and those of its window that the CPU could have in its TLB by now
// just as well: their Accessed bit is set. A huge leaf is mapped by windows, too.
void Shadow::map_around(const mmu::Walk& walk) {
  const mmu::WalkStep& leaf = walk.last();
  const std::uint64_t page = walk.address.page().raw();
  const std::uint64_t window = page & ~(kWindowPages - 1);
  make_room();
  if (leaf.level > 1) {
    const Gfn frame = walk.physical().page() - (page - window);
    map({Vpn(window), kWindowPages}, frame, protection_of(leaf.entry, leaf.rights));
    return;
  }
  const mmu::Rights above = walk.steps[walk.count - 2].rights;
  Mappings::Pages run;
  Gfn run_frame;
  Protection run_protection = 0;
  for (std::uint64_t p = window; p < window + kWindowPages; ++p) {
    const Gva at{Vpn(p)};
    const Pte entry = mmu::PteSlot(memory_, leaf.slot.page(), mmu::table_index(at, 1)).load();
    const bool usable = entry.has(Pte::kPresent | Pte::kUser | Pte::kAccessed) && memory_.contains(entry.frame()) &&
                        mmu::reserved_bits(entry, 1, 52) == 0 && !stub_.place().contains(at);
    if (!usable) continue;
    const Protection protection =
        protection_of(entry, {above.write && entry.writable(), above.user, above.execute && !entry.no_execute()});
    if (p != page && mappings_.has(Vpn(p), entry.frame(), protection)) continue;
    if (run.count != 0 && p == run.first.raw() + run.count && entry.frame() == run_frame + run.count &&
        protection == run_protection) {
      ++run.count;
      continue;
    }
    map(run, run_frame, run_protection);
    run = {Vpn(p), 1};
    run_frame = entry.frame();
    run_protection = protection;
  }
  map(run, run_frame, run_protection);
}

void Shadow::map(Mappings::Pages pages, Gfn frame, Protection protection) {
  if (pages.count == 0) return;
  mappings_.add(pages, frame, protection);
  stub_.map(Gva(pages.first), pages.count * kPageSize, Gpa(frame), protection, true);
  ++statistics_.mapped;
}

void Shadow::make_room() {
  if (mappings_.count() + kRoomForOneFault <= limit_) return;
  for (const Mappings::Pages& old : mappings_.take_older_half())
    stub_.unmap(Gva(old.first), Gva(old.first) + old.count * kPageSize);
  ++statistics_.evictions;
}

void Shadow::set_root(Gfn root) {
  if (root == root_) return;
  root_ = root;
  drop_all();
}

void Shadow::flush(Gva start, Gva end) {
  start = std::min(start.page_base(), kMappableEnd);
  end = std::min(end, kMappableEnd);
  if (start < end && mappings_.remove(start.page(), Gva(page_align(end.raw())).page())) stub_.unmap(start, end);
}

void Shadow::drop_all() {
  if (mappings_.count() == 0) return;
  mappings_.clear();
  stub_.unmap_all();
}

}  // namespace faultline::vmm::hosted
