// mremap (Linux 6.18 do_mremap; a move that keeps the length may take several VMAs with it).
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/reference/calls.hpp"

namespace faultline::vmm::fuzz::reference {

namespace {

constexpr int kDontUnmap = 4;  // MREMAP_DONTUNMAP

Vpn page_of(std::uint64_t address) { return Gva(address).page(); }
std::uint64_t pages_in(std::uint64_t bytes) { return bytes >> kPageShift; }

// Linux check_mremap_params. Lengths are whole pages from here on.
std::int64_t check_arguments(const RemapCall& call) {
  if ((call.address & kPageMask) != 0 || call.new_length == 0 || call.new_length > kTaskSize) return -EINVAL;
  if ((call.flags & (MREMAP_FIXED | kDontUnmap)) == 0) return 0;
  if (call.to > kTaskSize - call.new_length || (call.to & kPageMask) != 0) return -EINVAL;
  if ((call.flags & MREMAP_MAYMOVE) == 0) return -EINVAL;
  if ((call.flags & kDontUnmap) != 0 && call.old_length != call.new_length) return -EINVAL;
  const bool overlap = call.address + call.old_length > call.to && call.to + call.new_length > call.address;
  return overlap ? -EINVAL : 0;
}

// Linux check_prep_vma.
std::int64_t check_area(const Process& process, const RemapCall& call) {
  const Vpn first = page_of(call.address);
  const auto at = process.pages.find(first);
  if (at == process.pages.end()) return -EFAULT;
  const bool maps_new = call.new_length > call.old_length || (call.flags & MREMAP_FIXED) != 0;
  if (!maps_new) return 0;
  if (call.old_length == 0 && !at->second.traits.shared) return -EINVAL;
  const std::uint64_t kept = std::min(call.old_length, call.new_length);  // what goes may cross VMAs
  return pages_in(kept) > area_of(process.pages, first).end - first ? -EFAULT : 0;
}

// Fresh pages of the VMA that `model` is of; `index` is that of the first.
void extend_area(Process& process, const Page& model, std::uint64_t index, Area fresh) {
  for (Vpn n = fresh.first; n < fresh.end; n = n + 1)
    process.pages[n] = Page{model.traits, index + (n - fresh.first), model.kin, nullptr, false};
}

// What stays behind with MREMAP_DONTUNMAP: rights without content. The whole VMA is locked no more.
void leave_empty(Process& process, Area moved) {
  const Area area = area_of(process.pages, moved.first);
  for (Vpn n = area.first; n < area.end; n = n + 1) {
    Page& page = process.pages.at(n);
    page.traits.locked = page.traits.lock_on_fault = false;
    if (area.first == moved.first && area.end == moved.end) page.kin = {};
    if (n < moved.first || n >= moved.end) continue;
    page.own = nullptr;
    page.guard = false;
  }
  leave_seam(process.pages, area.first);
  leave_seam(process.pages, area.end);
}

// Linux move_vma: within one VMA, to where nothing is.
void move_pages(Process& process, const RemapCall& call) {
  const Vpn from = page_of(call.address), to = page_of(call.to);
  const std::uint64_t count = pages_in(call.old_length);
  const Page head = process.pages.at(from);
  const Area target{to, to + pages_in(call.new_length)};
  const bool unused = !head.traits.object && head.kin.id == 0;  // has its offset from where it is
  extend_area(process, head, unused ? to.raw() : head.index, target);
  look_at_borders(process.pages, target);
  for (std::uint64_t i = 0; i < count; ++i) {
    const Page& source = process.pages.at(from + i);
    process.pages.at(to + i).own = source.own;
    process.pages.at(to + i).guard = source.guard;
  }
  if ((call.flags & kDontUnmap) != 0)
    leave_empty(process, {from, from + count});
  else
    process.pages.erase(process.pages.lower_bound(from), process.pages.lower_bound(from + count));
  settle(process.pages);
  if (head.traits.locked && call.new_length > call.old_length) populate(process, {to + count, target.end});
}

// Linux mremap_to.
std::int64_t remap_to(Process& process, RemapCall call) {
  unmap(process, call.to, call.new_length);
  if (!process.pages.contains(page_of(call.address))) return -EFAULT;  // old length 0 onto itself
  if (call.old_length > call.new_length) {
    const std::int64_t error = unmap(process, call.address + call.new_length, call.old_length - call.new_length);
    if (error != 0) return error;
    call.old_length = call.new_length;
  }
  if (call.to < kMinAddress) return -EPERM;
  move_pages(process, call);
  return static_cast<std::int64_t>(call.to);
}

// Linux remap_move: VMA by VMA, holes kept.
std::int64_t move_areas(Process& process, const RemapCall& call) {
  const Vpn first = page_of(call.address);
  const auto areas = areas_in(process.pages, first, page_of(call.address + call.old_length));
  if (areas.empty() || areas[0].first != first) return -EFAULT;
  for (const Area area : areas) {
    const std::uint64_t bytes = (area.end - area.first) << kPageShift;
    const std::uint64_t offset = (area.first - first) << kPageShift;
    const std::int64_t result = remap_to(process, {call.address + offset, bytes, bytes, call.flags, call.to + offset});
    if (result < 0) return result;
  }
  return static_cast<std::int64_t>(call.to);
}

// Linux mremap_at, expand_vma.
std::int64_t grow_in_place(Process& process, const RemapCall& call) {
  const Vpn first = page_of(call.address), end = page_of(call.address + call.new_length);
  const Area area = area_of(process.pages, first);
  if (area.end - first != pages_in(call.old_length) || call.address + call.new_length > kTaskSize) return -ENOMEM;
  const auto above = process.pages.lower_bound(area.end);
  if (above != process.pages.end() && above->first < end) return -ENOMEM;
  const Page last = process.pages.at(area.end - 1);
  extend_area(process, last, last.index + 1, {area.end, end});
  look_at_borders(process.pages, {area.end, end});
  settle(process.pages);
  if (last.traits.locked) populate(process, {area.end, end});
  return static_cast<std::int64_t>(call.address);
}

}  // namespace

std::int64_t remap(Process& process, const RemapCall& asked) {
  RemapCall call = asked;
  call.old_length = page_align(asked.old_length);
  call.new_length = page_align(asked.new_length);
  if (const std::int64_t error = check_arguments(call); error != 0) return error;
  const bool fixed = (call.flags & MREMAP_FIXED) != 0;
  if (fixed && call.old_length == call.new_length) return move_areas(process, call);
  if (const std::int64_t error = check_area(process, call); error != 0) return error;
  if (fixed) return remap_to(process, call);
  if (call.new_length > call.old_length) return grow_in_place(process, call);
  if (call.new_length == call.old_length) return static_cast<std::int64_t>(call.address);
  const std::int64_t shrunk = unmap(process, call.address + call.new_length, call.old_length - call.new_length);
  return shrunk < 0 ? shrunk : static_cast<std::int64_t>(call.address);
}

}  // namespace faultline::vmm::fuzz::reference
