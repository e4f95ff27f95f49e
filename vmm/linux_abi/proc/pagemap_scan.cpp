// Follows do_pagemap_scan and what it walks with (fs/proc/task_mmu.c). No VMA is registered
// with a userfaultfd here, so no page is write-protectable that way: PM_SCAN_WP_MATCHING finds
// nothing and PM_SCAN_CHECK_WPASYNC is EPERM at the first VMA, as natively without one.
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <vector>

#include "mmu/space/slots.hpp"
#include "vmm/linux_abi/proc/pagemap.hpp"
#include "vmm/linux_abi/support.hpp"

namespace faultline::vmm::linux_abi::proc {
namespace {

// struct pm_scan_arg of linux/fs.h.
struct ScanArgs {
  std::uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
  std::uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
static_assert(sizeof(ScanArgs) == 96);
struct Region {  // struct page_region
  std::uint64_t start, end, categories;
};

constexpr std::uint64_t kWpMatching = 1, kCheckWpAsync = 2;
constexpr std::uint64_t kWpAllowed = 1, kWritten = 2, kFile = 4, kPresent = 8, kSwapped = 16, kPfnZero = 32;
constexpr std::uint64_t kGuard = 256, kKnownCategories = 511;

// Linux pagemap_page_category: an entry that no userfaultfd watches counts as written to, an
// empty one in an existing table as well.
std::uint64_t categories_of(const mmu::PageView& page) {
  return (page.present ? kPresent : 0) | (page.write_watched ? 0 : kWritten) | (page.file ? kFile : 0) |
         (page.swapped ? kSwapped : 0) | (page.zero_page ? kPfnZero : 0) | (page.guard ? kGuard : 0);
}

// One walk, until a buffer of regions is full.
class Scan {
 public:
  static constexpr std::uint64_t kBufferRegions = 512;

  // From `start`, for at most `regions` regions and `pages` pages.
  Scan(const mmu::AddressSpace& mm, const ScanArgs& args, std::uint64_t start, std::uint64_t regions,
       std::uint64_t pages)
      : mm_(mm), args_(args), start_(start), most_regions_(std::min(regions, kBufferRegions)), most_pages_(pages) {}

  // Walks; false: a VMA forbids it (EPERM).
  bool run() {
    for (const mmu::Vma* vma = mm_.vmas.find(Gva(start_)); vma != nullptr && vma->start.raw() < args_.end;
         vma = mm_.vmas.find(vma->end)) {
      if ((args_.flags & kCheckWpAsync) != 0) return false;
      if (!scan(*vma)) break;
    }
    return true;
  }
  [[nodiscard]] const std::vector<Region>& regions() const { return regions_; }
  [[nodiscard]] std::uint64_t found() const { return found_; }
  // Where a full buffer or the most pages stopped the walk; 0: nowhere.
  [[nodiscard]] std::uint64_t stopped_at() const { return stopped_at_; }

 private:
  bool scan(const mmu::Vma& vma) {
    const std::uint64_t end = std::min(vma.end.raw(), args_.end);
    std::uint64_t at = std::max(vma.start.raw(), start_);
    bool go_on = true;
    mmu::for_each_slot(mm_, Gva(at), Gva(end), [&](mmu::PteSlot slot, Gva va) {
      if (!go_on) return;
      go_on = page_or_hole(at, va.raw(), 0);
      if (!go_on) return;
      go_on = page_or_hole(va.raw(), va.raw() + kPageSize, categories_of(mmu::view_page(mm_, slot.load())));
      at = va.raw() + kPageSize;
    });
    return go_on && page_or_hole(at, end, 0);
  }

