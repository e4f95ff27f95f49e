// Thin owners of the three kinds of KVM descriptors. Each ioctl is checked; a failure names the
// ioctl, what it was asked, and errno.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "mmu/base/address.hpp"
#include "mmu/base/result.hpp"
#include "vmm/host/handles.hpp"
#include "vmm/kvm/kvm_header.hpp"

namespace faultline::vmm::kvm {

// ioctl that retries on nothing and fails with "NAME: strerror". `name` is the request's name.
Result<int> checked_ioctl(int fd, unsigned long request, std::string_view name, void* argument);
Result<int> checked_ioctl(int fd, unsigned long request, std::string_view name, unsigned long argument = 0);
#define FL_KVM_IOCTL(fd, request, ...) \
  ::faultline::vmm::kvm::checked_ioctl((fd), (request), #request __VA_OPT__(, ) __VA_ARGS__)

class VcpuFd;
class VmFd;

// /dev/kvm.
class System {
 public:
  // Errors name the remedy: no such device, no permission, wrong API version.
  static Result<System> open(const char* path = "/dev/kvm");

  // KVM_CHECK_EXTENSION: 0 = absent.
  [[nodiscard]] int extension(unsigned long capability) const;
  [[nodiscard]] int api_version() const;
  // What KVM can offer a guest in CPUID.
  [[nodiscard]] Result<std::vector<kvm_cpuid_entry2>> supported_cpuid() const;
  [[nodiscard]] Result<VmFd> create_vm() const;
  [[nodiscard]] Result<std::size_t> run_mapping_size() const;

 private:
  FileDescriptor fd_;
};

class VmFd {
 public:
  explicit VmFd(FileDescriptor fd) : fd_(std::move(fd)) {}
  [[nodiscard]] int get() const { return fd_.get(); }
  [[nodiscard]] int extension(unsigned long capability) const;
  // Memory slot `slot` maps [gpa, gpa + bytes) to host memory; 0 bytes deletes it.
  Result<void> set_memory_slot(std::uint32_t slot, Gpa gpa, std::uint64_t bytes, const void* host,
                               std::uint32_t flags = 0) const;
  [[nodiscard]] Result<VcpuFd> create_vcpu(unsigned id, std::size_t run_size) const;

 private:
  FileDescriptor fd_;
};

class VcpuFd {
 public:
  VcpuFd(FileDescriptor fd, Mapping run) : fd_(std::move(fd)), run_(std::move(run)) {}
  [[nodiscard]] int get() const { return fd_.get(); }
  [[nodiscard]] kvm_run& run() const { return *reinterpret_cast<kvm_run*>(run_.data()); }

  [[nodiscard]] Result<kvm_sregs> sregs() const;
  Result<void> set_sregs(kvm_sregs sregs) const;
  [[nodiscard]] Result<kvm_regs> regs() const;
  Result<void> set_regs(kvm_regs regs) const;
  Result<void> set_cpuid(std::span<const kvm_cpuid_entry2> entries) const;
  // Fails when KVM did not take it (KVM_SET_MSRS reports how many it set).
  Result<void> set_msr(std::uint32_t index, std::uint64_t value) const;
  [[nodiscard]] Result<std::uint64_t> msr(std::uint32_t index) const;
  Result<void> set_xcr0(std::uint64_t value) const;

 private:
  FileDescriptor fd_;
  Mapping run_;
};

}  // namespace faultline::vmm::kvm
