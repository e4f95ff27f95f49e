// The process that runs guest code: its life, its mapping calls, its stops. Knows nothing of page
// tables. One thread drives it; interrupt() alone may be called from others.
//
// Guest code runs until a signal stops it: an exception, a system call (SIGSYS, before it
// executes) or interrupt(). The kernel then leaves the guest's registers in a frame on the stub's
// signal stack, in memory that both processes map, and the stub waits. resume() first has the
// queued mapping calls made, then lets the frame be restored.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/hosted/kernel_frame.hpp"
#include "vmm/hosted/stub_area.hpp"
#include "vmm/ram/guest_ram.hpp"

namespace faultline::vmm::hosted {

// Protection of a mapping: PROT_READ, PROT_WRITE, PROT_EXEC of mmap.
using Protection = int;

class StubProcess {
 public:
  // A stub that has nothing mapped but its own region, at its first stop. Error: this host
  // cannot run one; says what is missing.
  static Result<std::unique_ptr<StubProcess>> start(const GuestRam& ram, StubPlace place);
  // Replaces the process by a new one, just started, whose region is at `place`. Precondition:
  // stopped. On an error the old one stays.
  Result<void> move_to(const GuestRam& ram, StubPlace place);
  [[nodiscard]] StubPlace place() const { return place_; }
  ~StubProcess();  // kills it; no process is left
  StubProcess(const StubProcess&) = delete;
  StubProcess& operator=(const StubProcess&) = delete;

  // Queues: map `bytes` of guest RAM from `from` at `at`, over what is there. `populate`: with
  // the host's page tables filled as well.
  void map(Gva at, std::uint64_t bytes, Gpa from, Protection protection, bool populate);
  // Queues: remove what is mapped in [start, end), which may span the stub's region.
  void unmap(Gva start, Gva end);
  // Queues: remove everything. What was queued before it is dropped.
  void unmap_all();
  // Makes the queued calls without letting the guest run.
  Result<void> settle();

  // Makes the queued calls and lets the guest run. Precondition: stopped.
  Result<void> resume();

  enum class Wait : std::uint8_t { kStopped, kDead };
  // Waits for the next stop. While `urgent` is set the guest is interrupted again and again, and
  // killed when it doesn't stop for it within seconds.
  Wait wait(const std::atomic<bool>& urgent);
  // Ends it for good; `why` is its obituary.
  void kill(std::string why);
  // Stops guest code soon. Async-signal-safe.
  void interrupt() const;

  // The registers that the kernel saved, copied: guest code that goes astray cannot change them
  // afterwards. False: there is no frame where one must be. Precondition: stopped.
  [[nodiscard]] bool load_frame(KernelFrame& frame) const;
  // What resume() restores. Signal mask and stack are the stub's own in any case.
  void store_frame(const KernelFrame& frame);
  // The XSAVE area of the last frame loaded; empty when there is none.
  [[nodiscard]] std::span<std::byte> xsave_area(const KernelFrame& frame) const;

  [[nodiscard]] std::uint64_t fs_base() const { return area_->data.fs_base; }
  [[nodiscard]] std::uint64_t gs_base() const { return area_->data.gs_base; }
  void set_fs_base(std::uint64_t base) { area_->data.fs_base = base; }
  void set_gs_base(std::uint64_t base) { area_->data.gs_base = base; }

  // Whether CPUID raises #GP in it, as asked for; else user code sees the host's own answers.
  [[nodiscard]] bool cpuid_faults() const { return cpuid_faults_; }

  // Of a dead stub: how it ended, in one line.
  [[nodiscard]] const std::string& obituary() const { return obituary_; }
  // The process id; for tests.
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  StubProcess() = default;
  Result<void> spawn(const GuestRam& ram);
  [[nodiscard]] std::uint64_t stack_start() const { return place_.at(FLH_STACK).raw(); }
  void queue(StubCall call);
  Result<void> command(std::span<const StubCall> calls, bool resume);
  Result<void> make_calls(bool resume);
  Result<void> await_ack();
  [[nodiscard]] bool died();
  [[nodiscard]] std::atomic_ref<std::uint32_t> state() const { return std::atomic_ref(area_->data.state); }

  StubPlace place_;
  FileDescriptor region_, command_, ack_;
  FileDescriptor command_end_;  // the stub's, kept: a write for a dead stub must not raise SIGPIPE
  Mapping mapping_;
  StubArea* area_ = nullptr;
  pid_t pid_ = 0;  // 0: reaped
  std::atomic<pid_t> thread_{0};
  std::atomic<pid_t> group_{0};
  bool cpuid_faults_ = false;
  std::vector<StubCall> calls_;
  std::string obituary_;
};

}  // namespace faultline::vmm::hosted
