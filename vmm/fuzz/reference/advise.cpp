// madvise (Linux do_madvise).
#include <sys/mman.h>

#include <cerrno>

#include "vmm/fuzz/around.hpp"
#include "vmm/fuzz/reference/calls.hpp"

namespace faultline::vmm::fuzz::reference {

namespace {

constexpr int kGuardInstall = 102, kGuardRemove = 103;

Vpn page_of(std::uint64_t address) { return Gva(address).page(); }

// Of one page; errors are those that all pages of its VMA give.
std::int64_t drop(Page& page) {
  if (page.traits.locked) return -EINVAL;
  page.own = nullptr;
  return 0;
}

std::int64_t punch_hole(Page& page) {
  if (page.traits.locked || !page.traits.object) return -EINVAL;
  if (!page.traits.shared) return -EACCES;
  page.traits.object->pages.erase(page.index);
  return 0;
}

std::int64_t wipe_on_fork(Page& page) {
  if (page.traits.object) return -EINVAL;
  page.traits.wipe_on_fork = true;
  return 0;
}

std::int64_t install_guard(Process& process, Page& page, Vpn number) {
  if (page.traits.locked) return -EINVAL;
  prepare_kin(process.pages, number, process.next_kin);
  page.own = nullptr;
  page.guard = true;
  return 0;
}

std::int64_t advise_page(Process& process, Vpn number, int advice) {
  Page& page = process.pages.at(number);
  switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL: page.traits.read_ahead = advice; return 0;
    case MADV_DONTNEED: return drop(page);
    case MADV_REMOVE: return punch_hole(page);
    case MADV_DONTFORK: page.traits.dont_fork = true; return 0;
    case MADV_DOFORK: page.traits.dont_fork = false; return 0;
    case MADV_WIPEONFORK: return wipe_on_fork(page);
    case MADV_KEEPONFORK: page.traits.wipe_on_fork = false; return 0;
    case MADV_DONTDUMP: page.traits.dont_dump = true; return 0;
    case MADV_DODUMP: page.traits.dont_dump = false; return 0;
    case kGuardInstall: return install_guard(process, page, number);
    case kGuardRemove: page.guard = false; return 0;
    default: return 0;  // MADV_WILLNEED: nothing that a page map could tell
  }
}

// MADV_POPULATE_*: ends at the first page that cannot be had.
std::int64_t populate_all(Process& process, Vpn first, Vpn end, Access access) {
  const int wanted = access == Access::kWrite ? PROT_WRITE : PROT_READ;
  for (Vpn n = first; n < end; n = n + 1) {
    const auto at = process.pages.find(n);
    if (at == process.pages.end()) return -ENOMEM;
    if ((at->second.traits.prot & wanted) == 0) return -EINVAL;
    if (!bring_in(process, n, access)) return -EFAULT;
  }
  return 0;
}

// Holes are passed over and reported at the end; an error ends it.
std::int64_t advise_all(Process& process, Vpn first, Vpn end, int advice) {
  Vpn next = first;
  bool hole = false;
  for (const Area area : areas_in(process.pages, first, end)) {
    hole = hole || area.first != next;
    const Traits before = process.pages.at(area.first).traits;
    for (Vpn n = area.first; n < area.end; n = n + 1) {
      if (const std::int64_t error = advise_page(process, n, advice); error != 0) return error;
    }
    if (process.pages.at(area.first).traits != before) look_at_borders(process.pages, area);
    next = area.end;
  }
  return hole || next != end ? -ENOMEM : 0;
}

}  // namespace

std::int64_t advise(Process& process, std::uint64_t address, std::uint64_t length, int advice) {
  const std::uint64_t end = address + page_align(length);
  if ((address & kPageMask) != 0 || (length != 0 && page_align(length) == 0) || end < address) return -EINVAL;
  if (end == address) return 0;
  const Vpn first = page_of(address);
  if (advice == kPopulateRead) return populate_all(process, first, page_of(end), Access::kRead);
  if (advice == kPopulateWrite) return populate_all(process, first, page_of(end), Access::kWrite);
  const std::int64_t result = advise_all(process, first, page_of(end), advice);
  settle(process.pages);
  return result;
}

}  // namespace faultline::vmm::fuzz::reference
