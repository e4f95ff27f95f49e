#include "vmm/kvm/doctor.hpp"

#include <fmt/format.h>

#include <array>

#include "vmm/kvm/doctor_parts.hpp"
#include "vmm/kvm/kvm_machine.hpp"

namespace faultline::vmm {
namespace {

using kvm::System;

struct Capability {
  unsigned long number;
  const char* name;
};
// Those that this program uses, or that tell KVMs apart.
constexpr std::array<Capability, 12> kCapabilities = {{
    {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
    {KVM_CAP_SYNC_REGS, "KVM_CAP_SYNC_REGS"},
    {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
    {KVM_CAP_SYNC_MMU, "KVM_CAP_SYNC_MMU"},
    {KVM_CAP_XSAVE, "KVM_CAP_XSAVE"},
    {KVM_CAP_XCRS, "KVM_CAP_XCRS"},
    {KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"},
    {KVM_CAP_NR_MEMSLOTS, "KVM_CAP_NR_MEMSLOTS"},
    {KVM_CAP_NR_VCPUS, "KVM_CAP_NR_VCPUS"},
    {KVM_CAP_MAX_VCPUS, "KVM_CAP_MAX_VCPUS"},
    {KVM_CAP_DIRTY_LOG_RING, "KVM_CAP_DIRTY_LOG_RING"},
    {KVM_CAP_GUEST_DEBUG_HW_BPS, "KVM_CAP_GUEST_DEBUG_HW_BPS"},
}};

void ask_kvm(const System& system, DoctorReport& report) {
  report.kvm.push_back({"API version", std::to_string(system.api_version())});
  for (const Capability& c : kCapabilities) {
    report.capabilities.push_back({c.name, std::to_string(system.extension(c.number))});
  }
}

void try_machine(DoctorReport& report) {
  MachineConfig config;
  config.memory_bytes = 64ULL << 20;
  auto machine = kvm::KvmMachine::create(config);
  if (!machine) {
    report.missing.push_back({machine.error().message, "use a machine whose KVM has it, or a newer kernel"});
    return;
  }
  report.ready = true;
  report.sink = (*machine)->sink_choice().name;
  report.sink_reason = (*machine)->sink_choice().reason;
  if (auto probed = kvm::probe_machine(**machine, report); !probed) {
    report.missing.push_back({probed.error().message, "report this: a guest runs, but the probes do not"});
  }
}

}  // namespace

DoctorReport run_doctor(const DoctorPaths& paths) {
  DoctorReport report;
  kvm::describe_host(paths, report);
  const kvm::BackendInfo backend = kvm::find_backend(paths.sysfs);
  report.kvm.push_back({"device", paths.device});
  report.kvm.push_back({"module", backend.module.empty() ? "not visible" : backend.module});
  if (!backend.parameter.empty()) report.kvm.push_back({"parameter", backend.parameter});
  const auto system = System::open(paths.device.c_str());
  if (!system) {
    kvm::explain_missing_kvm(paths, system.error().message, report);
    return report;
  }
  report.backend = backend.name;
  ask_kvm(*system, report);
  try_machine(report);
  return report;
}

}  // namespace faultline::vmm
