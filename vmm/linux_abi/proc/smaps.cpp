// Follows show_smap, __show_smap and show_smap_vma_flags of fs/proc/task_mmu.c, as 6.18 with
// neither CONFIG_MEM_SOFT_DIRTY nor protection keys prints them.
#include <fmt/format.h>

#include <array>
#include <utility>

#include "vmm/linux_abi/proc/maps.hpp"

namespace faultline::vmm::linux_abi::proc {
namespace {

void kilobytes(std::string& out, std::string_view label, std::uint64_t bytes) {
  fmt::format_to(std::back_inserter(out), "{:<16}{:>8} kB\n", label, bytes >> 10);
}

void pss(std::string& out, std::string_view label, std::uint64_t fixed_point) {
  kilobytes(out, label, fixed_point >> mmu::PageStats::kPssShift);
}

// Linux thp_vma_allowable_orders(TVA_SMAPS) with transparent huge pages on "madvise": advised,
// and an aligned 2 MiB range inside.
bool huge_page_eligible(const mmu::Vma& vma) {
  constexpr std::uint64_t kHuge = 2ULL << 20;
  if (!vma.anonymous() || !vma.flags.has(mmu::VmFlags::kHugePage)) return false;
  const std::uint64_t first = (vma.start.raw() + kHuge - 1) & ~(kHuge - 1);
  return first + kHuge <= vma.end.raw();
}

}  // namespace

std::string vm_flags_text(mmu::VmFlags flags) {
  using F = mmu::VmFlags;
  // In the order of Linux's bits.
  constexpr std::array<std::pair<std::uint32_t, std::string_view>, 24> kNames = {{
      {F::kRead, "rd"},       {F::kWrite, "wr"},      {F::kExec, "ex"},        {F::kShared, "sh"},
      {F::kMayRead, "mr"},    {F::kMayWrite, "mw"},   {F::kMayExec, "me"},     {F::kMayShare, "ms"},
      {F::kGrowsDown, "gd"},  {F::kMaybeGuard, "gu"}, {F::kLocked, "lo"},      {F::kSeqRead, "sr"},
      {F::kRandRead, "rr"},   {F::kDontCopy, "dc"},   {F::kLockOnFault, "lf"}, {F::kAccount, "ac"},
      {F::kNoReserve, "nr"},  {F::kWipeOnFork, "wf"}, {F::kDontDump, "dd"},    {F::kHugePage, "hg"},
      {F::kNoHugePage, "nh"}, {F::kMergeable, "mg"},  {F::kDroppable, "dp"},   {F::kSealed, "sl"},
  }};
  std::string out;
  for (const auto& [flag, name] : kNames) {
    if (flags.has(flag)) (out += name) += ' ';
  }
  return out;
}

std::string page_stats_text(const mmu::PageStats& s, StatsShape shape) {
  std::string out;
  kilobytes(out, "Rss:", s.resident);
  pss(out, "Pss:", s.pss);
  pss(out, "Pss_Dirty:", s.pss_dirty);
  if (shape == StatsShape::kRollup) {
    pss(out, "Pss_Anon:", s.pss_anon);
    pss(out, "Pss_File:", s.pss_file);
    pss(out, "Pss_Shmem:", s.pss_shmem);
  }
  kilobytes(out, "Shared_Clean:", s.shared_clean);
  kilobytes(out, "Shared_Dirty:", s.shared_dirty);
  kilobytes(out, "Private_Clean:", s.private_clean);
  kilobytes(out, "Private_Dirty:", s.private_dirty);
  kilobytes(out, "Referenced:", s.referenced);
  kilobytes(out, "Anonymous:", s.anonymous);
  kilobytes(out, "KSM:", 0);
  kilobytes(out, "LazyFree:", s.lazy_free);
  for (const char* none :
       {"AnonHugePages:", "ShmemPmdMapped:", "FilePmdMapped:", "Shared_Hugetlb:", "Private_Hugetlb:"})
    kilobytes(out, none, 0);
  kilobytes(out, "Swap:", s.swap);
  pss(out, "SwapPss:", s.swap_pss);
  pss(out, "Locked:", s.pss_locked);
  return out;
}

std::string smaps_record(const mmu::AddressSpace& mm, const mmu::Vma& vma) {
  std::string out = maps_line(mm, vma);
  kilobytes(out, "Size:", vma.bytes());
  kilobytes(out, "KernelPageSize:", kPageSize);
  kilobytes(out, "MMUPageSize:", kPageSize);
  out += page_stats_text(mmu::gather_page_stats(mm, vma), StatsShape::kVma);
  fmt::format_to(std::back_inserter(out), "{:<16}{:>8}\n", "THPeligible:", huge_page_eligible(vma) ? 1 : 0);
  out += "VmFlags: " + vm_flags_text(vma.flags) + "\n";
  return out;
}

}  // namespace faultline::vmm::linux_abi::proc
