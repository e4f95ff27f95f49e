#include "vmm/fuzz/reference/process.hpp"

#include <sys/mman.h>

#include <iterator>

#include "vmm/fuzz/layout.hpp"

namespace faultline::vmm::fuzz::reference {

namespace {

bool anonymous(const Page& page) { return page.traits.object == nullptr; }

void take_own(Process& process, Page& page, Vpn number) {
  prepare_kin(process.pages, number, process.next_kin);
  if (page.own) return;
  const Bytes* const bytes = bytes_of(page);
  page.own = bytes == nullptr ? std::make_shared<Bytes>() : std::make_shared<Bytes>(*bytes);
}

// Linux expand_stack: the area above grows down to `page`, if it is one that does.
bool grow_stack(Process& process, Vpn page) {
  Pages& pages = process.pages;
  const auto above = pages.upper_bound(page);
  if (above == pages.end() || !above->second.traits.grows_down) return false;
  // What is a judge's own is the area above.
  if (page < Gva(kEngineAt).page() && above->first >= Gva(kEngineEnd).page()) return false;
  if (Gva(page).raw() < kMinAddress) return false;
  if (above != pages.begin()) {
    const auto& [below, neighbour] = *std::prev(above);
    const bool keeps_away = !neighbour.traits.grows_down && neighbour.traits.prot != PROT_NONE;
    if (keeps_away && page - (below + 1) < kStackGuardPages) return false;
  }
  const Vpn start = above->first;
  prepare_kin(pages, start, process.next_kin);
  if (area_of(pages, start).end - page > kStackPages || start - page > above->second.index) return false;
  const Page model{above->second.traits, 0, above->second.kin, nullptr, false};
  for (Vpn n = page; n < start; n = n + 1) {
    pages[n] = model;
    pages[n].index = above->second.index - (start - n);
  }
  above->second.seam = false;
  leave_seam(pages, page);
  return true;
}

}  // namespace

bool beyond_object(const Page& page) { return !anonymous(page) && !page.own && !page.traits.object->has(page.index); }

const Bytes* bytes_of(const Page& page) {
  if (page.own) return page.own.get();
  if (anonymous(page)) return nullptr;
  const auto at = page.traits.object->pages.find(page.index);
  return at == page.traits.object->pages.end() ? nullptr : &at->second;
}

bool bring_in(Process& process, Vpn number, Access access) {
  Page& page = process.pages.at(number);
  if (page.guard) return false;
  const bool copies = access == Access::kWrite && !page.traits.shared;
  if (copies) prepare_kin(process.pages, number, process.next_kin);
  if (beyond_object(page)) return false;
  if (copies) take_own(process, page, number);
  return true;
}

Trouble touch(Process& process, std::uint64_t address, Access access) {
  if (address >= kTaskSize) return Trouble::kUnmapped;
  const Vpn number = Gva(address).page();
  if (!process.pages.contains(number) && !grow_stack(process, number)) return Trouble::kUnmapped;
  const Page& page = process.pages.at(number);
  const int prot = page.traits.prot;
  if (prot == PROT_NONE || (access == Access::kWrite && (prot & PROT_WRITE) == 0)) return Trouble::kRefused;
  if (page.guard) return Trouble::kUnmapped;
  if (!bring_in(process, number, access)) return Trouble::kNoObject;
  // A fetch is refused only once the page is there: the kernel does not look at VM_EXEC, the processor does at NX.
  if (access == Access::kExecute && (prot & PROT_EXEC) == 0) return Trouble::kRefused;
  return Trouble::kNone;
}

std::uint8_t load(const Process& process, std::uint64_t address) {
  const Page& page = process.pages.at(Gva(address).page());
  const std::uint64_t offset = address & kPageMask;
  const Bytes* const bytes = bytes_of(page);
  return bytes == nullptr ? 0 : (*bytes)[offset];
}

void store(Process& process, std::uint64_t address, std::uint8_t byte) {
  Page& page = process.pages.at(Gva(address).page());
  const std::uint64_t offset = address & kPageMask;
  if (page.traits.shared) {
    page.traits.object->pages[page.index][offset] = byte;
    return;
  }
  if (page.own.use_count() > 1) page.own = std::make_shared<Bytes>(*page.own);
  (*page.own)[offset] = byte;
}

bool populate(Process& process, Area area) {
  const Traits traits = process.pages.at(area.first).traits;
  if (traits.lock_on_fault) return true;
  if (traits.prot == PROT_NONE) return false;
  const bool writes = !traits.shared && (traits.prot & PROT_WRITE) != 0;
  for (Vpn n = area.first; n < area.end; n = n + 1) {
    if (!bring_in(process, n, writes ? Access::kWrite : Access::kRead)) return false;
  }
  return true;
}

}  // namespace faultline::vmm::fuzz::reference
