// read, write and their vectored and positioned forms; lseek.
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/stream.hpp"
#include "vmm/linux_abi/virtual_io.hpp"

namespace faultline::vmm::linux_abi {
namespace {

using Transfer = SyscallValue (*)(Task&, const std::shared_ptr<OpenFile>&, std::vector<UserBuffer>,
                                  std::optional<std::uint64_t>);

SyscallValue one_buffer(Task& task, const SyscallArgs& args, Transfer transfer, std::optional<std::uint64_t> offset) {
  auto file = io_file(task, args.i32(0));
  if (!file) return propagate(file);
  auto buffers = import_buffer(task.mm(), args[1], args[2]);
  if (!buffers) return propagate(buffers);
  return transfer(task, *file, std::move(*buffers), offset);
}

SyscallValue many_buffers(Task& task, const SyscallArgs& args, Transfer transfer, std::optional<std::uint64_t> offset) {
  auto file = io_file(task, args.i32(0));
  if (!file) return propagate(file);
  auto buffers = import_iovec(task.mm(), args[1], args[2]);
  if (!buffers) return propagate(buffers);
  return transfer(task, *file, std::move(*buffers), offset);
}

// preadv2 and pwritev2: offset -1 is the file's position. Per-call flags are not served.
SyscallValue many_with_flags(Task& task, const SyscallArgs& args, Transfer transfer) {
  if (args.i32(5) != 0) return sys_error(EOPNOTSUPP);
  const bool at_position = args[3] == ~std::uint64_t{0};
  return many_buffers(task, args, transfer, at_position ? std::nullopt : std::optional(args[3]));
}

SyscallValue sys_read(Task& t, const SyscallArgs& a) { return one_buffer(t, a, read_file, std::nullopt); }
SyscallValue sys_write(Task& t, const SyscallArgs& a) { return one_buffer(t, a, write_file, std::nullopt); }
SyscallValue sys_pread64(Task& t, const SyscallArgs& a) { return one_buffer(t, a, read_file, a[3]); }
SyscallValue sys_pwrite64(Task& t, const SyscallArgs& a) { return one_buffer(t, a, write_file, a[3]); }
SyscallValue sys_readv(Task& t, const SyscallArgs& a) { return many_buffers(t, a, read_file, std::nullopt); }
SyscallValue sys_writev(Task& t, const SyscallArgs& a) { return many_buffers(t, a, write_file, std::nullopt); }
SyscallValue sys_preadv(Task& t, const SyscallArgs& a) { return many_buffers(t, a, read_file, a[3]); }
SyscallValue sys_pwritev(Task& t, const SyscallArgs& a) { return many_buffers(t, a, write_file, a[3]); }
SyscallValue sys_preadv2(Task& t, const SyscallArgs& a) { return many_with_flags(t, a, read_file); }
SyscallValue sys_pwritev2(Task& t, const SyscallArgs& a) { return many_with_flags(t, a, write_file); }

SyscallValue sys_lseek(Task& task, const SyscallArgs& args) {
  auto file = io_file(task, args.i32(0));
  if (!file) return propagate(file);
  if ((*file)->virtual_file() != nullptr) return seek_virtual(**file, static_cast<std::int64_t>(args[1]), args.i32(2));
  return host_result(::lseek((*file)->host_fd(), static_cast<off_t>(args[1]), args.i32(2)));
}

}  // namespace

std::span<const SyscallEntry> io_syscalls() {
  static constexpr SyscallEntry kEntries[] = {
      {SYS_read, sys_read},       {SYS_write, sys_write},       {SYS_lseek, sys_lseek},
      {SYS_pread64, sys_pread64}, {SYS_pwrite64, sys_pwrite64}, {SYS_readv, sys_readv},
      {SYS_writev, sys_writev},   {SYS_preadv, sys_preadv},     {SYS_pwritev, sys_pwritev},
      {SYS_preadv2, sys_preadv2}, {SYS_pwritev2, sys_pwritev2},
  };
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi
