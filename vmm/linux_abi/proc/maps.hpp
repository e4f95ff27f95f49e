// /proc/PID/maps, smaps and smaps_rollup, from the VMAs and page tables.
#pragma once

#include <memory>
#include <string>

#include "mmu/space/page_stats.hpp"
#include "vmm/linux_abi/proc/seq_file.hpp"

namespace faultline::vmm::linux_abi::proc {

// "START-END rwxp OFFSET MAJ:MIN INODE   NAME\n" (Linux show_map_vma).
std::string maps_line(const mmu::AddressSpace& mm, const mmu::Vma& vma);
// What maps shows for a VMA in the last column; may be empty (Linux get_vma_name).
std::string_view maps_name(const mmu::AddressSpace& mm, const mmu::Vma& vma);
// The record of one VMA in smaps (show_smap).
std::string smaps_record(const mmu::AddressSpace& mm, const mmu::Vma& vma);
// The whole of smaps_rollup (show_smaps_rollup).
std::string smaps_rollup(const mmu::AddressSpace& mm);
// The lines "Rss:" to "Locked:"; a rollup tells Pss by kind as well (__show_smap).
enum class StatsShape : std::uint8_t { kVma, kRollup };
std::string page_stats_text(const mmu::PageStats& stats, StatsShape shape);
// "rd wr mr ... ", as VmFlags shows (show_smap_vma_flags).
std::string vm_flags_text(mmu::VmFlags flags);

std::unique_ptr<VirtualFile> make_maps(VirtualAttributes attributes, std::string path, Subject subject);
std::unique_ptr<VirtualFile> make_smaps(VirtualAttributes attributes, std::string path, Subject subject);
std::unique_ptr<VirtualFile> make_smaps_rollup(VirtualAttributes attributes, std::string path, Subject subject);

}  // namespace faultline::vmm::linux_abi::proc
