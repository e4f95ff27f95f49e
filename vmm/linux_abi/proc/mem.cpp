// Follows mem_rw (fs/proc/base.c) and __access_remote_vm with FOLL_FORCE (mm/memory.c): a page
// that may not be read is read, one that may not be written becomes a private copy, and what
// others would see is left alone.
#include "vmm/linux_abi/proc/mem.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "mmu/fault/fault.hpp"
#include "mmu/pgtable/editor.hpp"

namespace faultline::vmm::linux_abi::proc {
namespace {

class MemFile final : public VirtualFile {
 public:
  MemFile(VirtualAttributes attributes, std::string path, Subject subject)
      : VirtualFile(attributes, std::move(path)), subject_(std::move(subject)) {}

  [[nodiscard]] bool any_position() const override { return true; }
  [[nodiscard]] bool unsigned_position() const override { return true; }
  [[nodiscard]] std::size_t write_chunk() const override { return 64 * 1024; }

  SysResult<std::size_t> read(Task&, std::uint64_t offset, std::span<std::byte> to) override {
    return access(offset, to.size(), false, [&](std::span<std::byte> page, std::size_t done) {
      std::memcpy(to.data() + done, page.data(), page.size());
    });
  }
  SysResult<std::size_t> write(Task&, std::uint64_t offset, std::span<const std::byte> from) override {
    return access(offset, from.size(), true, [&](std::span<std::byte> page, std::size_t done) {
      std::memcpy(page.data(), from.data() + done, page.size());
    });
  }

 private:
  // EIO when not even the first byte can be had.
  template <class Move>
  SysResult<std::size_t> access(std::uint64_t offset, std::size_t bytes, bool write, Move move) {
    const auto mm = subject_.mm.lock();
    if (!mm) return 0;
    std::size_t done = 0;
    while (done < bytes && offset < mm->task_size().raw()) {
      const Gva at(offset);
      if (!mmu::fault_in_page(*mm, at, write, mmu::FaultOrigin::kGup, {.force = true, .remote = true})) break;
      const mmu::PteSlot slot = mm->tables().find(at);
      const mmu::Pte entry = slot.load();
      if (write) mark_dirty(*mm, slot, at, entry);
      const std::size_t part = std::min<std::uint64_t>(kPageSize - at.page_offset(), bytes - done);
      move(mm->frames().memory().page(entry.frame()).subspan(at.page_offset(), part), done);
      done += part;
      offset += part;
    }
    if (done == 0 && bytes != 0) return sys_error(EIO);
    return done;
  }

  // The frame is dirty (set_page_dirty_lock); an entry that the process may use says so too.
  static void mark_dirty(mmu::AddressSpace& mm, mmu::PteSlot slot, Gva at, mmu::Pte entry) {
    mmu::Frame& frame = mm.frames().at(entry.frame());
    if (frame.kind == mmu::FrameKind::kFile) frame.dirty = true;
    if (!entry.present() || entry.dirty()) return;
    mmu::TlbGather gather(mm.tables());
    mmu::PtEditor(gather).widen(slot, at.page_base(), entry, entry.with(mmu::Pte::kDirty));
  }

  Subject subject_;
};

}  // namespace

std::unique_ptr<VirtualFile> make_mem(VirtualAttributes attributes, std::string path, Subject subject) {
  return std::make_unique<MemFile>(attributes, std::move(path), std::move(subject));
}

}  // namespace faultline::vmm::linux_abi::proc
