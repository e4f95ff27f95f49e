// Moving bytes between guest buffers and a host descriptor.
#pragma once

#include <optional>
#include <vector>

#include "vmm/linux_abi/support.hpp"
#include "vmm/linux_abi/user_io.hpp"

namespace faultline::vmm::linux_abi {

// PIPE_BUF: what a writable pipe takes without blocking; a socket as well.
inline constexpr std::uint64_t kPipeChunk = 4096;

// read(2) and pread(2) in every form; `offset` absent: at the file's position. Counts are the
// kernel's: a page that cannot be written ends the transfer, EFAULT only when nothing moved.
SyscallValue read_file(Task& task, const std::shared_ptr<OpenFile>& file, std::vector<UserBuffer> buffers,
                       std::optional<std::uint64_t> offset);
// write(2) and pwrite(2). A broken pipe queues SIGPIPE, a file that may not grow that far SIGXFSZ.
SyscallValue write_file(Task& task, const std::shared_ptr<OpenFile>& file, std::vector<UserBuffer> buffers,
                        std::optional<std::uint64_t> offset);

// While it lives, the signals of calls on the host that write (SIGPIPE, SIGXFSZ) do not come to us:
// they are the task's, which has them queued at the end.
class WriteSignals {
 public:
  explicit WriteSignals(Task& task);
  ~WriteSignals();
  WriteSignals(const WriteSignals&) = delete;
  WriteSignals& operator=(const WriteSignals&) = delete;

 private:
  Task& task_;
  sigset_t ours_, saved_;
};

}  // namespace faultline::vmm::linux_abi
