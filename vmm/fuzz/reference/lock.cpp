// mlock2, munlock (Linux do_mlock, apply_vma_lock_flags, __mm_populate) and msync.
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "vmm/fuzz/reference/calls.hpp"

namespace faultline::vmm::fuzz::reference {

namespace {

enum class Lock : std::uint8_t { kOff, kOn, kOnFault };

Vpn page_of(std::uint64_t address) { return Gva(address).page(); }

// Both calls round outwards; the sums may wrap around.
struct Range {
  std::uint64_t start, length;
};
Range rounded(std::uint64_t address, std::uint64_t length) {
  return {address & ~kPageMask, page_align(length + (address & kPageMask))};
}

// Linux mlock_fixup of one VMA.
void lock_area(Pages& pages, Area area, Lock how) {
  Traits now = pages.at(area.first).traits;
  now.locked = how != Lock::kOff;
  now.lock_on_fault = how == Lock::kOnFault;
  if (now == pages.at(area.first).traits) return;
  for (Vpn n = area.first; n < area.end; n = n + 1) pages.at(n).traits = now;
  look_at_borders(pages, area);
}

// Everything before the first hole is changed.
std::int64_t apply(Process& process, Range range, Lock how) {
  const std::uint64_t end = range.start + range.length;
  if (end < range.start) return -EINVAL;
  Vpn next = page_of(range.start);
  for (const Area area : areas_in(process.pages, next, page_of(end))) {
    if (area.first != next) break;
    lock_area(process.pages, area, how);
    next = area.end;
  }
  settle(process.pages);
  return next == page_of(end) ? 0 : -ENOMEM;
}

bool within_limit(const Process& process, Range range) {
  const auto is_locked = [](const auto& entry) { return entry.second.traits.locked; };
  const auto already = static_cast<std::uint64_t>(std::ranges::count_if(process.pages, is_locked));
  return (range.length >> kPageShift) + already <= kLockablePages;
}

}  // namespace

std::int64_t lock(Process& process, std::uint64_t address, std::uint64_t length, bool on_fault) {
  const Range range = rounded(address, length);
  if (!within_limit(process, range)) return -ENOMEM;
  const std::int64_t error = apply(process, range, on_fault ? Lock::kOnFault : Lock::kOn);
  if (error != 0) return error;
  for (const Area area : areas_in(process.pages, page_of(range.start), page_of(range.start + range.length))) {
    if (!populate(process, area)) return -ENOMEM;
  }
  return 0;
}

std::int64_t unlock(Process& process, std::uint64_t address, std::uint64_t length) {
  return apply(process, rounded(address, length), Lock::kOff);
}

namespace {

// Writing a file's last page to a disk clears what is beyond the file's end in it.
void write_back(const Page& page) {
  if (!page.traits.shared || page.traits.object->file != FileOperand::kDisk) return;
  Object& object = *page.traits.object;
  if (page.index == object.size >> kPageShift) resize(object, object.size);
}

}  // namespace

std::int64_t sync(Process& process, std::uint64_t address, std::uint64_t length, int flags) {
  if ((address & kPageMask) != 0 || (flags & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC)) return -EINVAL;
  const std::uint64_t end = address + page_align(length);
  if (end < address) return -ENOMEM;
  if (end == address) return 0;
  Vpn next = page_of(address);
  bool hole = false;
  for (const auto& area : areas_in(process.pages, next, page_of(end))) {
    hole = hole || area.first != next;
    if (hole && flags == MS_ASYNC) return -ENOMEM;
    const Page& page = process.pages.at(area.first);
    if ((flags & MS_INVALIDATE) != 0 && page.traits.locked) return -EBUSY;
    for (Vpn n = area.first; (flags & MS_SYNC) != 0 && n < area.end; n = n + 1) write_back(process.pages.at(n));
    next = area.end;
  }
  return hole || next != page_of(end) ? -ENOMEM : 0;
}

}  // namespace faultline::vmm::fuzz::reference
