// Moving bytes between guest buffers and a host descriptor.
#pragma once

#include <optional>
#include <vector>

#include "vmm/linux_abi/support.hpp"
#include "vmm/linux_abi/user_io.hpp"

namespace faultline::vmm::linux_abi {

// read(2) and pread(2) in every form; `offset` absent: at the file's position. Counts are the
// kernel's: a page that cannot be written ends the transfer, EFAULT only when nothing moved.
SyscallValue read_file(Task& task, const std::shared_ptr<OpenFile>& file, std::vector<UserBuffer> buffers,
                       std::optional<std::uint64_t> offset);
// write(2) and pwrite(2). A broken pipe queues SIGPIPE.
SyscallValue write_file(Task& task, const std::shared_ptr<OpenFile>& file, std::vector<UserBuffer> buffers,
                        std::optional<std::uint64_t> offset);

// The call on the host that may raise SIGPIPE in us, without letting it.
class SigpipeGuard {
 public:
  SigpipeGuard();
  ~SigpipeGuard();
  SigpipeGuard(const SigpipeGuard&) = delete;
  SigpipeGuard& operator=(const SigpipeGuard&) = delete;

 private:
  sigset_t saved_;
};

}  // namespace faultline::vmm::linux_abi
