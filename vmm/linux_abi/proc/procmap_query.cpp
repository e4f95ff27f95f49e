#include "vmm/linux_abi/proc/procmap_query.hpp"

#include <sys/sysmacros.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "vmm/linux_abi/proc/maps.hpp"
#include "vmm/linux_abi/support.hpp"

namespace faultline::vmm::linux_abi::proc {
namespace {

// struct procmap_query of linux/fs.h.
struct Query {
  std::uint64_t size, query_flags, query_addr;
  std::uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
  std::uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
  std::uint64_t vma_name_addr, build_id_addr;
};
static_assert(sizeof(Query) == 104 && (kProcmapQuery >> 16 & 0x3fff) == sizeof(Query));

constexpr std::uint64_t kReadable = 1, kWritable = 2, kExecutable = 4, kSharedVma = 8;
constexpr std::uint64_t kCoveringOrNext = 0x10, kFileBacked = 0x20, kKnownFlags = 0x3f;

std::uint64_t flags_of(mmu::VmFlags flags) {
  using F = mmu::VmFlags;
  return (flags.has(F::kRead) ? kReadable : 0) | (flags.has(F::kWrite) ? kWritable : 0) |
         (flags.has(F::kExec) ? kExecutable : 0) | (flags.has(F::kMayShare) ? kSharedVma : 0);
}

// Linux copy_struct_from_user: what we do not know must be zero.
SysResult<Query> read_query(Task& caller, Gva argument) {
  const auto size = mmu::get_user<std::uint64_t>(caller.mm(), argument);
  if (!size) return tl::unexpected(size.error());
  if (*size > kPageSize) return sys_error(E2BIG);
  if (*size < offsetof(Query, vma_start)) return sys_error(EINVAL);
  std::vector<std::byte> bytes(std::max<std::size_t>(*size, sizeof(Query)));
  if (mmu::copy_from_user(caller.mm(), std::span(bytes).first(*size), argument) != 0) return sys_error(EFAULT);
  const auto rest = std::span(bytes).subspan(sizeof(Query));
  if (std::ranges::any_of(rest, [](std::byte b) { return b != std::byte{0}; })) return sys_error(E2BIG);
  Query q;
  std::memcpy(&q, bytes.data(), sizeof q);
  const bool half_a_buffer =
      (q.vma_name_size != 0) != (q.vma_name_addr != 0) || (q.build_id_size != 0) != (q.build_id_addr != 0);
  if ((q.query_flags & ~kKnownFlags) != 0 || half_a_buffer) return sys_error(EINVAL);
  q.size = *size;
  return q;
}

// Linux query_matching_vma.
const mmu::Vma* matching_vma(const mmu::AddressSpace& mm, const Query& q) {
  const std::uint64_t wanted = q.query_flags & (kReadable | kWritable | kExecutable | kSharedVma);
  for (const mmu::Vma* vma = mm.vmas.find(Gva(q.query_addr)); vma != nullptr; vma = mm.vmas.find(vma->end)) {
    const bool covers = vma->contains(Gva(q.query_addr));
    if (!covers && (q.query_flags & kCoveringOrNext) == 0) return nullptr;
    const bool backed = (q.query_flags & kFileBacked) == 0 || vma->file;
    if (backed && (flags_of(vma->flags) & wanted) == wanted) return vma;
    if ((q.query_flags & kCoveringOrNext) == 0) return nullptr;
  }
  return nullptr;
}

void describe(const mmu::Vma& vma, Query& q) {
  q.vma_start = vma.start.raw();
  q.vma_end = vma.end.raw();
  q.vma_flags = flags_of(vma.flags);
  q.vma_page_size = kPageSize;
  q.vma_offset = q.inode = q.dev_major = q.dev_minor = q.build_id_size = 0;
  if (!vma.file) return;
  const mmu::FileId id = vma.file->file().id();
  q.vma_offset = vma.pgoff.raw() << kPageShift;
  q.inode = id.inode;
  q.dev_major = major(id.device);
  q.dev_minor = minor(id.device);
}

}  // namespace

SyscallValue procmap_query(Task& caller, const mmu::AddressSpace& mm, Gva argument) {
  auto read = read_query(caller, argument);
  if (!read) return propagate(read);
  Query& q = *read;
  const mmu::Vma* vma = matching_vma(mm, q);
  if (vma == nullptr) return sys_error(ENOENT);
  describe(*vma, q);
  const std::string name(maps_name(mm, *vma));
  const std::size_t bytes = name.empty() ? 0 : name.size() + 1;
  const Gva name_at(q.vma_name_addr);
  if (q.vma_name_size != 0 && bytes > q.vma_name_size) return sys_error(ENAMETOOLONG);
  if (q.vma_name_size != 0) {
    q.vma_name_size = static_cast<std::uint32_t>(bytes);
    const auto text = std::as_bytes(std::span(name.c_str(), bytes));
    if (bytes != 0 && mmu::copy_to_user(caller.mm(), name_at, text) != 0) return sys_error(EFAULT);
  }
  const auto answer = std::as_bytes(std::span(&q, 1)).first(std::min<std::uint64_t>(q.size, sizeof q));
  return mmu::copy_to_user(caller.mm(), argument, answer) == 0 ? SyscallValue(0) : SyscallValue(sys_error(EFAULT));
}

}  // namespace faultline::vmm::linux_abi::proc
