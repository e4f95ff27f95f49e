// 2 MiB alignment follows Linux 6.18 as observed: anonymous memory without a hint whose length
// is a multiple of 2 MiB; files of disk file systems where an aligned 2 MiB of the file lies in
// the mapping; tmpfs, memfd and shared anonymous memory never (huge=never). It is the same with
// PR_SET_THP_DISABLE: placement does not ask for it.
#include "mmu/space/placement.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <iterator>
#include <optional>

namespace faultline::mmu {

namespace {

constexpr std::uint64_t kHugeSize = level_span(2);
// Programs get 47 bits unless they ask for more by a hint above (Linux DEFAULT_MAP_WINDOW); without
// long mode there is no more.
std::uint64_t default_window(const AddressSpace& mm) {
  return long_mode(mm.mode()) ? task_size_max(PagingMode::kFourLevel).raw() : mm.task_size().raw();
}
// MAP_32BIT searches the second gigabyte (find_start_end).
constexpr std::uint64_t k32BitLow = 0x4000'0000, k32BitHigh = 0x8000'0000;
constexpr int kMapAbove4G = 0x80;  // MAP_ABOVE4G, which this <sys/mman.h> may lack
constexpr std::uint64_t k4Gigabytes = 1ULL << 32;

// Where bottom-up searches start (Linux TASK_UNMAPPED_BASE).
std::uint64_t unmapped_base(const AddressSpace& mm) { return page_align(default_window(mm) / 3); }

// Any address; for offsets modulo 2 MiB, which Linux computes with wrap-around.
constexpr std::uint64_t below_huge(std::uint64_t value) { return value & (kHugeSize - 1); }

struct Window {
  std::uint64_t low = 0, high = 0;
};

// Linux unmapped_area: the lowest room of `length` bytes in the window. A stack's guard gap
// counts only where the stack lies right above room that is large enough without.
std::optional<Gva> lowest_gap(const AddressSpace& mm, Window window, std::uint64_t length) {
  std::uint64_t at = std::max(window.low, mm.limits.mmap_min_addr);
  for (;;) {
    if (at > window.high || window.high - at < length) return std::nullopt;
    const Vma* above = mm.vmas.find(Gva(at));
    if (above == nullptr || at + length <= start_with_gap(mm, *above).raw()) return Gva(at);
    at = above->end.raw();
  }
}

// Where a search from `high` down for `length` bytes may start: the first VMA beyond the gaps
// that can be large enough.
VmaSet::const_iterator search_start(const AddressSpace& mm, std::uint64_t high, std::uint64_t length) {
  const PlacementHint& hint = mm.placement_hint;
  const bool known = hint.high == high && hint.removals == mm.vmas.removals() && hint.length <= length;
  return mm.vmas.find_position(known && hint.length != 0 ? hint.above : Gva(high));
}

// Keeps what is true of most requests: the shortest length.
void remember(const AddressSpace& mm, std::uint64_t high, std::uint64_t length, std::uint64_t above) {
  PlacementHint& hint = mm.placement_hint;
  const bool valid = hint.length != 0 && hint.high == high && hint.removals == mm.vmas.removals();
  if (valid && hint.length < length) return;
  hint = {.above = Gva(above), .high = high, .length = length, .removals = mm.vmas.removals()};
}

// Linux unmapped_area_topdown: the highest. Where a stack lies right above room that is large
// enough, the search goes on below its guard gap, whatever room there is in the gap.
std::optional<Gva> highest_gap(const AddressSpace& mm, Window window, std::uint64_t length) {
  const std::uint64_t low = std::max(window.low, mm.limits.mmap_min_addr);
  std::uint64_t high = window.high;
  auto above = search_start(mm, high, length);  // the first VMA beyond the room looked at
  while (high > low) {
    const bool lowest = above == mm.vmas.begin();
    const std::uint64_t room_start = lowest ? low : std::max(low, std::prev(above)->second.end.raw());
    const std::uint64_t room_end = above == mm.vmas.end() ? high : std::min(high, above->second.start.raw());
    if (room_end >= room_start && room_end - room_start >= length) {
      const std::uint64_t gap = above == mm.vmas.end() ? room_end : start_with_gap(mm, above->second).raw();
      if (gap >= room_end) {
        if (high == window.high) remember(mm, high, length, room_end);
        return Gva(room_end - length);
      }
      high = gap;
      above = mm.vmas.find_position(Gva(high));
      continue;
    }
    if (lowest) return std::nullopt;
    --above;
  }
  return std::nullopt;
}

bool overlaps(const AddressSpace& mm, std::uint64_t address, std::uint64_t length) {
  const Vma* vma = mm.vmas.find(Gva(address));
  return vma != nullptr && address + length > start_with_gap(mm, *vma).raw();
}

// Linux arch_get_unmapped_area: legacy, bottom-up.
SysResult<Gva> bottom_up(const AddressSpace& mm, const PlacementRequest& r) {
  Window window{unmapped_base(mm), r.hint > default_window(mm) ? mm.task_size().raw() : default_window(mm)};
  if ((r.flags & MAP_32BIT) != 0) window = {k32BitLow, k32BitHigh};
  if (r.length > window.high) return sys_error(ENOMEM);
  if (r.hint != 0 && window.high - r.length >= r.hint && !overlaps(mm, r.hint, r.length)) return Gva(r.hint);
  if ((r.flags & kMapAbove4G) != 0) window.low = std::max(window.low, k4Gigabytes);
  if (const auto found = lowest_gap(mm, window, r.length)) return *found;
  return sys_error(ENOMEM);
}

// Linux mmap_address_hint_valid: inside, and not across the border of the default window.
bool hint_valid(const AddressSpace& mm, std::uint64_t hint, std::uint64_t length) {
  if (mm.task_size().raw() - length < hint) return false;
  const std::uint64_t border = default_window(mm);
  return (hint > border) == (hint + length > border);
}

// Linux arch_get_unmapped_area_topdown.
SysResult<Gva> top_down(const AddressSpace& mm, const PlacementRequest& r) {
  if (r.length > mm.task_size().raw()) return sys_error(ENOMEM);
  if ((r.flags & MAP_FIXED) != 0) return Gva(r.hint);
  if ((r.flags & MAP_32BIT) != 0) return bottom_up(mm, r);
  if (r.hint != 0 && hint_valid(mm, r.hint, r.length) && !overlaps(mm, r.hint, r.length)) return Gva(r.hint);
  Window window{(r.flags & kMapAbove4G) != 0 ? k4Gigabytes : kPageSize, mm.mmap_base.raw()};
  if (r.hint > default_window(mm)) window.high += mm.task_size().raw() - default_window(mm);
  if (const auto found = highest_gap(mm, window, r.length)) return *found;
  return bottom_up(mm, r);
}

// Linux __thp_get_unmapped_area: looks for 2 MiB more than needed and aligns in it, so that
// file offset and address agree modulo 2 MiB. Nothing: place it without.
std::optional<Gva> huge_aligned(const AddressSpace& mm, const PlacementRequest& r) {
  // Anonymous memory has its addresses to align, whatever its pgoff says.
  const std::uint64_t offset = r.file != nullptr ? r.pgoff.raw() << kPageShift : 0;
  const std::uint64_t first_huge = (offset + kHugeSize - 1) & ~(kHugeSize - 1);
  const std::uint64_t end = offset + r.length;
  if (end <= first_huge || end - first_huge < kHugeSize) return std::nullopt;
  PlacementRequest padded = r;
  padded.length = r.length + kHugeSize;
  if (padded.length < r.length || offset + padded.length < offset) return std::nullopt;
  const SysResult<Gva> found = top_down(mm, padded);
  if (!found) return std::nullopt;
  if (found->raw() == r.hint) return Gva(r.hint);
  const std::uint64_t shift = below_huge(offset - found->raw());
  // The top of the room, where it is aligned by itself.
  return *found + (shift == 0 ? kHugeSize : shift);
}

SysResult<Gva> place(const AddressSpace& mm, const PlacementRequest& r) {
  const bool wants_huge =
      r.file != nullptr ? r.file->kind() == FileKind::kRegular : r.hint == 0 && below_huge(r.length) == 0;
  if (wants_huge && r.alignment == Alignment::kAsLinux) {
    if (const auto aligned = huge_aligned(mm, r)) return *aligned;
  }
  return top_down(mm, r);
}

// Has the machine get out of the range, and of what may become part of it: a stack's room to grow.
bool claim(const AddressSpace& mm, const PlacementRequest& r, Gva start) {
  UserHalf* half = mm.env().user_half;
  if (half == nullptr) return true;
  constexpr std::uint64_t kMostOfAStack = 1ULL << 30;
  const std::uint64_t growth = (r.flags & MAP_GROWSDOWN) != 0 ? std::min(mm.limits.stack, kMostOfAStack) : 0;
  const auto is_free = [&mm](Gva from, Gva to) {
    const Vma* vma = mm.vmas.find(from);
    return vma == nullptr || start_with_gap(mm, *vma) >= to;
  };
  return half->make_way(Gva(start.raw() - std::min(growth, start.raw())), start + r.length, is_free);
}

}  // namespace

Gva start_with_gap(const AddressSpace& mm, const Vma& vma) {
  if (!vma.flags.has(VmFlags::kGrowsDown)) return vma.start;
  return vma.start.raw() < mm.limits.stack_guard_gap ? Gva(0) : vma.start - mm.limits.stack_guard_gap;
}

std::uint64_t round_hint_to_min(const AddressSpace& mm, std::uint64_t hint) {
  hint &= ~kPageMask;
  return hint != 0 && hint < mm.limits.mmap_min_addr ? page_align(mm.limits.mmap_min_addr) : hint;
}

SysResult<Gva> get_unmapped_area(const AddressSpace& mm, const PlacementRequest& request) {
  const std::uint64_t task_size = mm.task_size().raw();
  if (request.length > task_size) return sys_error(ENOMEM);
  const SysResult<Gva> address = place(mm, request);
  if (!address) return address;
  if (address->raw() > task_size - request.length) return sys_error(ENOMEM);
  if (!address->page_aligned()) return sys_error(EINVAL);
  // Linux cap_mmap_addr.
  if (address->raw() < mm.limits.mmap_min_addr && !mm.limits.may_map_low) return sys_error(EPERM);
  if (!claim(mm, request, *address)) return sys_error(ENOMEM);
  return address;
}

}  // namespace faultline::mmu
