// /proc/PID/pagemap: eight bytes for each page of the address space, and the PAGEMAP_SCAN ioctl.
#pragma once

#include <memory>

#include "mmu/space/page_stats.hpp"
#include "vmm/linux_abi/proc/subject.hpp"
#include "vmm/linux_abi/virtual_file.hpp"

namespace faultline::vmm::linux_abi::proc {

// The entry of one page (Linux pte_to_pagemap_entry); frame numbers only for the privileged.
enum class ShowFrames : std::uint8_t { kNo, kYes };
std::uint64_t pagemap_entry(const mmu::PageView& page, ShowFrames show);

// PAGEMAP_SCAN over `mm` with the caller's struct pm_scan_arg (do_pagemap_scan).
SyscallValue pagemap_scan(Task& caller, const mmu::AddressSpace& mm, Gva argument);

std::unique_ptr<VirtualFile> make_pagemap(VirtualAttributes attributes, std::string path, Subject subject,
                                          ShowFrames show);

}  // namespace faultline::vmm::linux_abi::proc