  // Linux pagemap_scan_is_interesting_page and pagemap_scan_output.
  bool page_or_hole(std::uint64_t start, std::uint64_t end, std::uint64_t categories) {
    if (start >= end) return true;
    const std::uint64_t seen = categories ^ args_.category_inverted;
    if ((seen & args_.category_mask) != args_.category_mask) return true;
    if (args_.category_anyof_mask != 0 && (seen & args_.category_anyof_mask) == 0) return true;
    if (args_.vec_len == 0) return true;
    const std::uint64_t room = most_pages_ - found_, pages = (end - start) >> kPageShift;
    const bool too_much = pages > room;
    if (too_much) end = start + (room << kPageShift);
    if (start < end && !push(start, end, categories & args_.return_mask)) return stop(start);
    found_ += (end - start) >> kPageShift;
    return !too_much || stop(end);
  }

  bool push(std::uint64_t start, std::uint64_t end, std::uint64_t categories) {
    if (!regions_.empty() && regions_.back().end == start && regions_.back().categories == categories) {
      regions_.back().end = end;
      return true;
    }
    if (regions_.size() == most_regions_) return false;
    regions_.push_back({start, end, categories});
    return true;
  }

  bool stop(std::uint64_t at) {
    stopped_at_ = at;
    return false;
  }

  const mmu::AddressSpace& mm_;
  const ScanArgs& args_;
  std::uint64_t start_, most_regions_, most_pages_;
  std::vector<Region> regions_;
  std::uint64_t found_ = 0, stopped_at_ = 0;
};

bool access_ok(const mmu::AddressSpace& mm, std::uint64_t address, std::uint64_t bytes) {
  const std::uint64_t limit = mm.task_size().raw();
  return bytes <= limit && address <= limit - bytes;
}

// Linux pagemap_scan_get_args.
SysResult<void> check(const mmu::AddressSpace& caller, ScanArgs& a) {
  if (a.size != sizeof(ScanArgs) || (a.flags & ~(kWpMatching | kCheckWpAsync)) != 0) return sys_error(EINVAL);
  const std::uint64_t used = a.category_inverted | a.category_mask | a.category_anyof_mask | a.return_mask;
  if ((used & ~kKnownCategories) != 0 || (a.start & kPageMask) != 0) return sys_error(EINVAL);
  if (!access_ok(caller, a.start, a.end - a.start)) return sys_error(EFAULT);
  if (a.vec == 0 && a.vec_len != 0) return sys_error(EINVAL);
  const bool wraps = a.vec_len > ~std::uint64_t{0} / sizeof(Region);
  if (a.vec != 0 && (wraps || !access_ok(caller, a.vec, a.vec_len * sizeof(Region)))) return sys_error(EFAULT);
  a.end = page_align(a.end);
  if (a.max_pages == 0) a.max_pages = ~std::uint64_t{0};
  if ((a.flags & kWpMatching) != 0) a.category_mask |= kWpAllowed;
  return {};
}

}  // namespace

SyscallValue pagemap_scan(Task& caller, const mmu::AddressSpace& mm, Gva argument) {
  auto args = mmu::get_user<ScanArgs>(caller.mm(), argument);
  if (!args) return propagate(args);
  if (auto ok = check(caller.mm(), *args); !ok) return propagate(ok);
  std::uint64_t walk_end = args->start, written = 0, found = 0;
  SyscallValue result = 0;
  for (bool more = true; more && result;) {
    Scan scan(mm, *args, walk_end, args->vec_len - written, args->max_pages - found);
    if (!scan.run()) result = sys_error(EPERM);
    const auto out = std::as_bytes(std::span(scan.regions()));
    if (mmu::copy_to_user(caller.mm(), Gva(args->vec + written * sizeof(Region)), out) != 0) result = sys_error(EFAULT);
    written += scan.regions().size();
    found += scan.found();
    walk_end = scan.stopped_at() != 0 ? scan.stopped_at() : args->end;
    more = scan.stopped_at() != 0 && written < args->vec_len && found < args->max_pages;
  }
  const Gva field = argument + offsetof(ScanArgs, walk_end);
  if (!mmu::put_user(caller.mm(), field, walk_end)) return sys_error(EFAULT);
  return result ? SyscallValue(written) : result;
}

}  // namespace faultline::vmm::linux_abi::proc
