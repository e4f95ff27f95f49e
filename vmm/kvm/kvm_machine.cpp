#include "vmm/kvm/kvm_machine.hpp"

#include <fmt/format.h>

#include "vmm/kvm/kick_signal.hpp"

namespace faultline::vmm::kvm {

KvmMachine::KvmMachine(MachineConfig config, DirtyPages dirty_pages, System system, VmFd vm, GuestRam ram)
    : config_(std::move(config)),
      dirty_pages_(dirty_pages),
      system_(std::move(system)),
      vm_(std::move(vm)),
      ram_(std::move(ram)),
      slots_(vm_, ram_) {}

Result<std::unique_ptr<KvmMachine>> KvmMachine::create(const MachineConfig& config, DirtyPages dirty_pages) {
  if (config.memory_bytes < Gpa(kFirstFreeFrame + 1).raw()) {
    return fail(fmt::format("guest memory of {} bytes is too small: at least {} are needed", config.memory_bytes,
                            Gpa(kFirstFreeFrame + 1).raw()));
  }
  auto system = System::open();
  if (!system) return tl::unexpected(system.error());
  if ((system->extension(KVM_CAP_SYNC_REGS) & KVM_SYNC_X86_REGS) == 0 ||
      system->extension(KVM_CAP_IMMEDIATE_EXIT) == 0) {
    return fail("this KVM lacks KVM_CAP_SYNC_REGS or KVM_CAP_IMMEDIATE_EXIT (Linux 4.17 and newer have both)");
  }
  auto ram = GuestRam::create(config.memory_bytes);
  if (!ram) return tl::unexpected(ram.error());
  auto vm = system->create_vm();
  if (!vm) return tl::unexpected(vm.error());
  std::unique_ptr<KvmMachine> machine(
      new KvmMachine(config, dirty_pages, std::move(*system), std::move(*vm), std::move(*ram)));
  if (auto done = machine->set_up(); !done) return tl::unexpected(done.error());
  return machine;
}

Result<void> KvmMachine::set_up() {
  install_kick_signal();
  backend_ = find_backend();
  auto cpuid = system_.supported_cpuid();
  if (!cpuid) return tl::unexpected(cpuid.error());
  model_ = make_cpu_model(std::move(*cpuid), config_.mode);
  model_.sregs_in_run_area = (system_.extension(KVM_CAP_SYNC_REGS) & KVM_SYNC_X86_SREGS) != 0;
  auto run_size = system_.run_mapping_size();
  if (!run_size) return tl::unexpected(run_size.error());
  run_size_ = *run_size;
  if (dirty_pages_ == DirtyPages::kRing) {
    const auto bytes = DirtyRing::enable(vm_);
    if (!bytes) return tl::unexpected(bytes.error());
    ring_bytes_ = *bytes;
  }
  if (auto done = slots_.extend(kFirstFreeFrame); !done) return done;
  build_monitor(ram_, config_.mode, StubVariant::kPlain);
  auto vcpu = make_vcpu();
  if (!vcpu) return tl::unexpected(vcpu.error());
  first_vcpu_ = std::move(*vcpu);

  auto choice = choose_sink(config_.sink, backend_, {ram_, slots_, books_}, *first_vcpu_, config_.mode);
  if (!choice) return tl::unexpected(choice.error());
  sink_ = std::move(*choice);
  frames_ = std::make_unique<mmu::FrameAllocator>(ram_.memory(), kFirstFreeFrame,
                                                  [this](Gfn end) { return slots_.extend(end).has_value(); });
  return {};
}

Result<KvmMachine::BareVcpu> KvmMachine::create_bare_vcpu(Gpa root) {
  const unsigned index = vcpus_;
  if (index >= kMaxVcpus) return fail(fmt::format("no more than {} vCPUs", kMaxVcpus));
  const VcpuArea area(ram_, index);
  area.build();
  auto vcpu = vm_.create_vcpu(index, run_size_);
  if (!vcpu) return tl::unexpected(vcpu.error());
  if (auto done = boot_vcpu(*vcpu, index, model_, area, root); !done) return tl::unexpected(done.error());
  if (ring_bytes_ != 0) {
    auto ring = DirtyRing::of(*vcpu, ring_bytes_);
    if (!ring) return tl::unexpected(ring.error());
    slots_.add_ring(std::move(*ring));
  }
  ++vcpus_;
  return BareVcpu{std::move(*vcpu), index, GuestTlb(books_)};
}

Result<std::unique_ptr<KvmVcpu>> KvmMachine::make_vcpu() {
  const Gpa root(kKernelHalfFrame);
  auto bare = create_bare_vcpu(root);
  if (!bare) return tl::unexpected(bare.error());
  VcpuCapabilities capabilities;
  capabilities.backend = backend_.name;
  capabilities.supervisor_code = true;
  capabilities.page_table_steps = FL_MAX_STEPS;
  capabilities.five_level_paging = config_.mode == mmu::PagingMode::kFiveLevel;
  return std::make_unique<KvmVcpu>(std::move(bare->fd), bare->index, model_, ram_, std::move(bare->tlb),
                                   std::move(capabilities), root);
}

Result<std::unique_ptr<KvmVcpu>> KvmMachine::create_kvm_vcpu() {
  if (first_vcpu_ != nullptr) return std::move(first_vcpu_);
  auto vcpu = make_vcpu();
  if (!vcpu) return vcpu;
  if (auto ready = (*vcpu)->restart(sink_.variant); !ready) return tl::unexpected(ready.error());
  return vcpu;
}

Result<std::unique_ptr<Vcpu>> KvmMachine::create_vcpu() {
  auto vcpu = create_kvm_vcpu();
  if (!vcpu) return tl::unexpected(vcpu.error());
  return std::unique_ptr<Vcpu>(std::move(*vcpu));
}

}  // namespace faultline::vmm::kvm

namespace faultline::vmm {

Result<std::unique_ptr<Machine>> create_kvm_machine(const MachineConfig& config, kvm::DirtyPages dirty_pages) {
  auto machine = kvm::KvmMachine::create(config, dirty_pages);
  if (!machine) return tl::unexpected(machine.error());
  return std::unique_ptr<Machine>(std::move(*machine));
}

}  // namespace faultline::vmm
