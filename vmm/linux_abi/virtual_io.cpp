#include "vmm/linux_abi/virtual_io.hpp"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "vmm/linux_abi/virtual_file.hpp"

namespace faultline::vmm::linux_abi {
namespace {

constexpr std::size_t kChunk = 64 * 1024;

// One buffer. Bytes moved; an error only when none were.
SyscallValue read_buffer(Task& task, VirtualFile& file, UserBuffer to, std::uint64_t offset) {
  if (auto may = file.may_read(offset, to.length); !may) return propagate(may);
  std::vector<std::byte> bounce(std::min<std::uint64_t>(to.length, kChunk));
  std::uint64_t moved = 0;
  while (moved < to.length) {
    const auto part = std::span(bounce).first(std::min<std::uint64_t>(bounce.size(), to.length - moved));
    const auto got = file.read(task, offset + moved, part);
    if (!got) return moved > 0 ? SyscallValue(moved) : propagate(got);
    const std::uint64_t missed = mmu::copy_to_user(task.mm(), Gva(to.address + moved), part.first(*got));
    moved += *got - missed;
    if (missed != 0) return moved > 0 ? SyscallValue(moved) : SyscallValue(sys_error(EFAULT));
    if (*got < part.size()) break;
  }
  return moved;
}

SyscallValue write_buffer(Task& task, VirtualFile& file, UserBuffer from, std::uint64_t offset) {
  std::vector<std::byte> bounce(std::min<std::uint64_t>(from.length, file.write_chunk()));
  std::uint64_t moved = 0;
  do {
    auto part = std::span(bounce).first(std::min<std::uint64_t>(bounce.size(), from.length - moved));
    const std::uint64_t missed = mmu::copy_from_user(task.mm(), part, Gva(from.address + moved));
    const bool whole = missed == 0;
    part = part.first(part.size() - missed);
    if (!whole && part.empty()) return moved > 0 ? SyscallValue(moved) : SyscallValue(sys_error(EFAULT));
    const auto taken = file.write(task, offset + moved, part);
    if (!taken) return moved > 0 ? SyscallValue(moved) : propagate(taken);
    moved += *taken;
    if (*taken < part.size() || !whole) break;
  } while (moved < from.length);
  return moved;
}

using Step = SyscallValue (*)(Task&, VirtualFile&, UserBuffer, std::uint64_t);

SyscallValue transfer(Task& task, const OpenFile& file, std::span<const UserBuffer> buffers,
                      std::optional<std::uint64_t> offset, Step step) {
  std::uint64_t at = offset ? *offset : file.virtual_position(), moved = 0, wanted = 0;
  for (const UserBuffer& buffer : buffers) wanted += buffer.length;
  // rw_verify_area: no file reaches that far.
  const bool any = file.virtual_file()->unsigned_position();
  const std::uint64_t largest = any ? ~0ULL : ~0ULL >> 1;
  if (at > largest - std::min(wanted, largest)) return sys_error(any ? EOVERFLOW : EINVAL);
  for (const UserBuffer& buffer : buffers) {
    const SyscallValue n = step(task, *file.virtual_file(), buffer, at);
    if (!n && moved == 0) return n;
    if (!n) break;
    moved += *n;
    at += *n;
    if (*n < buffer.length) break;
  }
  if (!offset) file.set_virtual_position(at);
  return moved;
}

// One record of getdents64; false when `out` has no room for it.
bool append(std::vector<std::byte>& out, std::size_t limit, const VirtualEntry& entry, std::uint64_t next) {
  constexpr std::size_t kHeader = 19;  // d_ino, d_off, d_reclen, d_type
  const std::size_t bytes = (kHeader + entry.name.size() + 1 + 7) & ~std::size_t{7};
  if (out.size() + bytes > limit) return false;
  const std::size_t at = out.size();
  out.resize(at + bytes);
  const auto length = static_cast<std::uint16_t>(bytes);
  std::memcpy(out.data() + at, &entry.inode, 8);
  std::memcpy(out.data() + at + 8, &next, 8);
  std::memcpy(out.data() + at + 16, &length, 2);
  std::memcpy(out.data() + at + 18, &entry.type, 1);
  std::memcpy(out.data() + at + kHeader, entry.name.c_str(), entry.name.size() + 1);
  return true;
}

}  // namespace

SyscallValue read_virtual(Task& task, const OpenFile& file, std::span<const UserBuffer> buffers,
                          std::optional<std::uint64_t> offset) {
  return transfer(task, file, buffers, offset, read_buffer);
}

SyscallValue write_virtual(Task& task, const OpenFile& file, std::span<const UserBuffer> buffers,
                           std::optional<std::uint64_t> offset) {
  return transfer(task, file, buffers, offset, write_buffer);
}

SyscallValue seek_virtual(const OpenFile& file, std::int64_t offset, int whence) {
  if (whence != SEEK_SET && whence != SEEK_CUR) return sys_error(EINVAL);
  const auto base = static_cast<std::int64_t>(whence == SEEK_CUR ? file.virtual_position() : 0);
  std::int64_t to = 0;
  if (__builtin_add_overflow(base, offset, &to)) return sys_error(EINVAL);
  if (to < 0 && !file.virtual_file()->any_position()) return sys_error(EINVAL);
  file.set_virtual_position(static_cast<std::uint64_t>(to));
  return static_cast<std::uint64_t>(to);
}

SyscallValue list_virtual(Task& task, const OpenFile& file, Gva to, std::uint32_t bytes) {
  const auto entries = file.virtual_file()->list(task);
  if (!entries) return propagate(entries);
  const std::size_t limit = std::min<std::size_t>(bytes, kChunk);
  std::vector<std::byte> out;
  std::uint64_t at = file.virtual_position();
  for (; at < entries->size(); ++at) {
    if (!append(out, limit, (*entries)[at], at + 1)) break;
  }
  if (out.empty()) return at < entries->size() ? SyscallValue(sys_error(EINVAL)) : SyscallValue(0);
  if (mmu::copy_to_user(task.mm(), to, out) != 0) return sys_error(EFAULT);
  file.set_virtual_position(at);
  return out.size();
}

}  // namespace faultline::vmm::linux_abi
