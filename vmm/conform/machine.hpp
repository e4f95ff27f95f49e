// The virtual machine in which cases run: one vCPU, its own descriptor tables and supervisor
// code, no devices.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "tests/model/cpu.hpp"
#include "vmm/conform/layout.hpp"
#include "vmm/kvm/system.hpp"
#include "vmm/ram/guest_ram.hpp"

namespace faultline::vmm::conform {

// What KVM says that it can do, as far as it concerns paging.
struct Offered {
  std::vector<kvm_cpuid_entry2> cpuid;
  model::Cpu cpu;
  bool nx = false, smep = false, smap = false, pku = false, pks = false, la57 = false, pcid = false, invpcid = false;
};
Result<Offered> offered(const kvm::System& system);

class Machine {
 public:
  // Error: this KVM refuses the paging mode, or something more basic.
  static Result<std::unique_ptr<Machine>> create(const kvm::System& system, const Offered& offered,
                                                 model::Paging paging);

  // The host's view of guest-physical [at, at + bytes).
  [[nodiscard]] std::span<std::byte> memory(Gpa at, std::uint64_t bytes) const;
  // Runs supervisor code at kCode until its OUT. Error: how the vCPU died.
  Result<void> run(std::chrono::milliseconds limit);
  [[nodiscard]] const kvm::VcpuFd& vcpu() const { return vcpu_; }
  [[nodiscard]] std::chrono::nanoseconds time_in_guest() const { return in_guest_; }

 private:
  Machine(GuestRam ram, kvm::VmFd vm, kvm::VcpuFd vcpu)
      : ram_(std::move(ram)), vm_(std::move(vm)), vcpu_(std::move(vcpu)) {}
  void store(Gpa at, std::uint64_t value) const;
  void store4(Gpa at, std::uint64_t value) const;
  // machine_memory.cpp
  void fill_memory(model::Paging paging) const;
  void fill_for_64_bit_code(model::Paging paging) const;
  void fill_for_32_bit_code(model::Paging paging) const;
  void fill_pae_tables() const;
  void fill_two_level_tables() const;
  void fill_window_directories() const;
  void fill_user_table() const;
  void fill_read_only_tables() const;
  Result<void> set_start_state(const Offered& offered, model::Paging paging);
  [[nodiscard]] std::string describe_death() const;

  GuestRam ram_;
  kvm::VmFd vm_;
  kvm::VcpuFd vcpu_;
  std::chrono::nanoseconds in_guest_{0};
};

}  // namespace faultline::vmm::conform
