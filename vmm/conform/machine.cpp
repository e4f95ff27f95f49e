#include "vmm/conform/machine.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "guest/abi.h"
#include "vmm/kvm/cpuid.hpp"
#include "vmm/kvm/exit.hpp"
#include "vmm/kvm/kick_signal.hpp"
#include "vmm/run/watchdog.hpp"

namespace faultline::vmm::conform {
namespace {

constexpr std::uint64_t kRamBytes = kLowBytes + kDataBytes + kPageSize;

// A KVM without read-only memory (KVM_CAP_READONLY_MEM) has none there: the probe finds out.
void add_read_only_memory(const kvm::VmFd& vm, const GuestRam& ram) {
  kvm_userspace_memory_region region{};
  region.slot = 3;
  region.flags = KVM_MEM_READONLY;
  region.guest_phys_addr = kRom.raw();
  region.memory_size = kRomBytes;
  region.userspace_addr = reinterpret_cast<std::uintptr_t>(ram.at(kRom));
  ::ioctl(vm.get(), KVM_SET_USER_MEMORY_REGION, &region);
}

}  // namespace

Result<Offered> offered(const kvm::System& system) {
  auto entries = system.supported_cpuid();
  if (!entries) return tl::unexpected(entries.error());
  Offered o;
  o.cpuid = std::move(*entries);
  if (const auto* leaf = kvm::find_cpuid(o.cpuid, 0x8000'0008)) o.cpu.physical_bits = leaf->eax & 0xff;
  if (const auto* leaf = kvm::find_cpuid(o.cpuid, 0x8000'0001)) {
    o.cpu.huge_1g = (leaf->edx & 1U << 26) != 0;
    o.nx = (leaf->edx & 1U << 20) != 0;
  }
  if (const auto* leaf = kvm::find_cpuid(o.cpuid, 0)) {
    constexpr std::uint32_t kAuth = 0x6874'7541, kHygo = 0x6f67'7948;  // "Auth", "Hygo"
    o.cpu.top_global_reserved = leaf->ebx == kAuth || leaf->ebx == kHygo;
  }
  if (const auto* leaf = kvm::find_cpuid(o.cpuid, 1)) o.pcid = (leaf->ecx & 1U << 17) != 0;
  if (const auto* leaf = kvm::find_cpuid(o.cpuid, 7)) {
    o.smep = (leaf->ebx & 1U << 7) != 0;
    o.smap = (leaf->ebx & 1U << 20) != 0;
    o.invpcid = (leaf->ebx & 1U << 10) != 0;
    o.pku = (leaf->ecx & 1U << 3) != 0;
    o.pks = (leaf->ecx & 1U << 31) != 0;
    o.la57 = (leaf->ecx & 1U << 16) != 0;
  }
  return o;
}

Result<std::unique_ptr<Machine>> Machine::create(const kvm::System& system, const Offered& offered,
                                                 model::Paging paging) {
  auto ram = GuestRam::create(kRamBytes);
  if (!ram) return tl::unexpected(ram.error());
  auto vm = system.create_vm();
  if (!vm) return tl::unexpected(vm.error());
  if (auto low = vm->set_memory_slot(0, Gpa(), kRom.raw(), ram->at(Gpa())); !low) return tl::unexpected(low.error());
  if (auto data = vm->set_memory_slot(1, kDataFirst, kDataBytes, ram->at(Gpa(kLowBytes))); !data) {
    return tl::unexpected(data.error());
  }
  if (auto high = vm->set_memory_slot(2, kHighPage, kPageSize, ram->at(Gpa(kLowBytes + kDataBytes))); !high)
    return tl::unexpected(high.error());
  add_read_only_memory(*vm, *ram);
  // Shadow paging: KVM's own limit follows the size of memory, 64 tables here, and it would be busy
  // dropping them. Elsewhere this does nothing; a refusal costs time alone.
  constexpr unsigned long kShadowTables = 16384;
  ::ioctl(vm->get(), KVM_SET_NR_MMU_PAGES, kShadowTables);
  const auto run_size = system.run_mapping_size();
  if (!run_size) return tl::unexpected(run_size.error());
  auto vcpu = vm->create_vcpu(0, *run_size);
  if (!vcpu) return tl::unexpected(vcpu.error());
  std::unique_ptr<Machine> machine(new Machine(std::move(*ram), std::move(*vm), std::move(*vcpu)));
  kvm::install_kick_signal();
  machine->fill_memory(paging);
  if (auto set = machine->set_start_state(offered, paging); !set) return tl::unexpected(set.error());
  return machine;
}

std::span<std::byte> Machine::memory(Gpa at, std::uint64_t bytes) const {
  const std::uint64_t offset = at >= kHighPage    ? kLowBytes + kDataBytes + (at - kHighPage)
                               : at >= kDataFirst ? kLowBytes + (at - kDataFirst)
                                                  : at.raw();
  return ram_.bytes().subspan(offset, bytes);
}

Result<void> Machine::run(std::chrono::milliseconds limit) {
  kvm::unblock_kick_signal();
  kvm_run& run = vcpu_.run();
  std::atomic_ref(run.immediate_exit).store(0, std::memory_order_seq_cst);
  const std::atomic<pid_t> self = static_cast<pid_t>(::syscall(SYS_gettid));
  const Watchdog watchdog([&] { kvm::kick_out(run, self); }, limit);
  for (;;) {
    const auto before = std::chrono::steady_clock::now();
    const int result = ::ioctl(vcpu_.get(), KVM_RUN, 0);
    const int error = result == 0 ? 0 : errno;
    in_guest_ += std::chrono::steady_clock::now() - before;
    if (error == 0 && run.exit_reason == KVM_EXIT_IO && run.io.port == FL_CONFORM_PORT_DONE) return {};
    if (error == EINTR || error == EAGAIN) {
      if (!watchdog.expired()) continue;
      return fail(fmt::format("the vCPU did not come back within {} ms", limit.count()));
    }
    if (error != 0) return fail(fmt::format("KVM_RUN: {}", std::strerror(error)));
    return fail(describe_death());
  }
}

std::string Machine::describe_death() const {
  std::string text = kvm::describe(kvm::decode_exit(vcpu_.run()));
  if (const auto regs = vcpu_.regs()) text += fmt::format(" at RIP {:#x}", regs->rip);
  return text;
}

}  // namespace faultline::vmm::conform
