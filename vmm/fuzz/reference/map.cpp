// mmap, munmap and mprotect (Linux do_mmap, do_vmi_munmap, do_mprotect_pkey).
#include <sys/mman.h>

#include <cerrno>

#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/reference/calls.hpp"

namespace faultline::vmm::fuzz::reference {

namespace {

Vpn page_of(std::uint64_t address) { return Gva(address).page(); }

bool any_mapped(const Pages& pages, Vpn first, Vpn end) {
  const auto at = pages.lower_bound(first);
  return at != pages.end() && at->first < end;
}

// Linux __get_unmapped_area for an exact address. An address in the last 4095 bytes looks like an error code to it.
std::int64_t check_place(std::uint64_t address, std::uint64_t length) {
  if (length > kTaskSize) return -ENOMEM;
  if (address >= static_cast<std::uint64_t>(-4095)) return static_cast<std::int64_t>(address);
  if (address > kTaskSize - length) return -ENOMEM;
  if ((address & kPageMask) != 0) return -EINVAL;
  return address < kMinAddress ? -EPERM : 0;
}

Traits traits_of(const MapCall& call) {
  Traits traits;
  traits.prot = static_cast<std::uint8_t>(call.prot);
  traits.shared = (call.flags & kMapShared) != 0;
  traits.object = call.object;
  traits.grows_down = (call.flags & kMapGrowsDown) != 0;
  traits.locked = (call.flags & kMapLocked) != 0;
  traits.no_reserve = (call.flags & kMapNoReserve) != 0;
  traits.accounted = !traits.shared && !traits.no_reserve && (call.prot & PROT_WRITE) != 0;
  return traits;
}

}  // namespace

std::int64_t map(Process& process, const MapCall& call) {
  if (call.length == 0) return -EINVAL;
  const std::uint64_t length = page_align(call.length);
  if (length == 0) return -ENOMEM;
  if (const std::int64_t error = check_place(call.address, length); error != 0) return error;
  const Area area{page_of(call.address), page_of(call.address + length)};
  if ((call.flags & kMapNoReplace) != 0 && any_mapped(process.pages, area.first, area.end)) return -EEXIST;
  Traits traits = traits_of(call);
  if (traits.grows_down && (traits.shared || traits.object)) return -EINVAL;
  const bool shared_anonymous = traits.shared && !traits.object;
  if (shared_anonymous) {
    traits.object = std::make_shared<Object>();
    traits.object->size = length;
  }
  unmap(process, call.address, length);
  for (Vpn n = area.first; n < area.end; n = n + 1) {
    const std::uint64_t index = traits.object ? (shared_anonymous ? 0 : call.index) + (n - area.first) : n.raw();
    process.pages[n] = Page{traits, index, {}, nullptr, false};
  }
  look_at_borders(process.pages, area);
  settle(process.pages);
  if ((call.flags & (kMapPopulate | kMapLocked)) != 0) populate(process, area);
  return static_cast<std::int64_t>(call.address);
}

std::int64_t unmap(Process& process, std::uint64_t address, std::uint64_t length) {
  if ((address & kPageMask) != 0 || address > kTaskSize || length > kTaskSize - address || length == 0) return -EINVAL;
  Pages& pages = process.pages;
  pages.erase(pages.lower_bound(page_of(address)), pages.lower_bound(page_of(address + page_align(length))));
  return 0;
}

namespace {

// Linux mprotect_fixup of one VMA.
void protect_area(Process& process, Area area, int prot) {
  const Page& first = process.pages.at(area.first);
  const Traits old = first.traits;
  if (old.prot == prot) return;
  Traits now = old;
  now.prot = static_cast<std::uint8_t>(prot);
  const bool writable = (prot & PROT_WRITE) != 0, was_writable = (old.prot & PROT_WRITE) != 0;
  if (writable)
    now.accounted = old.accounted || !(was_writable || old.shared || old.no_reserve);
  else if (!old.object && first.kin.id == 0)
    now.accounted = false;
  for (Vpn n = area.first; n < area.end; n = n + 1) process.pages.at(n).traits = now;
  look_at_borders(process.pages, area);
  if (old.locked && !old.shared && !was_writable && writable) populate(process, area);
}

}  // namespace

std::int64_t protect(Process& process, std::uint64_t address, std::uint64_t length, int prot) {
  if ((address & kPageMask) != 0) return -EINVAL;
  if (length == 0) return 0;
  const std::uint64_t end = address + page_align(length);
  if (end <= address) return -ENOMEM;
  Vpn next = page_of(address);
  for (const Area area : areas_in(process.pages, next, page_of(end))) {
    if (area.first != next) break;
    protect_area(process, area, prot);
    next = area.end;
  }
  settle(process.pages);
  return next == page_of(end) ? 0 : -ENOMEM;
}

}  // namespace faultline::vmm::fuzz::reference
