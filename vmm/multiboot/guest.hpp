// A PC just large enough for a multiboot kernel: one vCPU in 32-bit protected mode without paging, RAM
// from address 0, a serial port, a port to exit by, and KVM's interrupt controllers where it has them.
// It has nothing to do with user programs: the kernel in it is the guest's own.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "vmm/devices/debug_exit.hpp"
#include "vmm/devices/firmware_config.hpp"
#include "vmm/devices/interrupt_stub.hpp"
#include "vmm/devices/serial_port.hpp"
#include "vmm/kvm/system.hpp"
#include "vmm/multiboot/boot_info.hpp"
#include "vmm/multiboot/image.hpp"
#include "vmm/ram/guest_ram.hpp"
#include "vmm/run/limits.hpp"

namespace faultline::vmm::multiboot {

inline constexpr std::uint64_t kMinMemory = 4ULL << 20;
// Above it lie what a PC maps there and what KVM needs on VMX.
inline constexpr std::uint64_t kMaxMemory = 3ULL << 30;

enum class Interrupts : std::uint8_t { kInKernel, kStub };

struct GuestConfig {
  std::uint64_t memory_bytes = 1ULL << 30;  // whole pages, kMinMemory to kMaxMemory
  // kInKernel where KVM has it; the stub is used where not, and when it is asked for.
  Interrupts interrupts = Interrupts::kInKernel;
  SerialPort::Sink serial;
};

// How it ended.
struct Exited {
  std::uint32_t value = 0;  // written to the exit port
};
struct Limited {
  LimitKind kind;
  std::string where;
};
struct Stopped {
  int signal = 0;  // given to stop()
};
struct Died {
  std::string why;  // one line
};
using End = std::variant<Exited, Limited, Stopped, Died>;

class Guest {
 public:
  // Errors: the host's.
  static Result<std::unique_ptr<Guest>> create(const GuestConfig& config);

  // Puts the image into memory, its boot information behind it, and the vCPU at its entry.
  Result<void> load(const Image& image, const std::string& command_line, const std::optional<Module>& module);

  // Runs until it ends. Of the limits, a fault storm is no concern here.
  Result<End> run(const RunLimits& limits);

  // Makes run() return Stopped. Callable from any thread and from a signal handler.
  void stop(int signal);

  // True once run() is to end, for whoever is busy with the guest's output then. Any thread.
  [[nodiscard]] bool ending() const { return ending_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::span<std::byte> ram() const { return ram_.bytes(); }
  [[nodiscard]] Interrupts interrupts() const { return interrupts_; }

 private:
  Guest(GuestRam ram, kvm::VmFd vm, kvm::VcpuFd vcpu, Interrupts interrupts, const GuestConfig& config);
  Result<void> set_registers(std::uint32_t entry, Gpa boot_info);
  // Takes the vCPU out of the guest: a limit, or stop().
  void kick();
  Result<End> run_to_the_end(const RunLimits& limits);
  // KVM_RUN; the errno, 0 when there is an exit to look at.
  int enter();
  // What the exit asks for; an end when it cannot go on.
  std::optional<End> serve();
  void serve_ports(const kvm_run& run);
  // "eip ... cr0 ...", or nothing when it cannot be told.
  [[nodiscard]] std::string position() const;
  [[nodiscard]] Died died(const std::string& why) const;

  GuestRam ram_;
  kvm::VmFd vm_;
  kvm::VcpuFd vcpu_;
  Interrupts interrupts_;
  SerialPort serial_;
  DebugExit exit_;
  FirmwareConfig firmware_;
  InterruptStub first_controller_, second_controller_;
  PortBus bus_;
  std::atomic<bool> ending_{false};
  std::atomic<int> stop_signal_{0};
  std::atomic<pid_t> thread_{0};  // inside run(); 0: none
};

}  // namespace faultline::vmm::multiboot
