// An open(2) that waits for the other end of a named pipe. The host makes the two ends meet,
// whoever opens the other: the call is made by a thread of its own, so that the guest's other
// processes, one of which may be the other end, go on.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "mmu/base/result.hpp"
#include "vmm/host/handles.hpp"

namespace faultline::vmm::linux_abi {

class BlockingOpen {
 public:
  // Opens the pipe that `pipe`, an O_PATH descriptor, stands for. Nothing: the host has no more
  // threads or descriptors.
  static std::shared_ptr<BlockingOpen> start(FileDescriptor pipe, int flags);
  ~BlockingOpen();  // gives up
  BlockingOpen(const BlockingOpen&) = delete;
  BlockingOpen& operator=(const BlockingOpen&) = delete;

  // Readable once there is a result.
  [[nodiscard]] int event_fd() const { return event_.get(); }
  // The descriptor or the error, once.
  std::optional<SysResult<FileDescriptor>> take();

 private:
  BlockingOpen(FileDescriptor pipe, FileDescriptor event, int flags);
  void run();

  FileDescriptor pipe_, event_;
  int flags_;
  std::atomic<int> tid_{0};
  std::atomic<bool> giving_up_{false}, done_{false};
  int result_ = -1, error_ = 0;  // written before done_
  std::thread thread_;
};

}  // namespace faultline::vmm::linux_abi
