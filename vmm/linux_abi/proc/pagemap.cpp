// Follows pagemap_read and pte_to_pagemap_entry of fs/proc/task_mmu.c.
#include "vmm/linux_abi/proc/pagemap.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "mmu/space/slots.hpp"

namespace faultline::vmm::linux_abi::proc {
namespace {

constexpr std::uint64_t kEntryBytes = 8;
constexpr std::uint32_t kScanCommand = 0xc0606610;  // _IOWR('f', 16, struct pm_scan_arg)

class PagemapFile final : public VirtualFile {
 public:
  PagemapFile(VirtualAttributes attributes, std::string path, Subject subject, ShowFrames show)
      : VirtualFile(attributes, std::move(path)), subject_(std::move(subject)), show_(show) {}

  [[nodiscard]] bool any_position() const override { return true; }

  [[nodiscard]] SysResult<void> may_read(std::uint64_t offset, std::uint64_t bytes) const override {
    if (offset % kEntryBytes != 0 || bytes % kEntryBytes != 0) return sys_error(EINVAL);
    return {};
  }

  SysResult<std::size_t> read(Task&, std::uint64_t offset, std::span<std::byte> to) override {
    const auto mm = subject_.mm.lock();
    if (!mm) return 0;
    const std::uint64_t end = mm->task_size().page().raw(), first = std::min(offset / kEntryBytes, end);
    const std::uint64_t count = std::min<std::uint64_t>(to.size() / kEntryBytes, end - first);
    const auto bytes = to.first(count * kEntryBytes);
    std::memset(bytes.data(), 0, bytes.size());
    const Gva start(first << kPageShift);
    mmu::for_each_slot(*mm, start, start + (count << kPageShift), [&](mmu::PteSlot slot, Gva va) {
      const std::uint64_t entry = pagemap_entry(mmu::view_page(*mm, slot.load()), show_);
      std::memcpy(bytes.data() + (va.page() - start.page()) * kEntryBytes, &entry, kEntryBytes);
    });
    return bytes.size();
  }

  SyscallValue ioctl(Task& caller, std::uint32_t command, Gva argument) override {
    const auto mm = subject_.mm.lock();
    if (command != kScanCommand || !mm) return sys_error(EINVAL);
    return pagemap_scan(caller, *mm, argument);
  }

 private:
  Subject subject_;
  ShowFrames show_;
};

}  // namespace

std::uint64_t pagemap_entry(const mmu::PageView& page, ShowFrames show) {
  constexpr std::uint64_t kPresent = 1ULL << 63, kSwap = 1ULL << 62, kFile = 1ULL << 61, kGuard = 1ULL << 58;
  constexpr std::uint64_t kUffdWp = 1ULL << 57, kExclusive = 1ULL << 56;
  std::uint64_t entry = 0;
  if (page.present) entry |= kPresent;
  if (show == ShowFrames::kYes) entry |= page.present ? page.frame.raw() : page.swap;
  if (page.swapped) entry |= kSwap;
  if (page.guard) entry |= kGuard;
  if (page.write_watched) entry |= kUffdWp;
  if (page.file) entry |= kFile;
  if (page.present && page.counted && page.mapcount == 1) entry |= kExclusive;
  return entry;
}

std::unique_ptr<VirtualFile> make_pagemap(VirtualAttributes attributes, std::string path, Subject subject,
                                          ShowFrames show) {
  return std::make_unique<PagemapFile>(attributes, std::move(path), std::move(subject), show);
}

}  // namespace faultline::vmm::linux_abi::proc
