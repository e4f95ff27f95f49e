// Copies between descriptors that never pass through the guest: sendfile, copy_file_range.
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/stream.hpp"
#include "vmm/linux_abi/wait.hpp"

namespace faultline::vmm::linux_abi {
namespace {

// An offset argument by pointer: absent means the file's own position.
struct Offset {
  Gva at;
  std::optional<std::int64_t> value;

  static SysResult<Offset> read(Task& task, Gva at) {
    if (at == Gva(0)) return Offset{at, std::nullopt};
    auto value = mmu::get_user<std::int64_t>(task.mm(), at);
    if (!value) return tl::unexpected(value.error());
    return Offset{at, *value};
  }
  [[nodiscard]] off_t* pointer() { return value ? &*value : nullptr; }
  [[nodiscard]] SyscallValue write(Task& task) const { return value ? put(task, at, *value) : SyscallValue(0); }
  // Where in `file` the transfer starts.
  [[nodiscard]] std::uint64_t start(const OpenFile& file) const {
    const off_t at_now = value ? *value : ::lseek(file.host_fd(), 0, SEEK_CUR);
    return at_now < 0 ? 0 : static_cast<std::uint64_t>(at_now);
  }
};

SyscallValue sys_sendfile(Task& task, const SyscallArgs& args) {
  auto out = io_file(task, args.i32(0));
  if (!out) return propagate(out);
  auto in = io_file(task, args.i32(1));
  if (!in) return propagate(in);
  // Most files of /proc have no splice_read; callers fall back to read and write.
  if ((*in)->virtual_file() != nullptr || (*out)->virtual_file() != nullptr) return sys_error(EINVAL);
  auto offset = Offset::read(task, args.gva(2));
  if (!offset) return propagate(offset);
  if (!ready(task, *in, Wait::kReadable) || !ready(task, *out, Wait::kWritable)) return wait_on(task);
  std::uint64_t count = std::min(args[3], kMaxRwCount);
  if ((*out)->type() == S_IFIFO || (*out)->type() == S_IFSOCK) count = std::min(count, kPipeChunk);
  task.coherence().before_read(**in, offset->start(**in), count);
  const std::uint64_t to = (*out)->regular() ? Offset{}.start(**out) : 0;
  const std::uint64_t before = task.coherence().size_before(**out);
  const WriteSignals signals(task);
  const SyscallValue result = host_result(::sendfile((*out)->host_fd(), (*in)->host_fd(), offset->pointer(), count));
  if (!result) return result;
  task.coherence().after_write(**out, before, to, *result);
  const SyscallValue written = offset->write(task);
  return written ? result : written;
}

SyscallValue sys_copy_file_range(Task& task, const SyscallArgs& args) {
  auto in = io_file(task, args.i32(0));
  if (!in) return propagate(in);
  auto out = io_file(task, args.i32(2));
  if (!out) return propagate(out);
  if ((*in)->virtual_file() != nullptr || (*out)->virtual_file() != nullptr) return sys_error(EINVAL);
  auto from = Offset::read(task, args.gva(1));
  if (!from) return propagate(from);
  auto to = Offset::read(task, args.gva(3));
  if (!to) return propagate(to);
  const std::uint64_t count = std::min(args[4], kMaxRwCount);
  const std::uint64_t target = to->start(**out);
  task.coherence().before_read(**in, from->start(**in), count);
  const std::uint64_t before = task.coherence().size_before(**out);
  const WriteSignals signals(task);
  const SyscallValue result = host_result(
      ::copy_file_range((*in)->host_fd(), from->pointer(), (*out)->host_fd(), to->pointer(), count, args.u32(5)));
  if (!result) return result;
  task.coherence().after_write(**out, before, target, *result);
  for (const Offset& offset : {*from, *to}) {
    if (auto written = offset.write(task); !written) return written;
  }
  return result;
}

}  // namespace

std::span<const SyscallEntry> copy_syscalls() {
  static constexpr SyscallEntry kEntries[] = {{SYS_sendfile, sys_sendfile}, {SYS_copy_file_range, sys_copy_file_range}};
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi
