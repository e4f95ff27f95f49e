#include "mmu/space/accounting.hpp"

#include <algorithm>
#include <utility>

namespace faultline::mmu {

namespace {

// Linux is_stack_mapping, is_data_mapping (mm/internal.h): x86 stacks grow down.
constexpr bool is_stack(VmFlags flags) { return flags.has(VmFlags::kGrowsDown); }
constexpr bool is_exec(VmFlags flags) {
  return flags.has(VmFlags::kExec) && !flags.any(VmFlags::kWrite) && !is_stack(flags);
}
constexpr bool is_data(VmFlags flags) {
  return flags.has(VmFlags::kWrite) && !flags.any(VmFlags::kShared) && !is_stack(flags);
}

// Counters are unsigned pages; a negative count takes away.
void add(std::uint64_t& counter, std::int64_t pages) { counter += static_cast<std::uint64_t>(pages); }

}  // namespace

void vm_stat_account(AddressSpace& mm, VmFlags flags, std::int64_t pages) {
  add(mm.total_vm, pages);
  if (CommitAccount* commit = mm.env().commit; commit != nullptr && flags.has(VmFlags::kAccount))
    add(commit->committed, pages);
  mm.peak_vm = std::max(mm.peak_vm, mm.total_vm);
  if (is_exec(flags)) return;  // Linux counts these in exec_vm, which nobody shows
  if (is_stack(flags)) {
    add(mm.stack_vm, pages);
  } else if (is_data(flags)) {
    add(mm.data_vm, pages);
  }
}

bool may_expand_vm(const AddressSpace& mm, VmFlags flags, std::uint64_t pages) {
  if (mm.total_vm + pages > mm.limits.address_space >> kPageShift) return false;
  return !is_data(flags) || mm.data_vm + pages <= mm.limits.data >> kPageShift;
}

bool can_do_mlock(const AddressSpace& mm) { return mm.limits.memlock != 0 || mm.limits.may_lock_without_limit; }

bool mlock_future_ok(const AddressSpace& mm, VmFlags flags, std::uint64_t bytes) {
  if (!flags.has(VmFlags::kLocked) || mm.limits.may_lock_without_limit) return true;
  return mm.locked_vm + (bytes >> kPageShift) <= mm.limits.memlock >> kPageShift;
}

bool accountable_mapping(VmFlags flags) {
  return flags.has(VmFlags::kWrite) && !flags.any(VmFlags::kShared | VmFlags::kNoReserve);
}

bool enough_memory(const AddressSpace& mm, std::uint64_t pages) {
  const Limits& limits = mm.limits;
  switch (limits.overcommit) {
    case Overcommit::kAlways: return true;
    case Overcommit::kHeuristic: return pages <= limits.commit_pages;
    case Overcommit::kNever: break;
  }
  const CommitAccount* commit = mm.env().commit;
  if (commit == nullptr) return true;
  // What is kept for administrators, and for the user to end this process with.
  std::uint64_t reserve = limits.admin_reserve_pages;
  reserve += std::min(mm.total_vm / 32, limits.user_reserve_pages);
  const std::uint64_t allowed = commit->limit - std::min(commit->limit, reserve);
  return commit->committed + pages < allowed;
}

std::shared_ptr<FileMapping> charge_until_released(const AddressSpace& mm, std::shared_ptr<FileMapping> file) {
  CommitAccount* const commit = mm.env().commit;
  if (commit == nullptr) return file;
  const std::uint64_t pages = file->size_in_pages();
  FileMapping* const mapping = file.get();
  commit->committed += pages;
  return {mapping, [commit, pages, owner = std::move(file)](FileMapping*) mutable {
            owner.reset();
            commit->committed -= pages;
          }};
}

}  // namespace faultline::mmu
