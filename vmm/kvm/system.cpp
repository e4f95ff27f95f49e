#include "vmm/kvm/system.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>

#include <cstring>

namespace faultline::vmm::kvm {
namespace {

constexpr std::uint32_t kMaxCpuidEntries = 512;

// A structure of KVM's that ends in an array: header and entries in one buffer.
template <class Header, class Entry>
class WithArray {
 public:
  explicit WithArray(std::size_t entries) : storage_(words(entries)) {}
  [[nodiscard]] Header* header() { return reinterpret_cast<Header*>(storage_.data()); }

 private:
  static std::size_t words(std::size_t entries) {
    return (sizeof(Header) + entries * sizeof(Entry) + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t);
  }
  std::vector<std::uint64_t> storage_;
};
using CpuidBuffer = WithArray<kvm_cpuid2, kvm_cpuid_entry2>;
using MsrBuffer = WithArray<kvm_msrs, kvm_msr_entry>;

Result<void> drop_value(const Result<int>& result) {
  if (!result) return tl::unexpected(result.error());
  return {};
}

}  // namespace

Result<int> checked_ioctl(int fd, unsigned long request, std::string_view name, void* argument) {
  const int value = ::ioctl(fd, request, argument);
  if (value < 0) return fail(fmt::format("{}: {}", name, std::strerror(errno)));
  return value;
}

Result<int> checked_ioctl(int fd, unsigned long request, std::string_view name, unsigned long argument) {
  return checked_ioctl(fd, request, name, reinterpret_cast<void*>(argument));
}

Result<System> System::open(const char* path) {
  System system;
  system.fd_ = FileDescriptor(::open(path, O_RDWR | O_CLOEXEC));
  if (!system.fd_.valid()) {
    switch (errno) {
      case ENOENT:
        return fail(
            fmt::format("{}: no such device; load a KVM module (modprobe kvm_intel or kvm_amd) on a machine "
                        "whose CPU has virtualization, enabled in the firmware",
                        path));
      case EACCES:
      case EPERM:
        return fail(
            fmt::format("{}: permission denied; add yourself to the group kvm (usermod -aG kvm $USER, then "
                        "log in again), or run as root",
                        path));
      default: return fail(fmt::format("{}: {}", path, std::strerror(errno)));
    }
  }
  const int version = system.api_version();
  if (version != KVM_API_VERSION) {
    return fail(fmt::format("{}: KVM API version {}, but {} is needed", path, version, KVM_API_VERSION));
  }
  return system;
}

int System::extension(unsigned long capability) const { return ::ioctl(fd_.get(), KVM_CHECK_EXTENSION, capability); }

int System::api_version() const { return ::ioctl(fd_.get(), KVM_GET_API_VERSION, 0); }

Result<std::vector<kvm_cpuid_entry2>> System::supported_cpuid() const {
  CpuidBuffer buffer(kMaxCpuidEntries);
  buffer.header()->nent = kMaxCpuidEntries;
  const auto done = FL_KVM_IOCTL(fd_.get(), KVM_GET_SUPPORTED_CPUID, buffer.header());
  if (!done) return tl::unexpected(done.error());
  const kvm_cpuid_entry2* entries = buffer.header()->entries;
  return std::vector<kvm_cpuid_entry2>(entries, entries + buffer.header()->nent);
}

Result<VmFd> System::create_vm() const {
  const auto fd = FL_KVM_IOCTL(fd_.get(), KVM_CREATE_VM, 0UL);
  if (!fd) return tl::unexpected(fd.error());
  return VmFd(FileDescriptor(*fd));
}

Result<std::size_t> System::run_mapping_size() const {
  const auto size = FL_KVM_IOCTL(fd_.get(), KVM_GET_VCPU_MMAP_SIZE);
  if (!size) return tl::unexpected(size.error());
  return static_cast<std::size_t>(*size);
}

int VmFd::extension(unsigned long capability) const { return ::ioctl(fd_.get(), KVM_CHECK_EXTENSION, capability); }

Result<void> VmFd::set_memory_slot(std::uint32_t slot, Gpa gpa, std::uint64_t bytes, const void* host,
                                   std::uint32_t flags) const {
  kvm_userspace_memory_region region{};
  region.slot = slot;
  region.flags = flags;
  region.guest_phys_addr = gpa.raw();
  region.memory_size = bytes;
  region.userspace_addr = reinterpret_cast<std::uintptr_t>(host);
  if (::ioctl(fd_.get(), KVM_SET_USER_MEMORY_REGION, &region) == 0) return {};
  return fail(fmt::format("KVM_SET_USER_MEMORY_REGION slot {} at {:#x}, {} bytes: {}", slot, gpa.raw(), bytes,
                          std::strerror(errno)));
}

Result<VcpuFd> VmFd::create_vcpu(unsigned id, std::size_t run_size) const {
  const auto raw = FL_KVM_IOCTL(fd_.get(), KVM_CREATE_VCPU, static_cast<unsigned long>(id));
  if (!raw) return tl::unexpected(raw.error());
  FileDescriptor fd(*raw);
  void* run = ::mmap(nullptr, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (run == MAP_FAILED) return fail(fmt::format("cannot map the run area of vCPU {}: {}", id, std::strerror(errno)));
  return VcpuFd(std::move(fd), Mapping(run, run_size));
}

Result<kvm_sregs> VcpuFd::sregs() const {
  kvm_sregs sregs{};
  const auto done = FL_KVM_IOCTL(get(), KVM_GET_SREGS, &sregs);
  if (!done) return tl::unexpected(done.error());
  return sregs;
}

Result<void> VcpuFd::set_sregs(kvm_sregs sregs) const { return drop_value(FL_KVM_IOCTL(get(), KVM_SET_SREGS, &sregs)); }

Result<kvm_regs> VcpuFd::regs() const {
  kvm_regs regs{};
  const auto done = FL_KVM_IOCTL(get(), KVM_GET_REGS, &regs);
  if (!done) return tl::unexpected(done.error());
  return regs;
}

Result<void> VcpuFd::set_regs(kvm_regs regs) const { return drop_value(FL_KVM_IOCTL(get(), KVM_SET_REGS, &regs)); }

Result<void> VcpuFd::set_cpuid(std::span<const kvm_cpuid_entry2> entries) const {
  CpuidBuffer buffer(entries.size());
  buffer.header()->nent = static_cast<std::uint32_t>(entries.size());
  std::memcpy(buffer.header()->entries, entries.data(), entries.size_bytes());
  return drop_value(FL_KVM_IOCTL(get(), KVM_SET_CPUID2, buffer.header()));
}

Result<void> VcpuFd::set_msr(std::uint32_t index, std::uint64_t value) const {
  MsrBuffer buffer(1);
  buffer.header()->nmsrs = 1;
  buffer.header()->entries[0] = {.index = index, .reserved = 0, .data = value};
  const auto done = FL_KVM_IOCTL(get(), KVM_SET_MSRS, buffer.header());
  if (!done) return tl::unexpected(done.error());
  if (*done != 1) return fail(fmt::format("KVM_SET_MSRS: MSR {:#x} refused", index));
  return {};
}

Result<std::uint64_t> VcpuFd::msr(std::uint32_t index) const {
  MsrBuffer buffer(1);
  buffer.header()->nmsrs = 1;
  buffer.header()->entries[0].index = index;
  const auto done = FL_KVM_IOCTL(get(), KVM_GET_MSRS, buffer.header());
  if (!done) return tl::unexpected(done.error());
  if (*done != 1) return fail(fmt::format("KVM_GET_MSRS: MSR {:#x} refused", index));
  return buffer.header()->entries[0].data;
}

Result<void> VcpuFd::set_xcr0(std::uint64_t value) const {
  kvm_xcrs xcrs{};
  xcrs.nr_xcrs = 1;
  xcrs.xcrs[0].xcr = 0;
  xcrs.xcrs[0].value = value;
  return drop_value(FL_KVM_IOCTL(get(), KVM_SET_XCRS, &xcrs));
}

}  // namespace faultline::vmm::kvm
