#include "vmm/hosted/hosted_machine.hpp"

#include <algorithm>
#include <fstream>

namespace faultline::vmm::hosted {
namespace {

constexpr Gfn kFirstFrame{1};  // frame 0 stays unused: kernel_half() says "none" with it
constexpr std::size_t kDefaultMaxMapCount = 65530;
// The stub's own mappings, and those that exist for a moment while a call splits one.
constexpr std::size_t kMappingReserve = 64;

std::size_t mapping_limit_of_host() {
  std::size_t limit = 0;
  std::ifstream("/proc/sys/vm/max_map_count") >> limit;
  if (limit == 0) limit = kDefaultMaxMapCount;
  return std::max(limit, 2 * kMappingReserve) - kMappingReserve;
}

}  // namespace

mmu::TlbAction HostedSink::flush(const mmu::TlbBatch& batch) {
  for (HostedVcpu* vcpu : vcpus_) {
    if (vcpu->shadow().root() == batch.root.page()) vcpu->shadow().flush(batch.start, batch.end);
  }
  return mmu::TlbAction::kFrameDrop;
}

mmu::TlbAction HostedSink::drop_all() {
  for (HostedVcpu* vcpu : vcpus_) vcpu->shadow().drop_all();
  return mmu::TlbAction::kFullDrop;
}

bool HostedUserHalf::make_way(Gva start, Gva end, const IsFree& is_free) {
  return std::ranges::all_of(vcpus_, [&](HostedVcpu* vcpu) {
    const StubPlace at = vcpu->stub().place();
    if (!at.overlaps(start, end)) return true;
    const auto elsewhere =
        find_place([&](Gva from, Gva to) { return (to <= start || from >= end) && is_free(from, to); });
    return elsewhere && vcpu->move_stub(*elsewhere).has_value();
  });
}

HostedMachine::HostedMachine(GuestRam ram)
    : ram_(std::move(ram)),
      frames_(std::make_unique<mmu::FrameAllocator>(ram_.memory(), kFirstFrame)),
      mapping_limit_(mapping_limit_of_host()) {}

Result<std::unique_ptr<HostedMachine>> HostedMachine::create(const MachineConfig& config) {
  if (config.mode != mmu::PagingMode::kFourLevel) {
    return fail("five-level paging needs KVM: the hosted backend has the four levels of the host");
  }
  if (config.sink != "auto") return fail("a coherence sink can be chosen on KVM only: the hosted backend has one");
  if (config.memory_bytes < 2 * kPageSize) return fail("guest memory must be two pages at least");
  auto ram = GuestRam::create(config.memory_bytes);
  if (!ram) return tl::unexpected(ram.error());
  return std::unique_ptr<HostedMachine>(new HostedMachine(std::move(*ram)));
}

Result<std::unique_ptr<HostedVcpu>> HostedMachine::create_hosted_vcpu() {
  auto vcpu =
      HostedVcpu::create(ram_, created_, mapping_limit_, [this](HostedVcpu& gone) { std::erase(vcpus_, &gone); });
  if (!vcpu) return vcpu;
  ++created_;
  vcpus_.push_back(vcpu->get());
  return vcpu;
}

Result<std::unique_ptr<Vcpu>> HostedMachine::create_vcpu() {
  auto vcpu = create_hosted_vcpu();
  if (!vcpu) return tl::unexpected(vcpu.error());
  return std::unique_ptr<Vcpu>(std::move(*vcpu));
}

}  // namespace faultline::vmm::hosted

namespace faultline::vmm {

Result<VcpuCapabilities> try_hosted() {
  MachineConfig config;
  config.memory_bytes = 1ULL << 20;
  auto machine = hosted::HostedMachine::create(config);
  if (!machine) return tl::unexpected(machine.error());
  auto vcpu = (*machine)->create_vcpu();
  if (!vcpu) return tl::unexpected(vcpu.error());
  return (*vcpu)->capabilities();
}

Result<std::unique_ptr<Machine>> create_hosted_machine(const MachineConfig& config) {
  auto machine = hosted::HostedMachine::create(config);
  if (!machine) return tl::unexpected(machine.error());
  return std::unique_ptr<Machine>(std::move(*machine));
}

}  // namespace faultline::vmm
