// Follows ksys_mmap_pgoff, do_mmap and mmap_region (mm/mmap.c, mm/vma.c), in their order of
// checks. Not here: huge pages (MAP_HUGETLB finds an empty pool).
#include <sys/mman.h>

#include "mmu/space/accounting.hpp"
#include "mmu/space/merge.hpp"
#include "mmu/space/munmap.hpp"
#include "mmu/space/operations.hpp"
#include "mmu/space/placement.hpp"
#include "mmu/space/populate.hpp"

namespace faultline::mmu {

namespace {

// What MAP_SHARED ignores the rest of and MAP_SHARED_VALIDATE refuses (LEGACY_MAP_MASK).
constexpr int kLegacyFlags = MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE |
                             MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK |
                             MAP_HUGETLB | MAP_32BIT | 0x80 /* MAP_ABOVE4G */ | (0x3f << 26) /* MAP_HUGE_* */;
// How far into a regular file a mapping may reach (MAX_LFS_FILESIZE).
constexpr std::uint64_t kMaxFileBytes = ~0ULL >> 1;
// A type that this <sys/mman.h> may not know: memory that the kernel may take away.
constexpr int kMapDroppable = 0x08;

// The mapping as it takes shape.
struct Plan {
  Gva start, end;
  VmFlags flags;
  Pgoff pgoff;
  std::shared_ptr<FileMapping> file;
  std::string name;
  [[nodiscard]] std::uint64_t pages() const { return end.page() - start.page(); }
};

// Linux calc_vm_prot_bits, calc_vm_flag_bits, and what every mapping may become.
VmFlags initial_flags(const AddressSpace& mm, const MmapRequest& r) {
  std::uint32_t bits = mm.default_flags.raw() | VmFlags::kMayRead | VmFlags::kMayWrite | VmFlags::kMayExec;
  if ((r.prot & PROT_READ) != 0) bits |= VmFlags::kRead;
  if ((r.prot & PROT_WRITE) != 0) bits |= VmFlags::kWrite;
  if ((r.prot & PROT_EXEC) != 0) bits |= VmFlags::kExec;
  if ((r.flags & MAP_GROWSDOWN) != 0) bits |= VmFlags::kGrowsDown;
  if ((r.flags & MAP_LOCKED) != 0) bits |= VmFlags::kLocked;
  if ((r.flags & MAP_STACK) != 0) bits |= VmFlags::kNoHugePage;
  return VmFlags(bits);
}

// The file's part of the checks (Linux file_mmap_ok and the switch over MAP_TYPE).
SysResult<void> check_file(const MmapRequest& r, std::uint64_t length, Plan& plan) {
  if (length > kMaxFileBytes || r.offset > kMaxFileBytes - length) return sys_error(EOVERFLOW);
  switch (r.flags & MAP_TYPE) {
    case MAP_SHARED_VALIDATE:
      if ((r.flags & ~kLegacyFlags & ~MAP_SHARED_VALIDATE) != 0) return sys_error(EOPNOTSUPP);
      [[fallthrough]];
    case MAP_SHARED:
      if ((r.prot & PROT_WRITE) != 0 && !r.file_writable) return sys_error(EACCES);
      plan.flags = plan.flags.with(VmFlags::kShared | VmFlags::kMayShare);
      if (!r.file_writable) plan.flags = plan.flags.without(VmFlags::kMayWrite | VmFlags::kShared);
      [[fallthrough]];
    case MAP_PRIVATE:
      if (!r.file_readable) return sys_error(EACCES);
      if (plan.flags.has(VmFlags::kGrowsDown)) return sys_error(EINVAL);
      return {};
    default: return sys_error(EINVAL);
  }
}

SysResult<void> check_anonymous(const AddressSpace& mm, const MmapRequest& r, Plan& plan) {
  switch (r.flags & MAP_TYPE) {
    case MAP_SHARED:
      if (plan.flags.has(VmFlags::kGrowsDown)) return sys_error(EINVAL);
      plan.pgoff = Pgoff(0);
      plan.flags = plan.flags.with(VmFlags::kShared | VmFlags::kMayShare);
      return {};
    case kMapDroppable:
      if (!mm.env().behaviour.droppable || (r.flags & MAP_LOCKED) != 0 || plan.flags.has(VmFlags::kGrowsDown))
        return sys_error(EINVAL);
      // Not worth a reservation, and nothing that a child or a core dump could use.
      plan.flags =
          plan.flags.with(VmFlags::kDroppable | VmFlags::kNoReserve | VmFlags::kWipeOnFork | VmFlags::kDontDump);
      [[fallthrough]];
    case MAP_PRIVATE:
      plan.pgoff = Pgoff(plan.start.page().raw());  // so that neighbours can merge
      return {};
    default: return sys_error(EINVAL);
  }
}

// Linux shmem_zero_setup: shared anonymous memory is a file of its own, so it merges with nothing. All of it is
// promised at once (shmem_acct_size).
SysResult<void> make_shared_memory(AddressSpace& mm, Plan& plan) {
  const bool promised = !plan.flags.has(VmFlags::kNoReserve);
  if (promised && !enough_memory(mm, plan.pages())) return sys_error(ENOMEM);
  plan.file = mm.env().cache.create_anonymous(plan.pages() << kPageShift);
  if (promised) plan.file = charge_until_released(mm, std::move(plan.file));
  plan.name = "/dev/zero (deleted)";
  return {};
}

// A VMA for the plan, joined with neighbours where Linux joins them.
SysResult<void> link(AddressSpace& mm, const MmapRequest& r, Plan& plan) {
  // A disk file system without DAX refuses in its mmap method, when the range is empty already.
  const bool disk = r.file != nullptr && r.file->kind() == FileKind::kRegular;
  if (disk && (r.flags & MAP_SYNC) != 0) return sys_error(EOPNOTSUPP);
  const NewRange range{.start = plan.start,
                       .end = plan.end,
                       .flags = plan.flags,
                       .pgoff = plan.pgoff,
                       .file = plan.file.get(),
                       .name = plan.name};
  if (merge_new_range(mm.vmas, range) != nullptr) return {};
  mm.vmas.insert(Vma{.start = plan.start,
                     .end = plan.end,
                     .flags = plan.flags,
                     .pgoff = plan.pgoff,
                     .file = r.file != nullptr ? r.file : plan.file,
                     .name = plan.name});
  return {};
}

// What the areas of a range are promised (Linux vma_munmap_struct, nr_accounted).
std::uint64_t accounted_pages(AddressSpace& mm, Gva start, Gva end) {
  std::uint64_t pages = 0;
  for (const Vma* vma = mm.vmas.first_in(start, end); vma != nullptr && vma->start < end; vma = mm.vmas.next(*vma))
    if (vma->flags.has(VmFlags::kAccount)) pages += vma->pages();
  return pages;
}

// Linux mmap_region: makes room, checks the limits, and links the VMA.
SysResult<void> mmap_region(AddressSpace& mm, const MmapRequest& r, Plan& plan) {
  const SysResult<std::uint64_t> replaced = cut_out(mm, plan.start, plan.end);
  if (!replaced) return tl::unexpected(replaced.error());
  if (!may_expand_vm(mm, plan.flags, plan.pages() - *replaced)) return sys_error(ENOMEM);
  if (accountable_mapping(plan.flags)) {
    // What is replaced was promised already.
    const std::uint64_t more = plan.pages() - accounted_pages(mm, plan.start, plan.end);
    if (more != 0 && !enough_memory(mm, more)) return sys_error(ENOMEM);
    plan.flags = plan.flags.with(VmFlags::kAccount);
  }
  // Shared memory is asked for before the old areas give up what they were promised. They go even when it is refused
  // (vms_abort_munmap_vmas leaves a gap).
  SysResult<void> granted;
  if (plan.file == nullptr && plan.flags.has(VmFlags::kMayShare)) granted = make_shared_memory(mm, plan);
  unmap_whole_vmas(mm, plan.start, plan.end);
  if (!granted) return granted;
  if (auto linked = link(mm, r, plan); !linked) return linked;
  vm_stat_account(mm, plan.flags, static_cast<std::int64_t>(plan.pages()));
  if (plan.flags.has(VmFlags::kLocked)) mm.locked_vm += plan.pages();
  return {};
}

// An empty pool of huge pages: the size must exist, then there is none to reserve.
SysResult<Gva> mmap_hugetlb(const MmapRequest& r) {
  const int log = (r.flags >> MAP_HUGE_SHIFT) & MAP_HUGE_MASK;
  if (log != 0 && log != 21 && log != 30) return sys_error(EINVAL);
  const int type = r.flags & MAP_TYPE;
  const bool known = type == MAP_PRIVATE || type == MAP_SHARED || type == MAP_SHARED_VALIDATE;
  return sys_error(r.length == 0 || !known ? EINVAL : ENOMEM);
}

constexpr std::uint64_t kMaxErrno = 4095;  // MAX_ERRNO: IS_ERR_VALUE

// Where the mapping goes, and what it may not take.
SysResult<Gva> choose_address(const AddressSpace& mm, const MmapRequest& r, int flags, std::uint64_t length) {
  // Linux has addresses and errors in one value: an exact address among its last 4095 is an error.
  if ((flags & MAP_FIXED) != 0 && r.address > ~0ULL - kMaxErrno && length <= mm.task_size().raw())
    return sys_error(static_cast<int>(~r.address) + 1);
  const std::uint64_t hint = (flags & MAP_FIXED) != 0 ? r.address : round_hint_to_min(mm, r.address);
  // Shared anonymous memory is placed as its tmpfs file would be: aligned to pages only.
  const bool shared_anonymous = r.file == nullptr && (flags & MAP_SHARED) != 0;
  return get_unmapped_area(mm, {.hint = hint,
                                .length = length,
                                .pgoff = Pgoff(r.offset >> kPageShift),
                                .file = r.file.get(),
                                .alignment = shared_anonymous ? Alignment::kPage : Alignment::kAsLinux,
                                .flags = flags});
}

}  // namespace

SysResult<Gva> do_mmap(AddressSpace& mm, const MmapRequest& r) {
  if ((r.offset & kPageMask) != 0) return sys_error(EINVAL);
  if ((r.flags & MAP_HUGETLB) != 0) return r.file != nullptr ? sys_error(EINVAL) : mmap_hugetlb(r);
  if (r.length == 0) return sys_error(EINVAL);
  const bool noreplace = (r.flags & MAP_FIXED_NOREPLACE) != 0 && mm.env().behaviour.fixed_noreplace;
  const int flags = noreplace ? r.flags | MAP_FIXED : r.flags;
  const std::uint64_t length = page_align(r.length);
  if (length == 0) return sys_error(ENOMEM);
  const std::uint64_t first_page = r.offset >> kPageShift;
  if (first_page + (length >> kPageShift) < first_page) return sys_error(EOVERFLOW);
  if (too_many_maps(mm)) return sys_error(ENOMEM);

  const SysResult<Gva> address = choose_address(mm, r, flags, length);
  if (!address) return address;
  Plan plan{.start = *address,
            .end = *address + length,
            .flags = initial_flags(mm, r),
            .pgoff = Pgoff(first_page),
            .file = r.file,
            .name = r.name};
  if (noreplace && mm.vmas.first_in(plan.start, plan.end) != nullptr) return sys_error(EEXIST);
  if ((flags & MAP_LOCKED) != 0 && !can_do_mlock(mm)) return sys_error(EPERM);
  if (!mlock_future_ok(mm, plan.flags, length)) return sys_error(EAGAIN);
  if (auto ok = r.file != nullptr ? check_file(r, length, plan) : check_anonymous(mm, r, plan); !ok)
    return tl::unexpected(ok.error());
  // Where every promise is counted, nothing goes uncounted.
  if ((flags & MAP_NORESERVE) != 0 && mm.limits.overcommit != Overcommit::kNever)
    plan.flags = plan.flags.with(VmFlags::kNoReserve);
  if (auto mapped = mmap_region(mm, r, plan); !mapped) return tl::unexpected(mapped.error());

  const bool populate = (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE;
  if (populate || plan.flags.has(VmFlags::kLocked))
    static_cast<void>(mm_populate(mm, plan.start, plan.end, PopulateErrors::kIgnore));
  return plan.start;
}

}  // namespace faultline::mmu
