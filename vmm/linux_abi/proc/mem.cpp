// Follows mem_rw (fs/proc/base.c) and __access_remote_vm with FOLL_FORCE (mm/memory.c): a page
// that may not be read is read, one that may not be written becomes a private copy, and what
// others would see is left alone.
#include "vmm/linux_abi/proc/mem.hpp"

#include <cerrno>

#include "mmu/space/uaccess.hpp"

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
    const auto mm = subject_.mm.lock();
    return mm ? moved(mmu::read_remote(*mm, to, Gva(offset)), to.size()) : 0;
  }
  SysResult<std::size_t> write(Task&, std::uint64_t offset, std::span<const std::byte> from) override {
    const auto mm = subject_.mm.lock();
    return mm ? moved(mmu::write_remote(*mm, Gva(offset), from), from.size()) : 0;
  }

 private:
  // EIO when not even the first byte can be had.
  static SysResult<std::size_t> moved(std::size_t done, std::size_t wanted) {
    if (done == 0 && wanted != 0) return sys_error(EIO);
    return done;
  }

  Subject subject_;
};

}  // namespace

std::unique_ptr<VirtualFile> make_mem(VirtualAttributes attributes, std::string path, Subject subject) {
  return std::make_unique<MemFile>(attributes, std::move(path), std::move(subject));
}

}  // namespace faultline::vmm::linux_abi::proc
