// A task on a vCPU that runs nothing: tests put a system call in its registers and look at
// what comes out. `scratch` is 16 pages of guest memory, with unmapped space behind.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <array>
#include <memory>
#include <string>

#include "mmu/space/operations.hpp"
#include "mmu/space/uaccess.hpp"
#include "tests/support/scratch_folder.hpp"
#include "tests/unit/linux_abi/fake_vcpu.hpp"
#include "tests/unit/support/guest_memory.hpp"
#include "vmm/host/clock.hpp"
#include "vmm/linux_abi/process_table.hpp"
#include "vmm/run/scheduler.hpp"

namespace faultline::test {

namespace abi = vmm::linux_abi;

class TaskTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kScratch = 0x10000000, kScratchBytes = 16 * kPageSize;
  static constexpr int kPid = 4242;
  static constexpr std::size_t kMaxProcesses = 16;
  static constexpr std::uint64_t kRip = 0x401002;

  TaskTest() { start({}); }

  // A fresh task under another policy.
  void start(abi::FilesPolicy policy) {
    processes.reset();
    auto fs = abi::FileSystem::create(std::move(policy));
    ASSERT_TRUE(fs) << fs.error().message;
    std::shared_ptr<mmu::AddressSpace> mm = mmu::AddressSpace::create(memory.env);
    mm->mmap_base = Gva(0x7ffff7ff7000);
    abi::TaskConfig config;
    config.pid = kPid;
    config.program_path = program_path;
    config.program = program;
    config.memory_bytes = memory.frames.total_frames() * kPageSize;
    config.inherit_stdio = false;
    processes.emplace(kMaxProcesses);
    task = &processes->add_first(
        std::make_unique<abi::Task>(std::move(config), std::move(mm), vcpu, std::move(*fs), *processes));
    map(kScratch, kScratchBytes, PROT_READ | PROT_WRITE);
    vcpu.edit_regs().rip = kRip;
    vcpu.edit_regs()[vmm::UserRegs::kRsp] = kScratch + kScratchBytes - 0x100;
  }

  void map(std::uint64_t at, std::uint64_t bytes, int prot) {
    const auto done = mmu::do_mmap(
        mm(), {.address = at, .length = bytes, .prot = prot, .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED});
    ASSERT_TRUE(done) << done.error().value();
  }

  // One round: the system call, and signals as before a resume.
  template <class... Args>
  std::int64_t once(std::uint64_t number, Args... args) {
    const std::array<std::uint64_t, 6> a{static_cast<std::uint64_t>(args)...};
    vmm::UserRegs& r = vcpu.edit_regs();
    using R = vmm::UserRegs;
    r[R::kRax] = number;
    r[R::kRdi] = a[0], r[R::kRsi] = a[1], r[R::kRdx] = a[2], r[R::kR10] = a[3], r[R::kR8] = a[4], r[R::kR9] = a[5];
    r.rip = kRip;
    task->on_syscall();
    if (!task->blocked()) task->deliver_signals();
    return task->blocked() ? -abi::kBlocked : static_cast<std::int64_t>(vcpu.regs()[R::kRax]);
  }
  // Until it has a result: restarts are made and waits are waited out, as the run loop would.
  template <class... Args>
  std::int64_t call(std::uint64_t number, Args... args) {
    for (;;) {
      const std::int64_t result = wait_out(once(number, args...));
      if (task->exit_status() || vcpu.regs().rip != kRip - 2) return result;
    }
  }
  // What becomes of a call that once() may have left blocked.
  std::int64_t wait_out(std::int64_t result) {
    while (task->blocked()) {
      vmm::Scheduler scheduler(vcpu, *processes);
      if (!scheduler.next(vmm::monotonic_ns()).value()) continue;
      task->retry_syscall();
      if (task->blocked()) continue;
      task->deliver_signals();
      result = static_cast<std::int64_t>(vcpu.regs()[vmm::UserRegs::kRax]);
    }
    return result;
  }

  std::uint64_t put_string(const std::string& text, std::uint64_t at = kScratch) {
    EXPECT_EQ(mmu::copy_to_user(mm(), Gva(at), std::as_bytes(std::span(text.c_str(), text.size() + 1))), 0u);
    return at;
  }
  std::string get_bytes(std::uint64_t at, std::size_t n) {
    std::string text(n, '\0');
    EXPECT_EQ(mmu::copy_from_user(mm(), std::as_writable_bytes(std::span(text)), Gva(at)), 0u);
    return text;
  }
  template <class T>
  void put(std::uint64_t at, const T& value) {
    ASSERT_TRUE(mmu::put_user(mm(), Gva(at), value));
  }
  template <class T>
  T get(std::uint64_t at) {
    return mmu::get_user<T>(mm(), Gva(at)).value();
  }
  int open(const std::string& path, int flags, int mode = 0644) {
    return static_cast<int>(call(SYS_open, put_string(path, kScratch + kScratchBytes - kPageSize), flags, mode));
  }

  mmu::AddressSpace& mm() { return task->mm(); }

  // What the next start() takes: a path, and the program open where somebody asks for it.
  std::string program_path = "/usr/bin/guest";
  std::shared_ptr<const vmm::FileDescriptor> program;

  GuestMemory memory;
  FakeVcpu vcpu;
  std::optional<abi::ProcessTable> processes;
  abi::Task* task = nullptr;
  ScratchFolder folder;
};

}  // namespace faultline::test
