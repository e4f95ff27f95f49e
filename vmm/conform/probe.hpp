// What this machine has, found out by trying each thing once.
#pragma once

#include <string>
#include <vector>

#include "vmm/conform/case.hpp"
#include "vmm/conform/machine.hpp"
#include "vmm/kvm/backend.hpp"

namespace faultline::vmm::conform {

struct Capabilities {
  std::string backend;  // "kvm-svm npt=0 under TCG"
  Offered offered;
  FeatureSet features;
  std::vector<bool> user_forms, supervisor_forms;  // by index: the instruction works there
  std::vector<std::string> notes;                  // what is remarkable, one line each

  // The first thing that the case needs and the machine lacks.
  [[nodiscard]] std::optional<Feature> missing(const Case& c) const;
};

// Error: no virtual machine can be made at all.
Result<Capabilities> probe(const kvm::System& system);
// Module and parameter, and what emulates the processor: then its mistakes are the emulator's. QEMU's
// TCG is found out; another is named by the environment variable FAULTLINE_EMULATOR (the lab's is
// Bochs). `cpuinfo`: /proc/cpuinfo; tests have another.
std::string backend_label(const kvm::BackendInfo& info, const std::string& cpuinfo = "/proc/cpuinfo");

}  // namespace faultline::vmm::conform
