// Which KVM this is, as far as the host tells: the loaded module and its parameters. A hint for
// names and for what to try first; what counts is probed (sink_choice.hpp).
#pragma once

#include <cstdint>
#include <string>

namespace faultline::vmm::kvm {

enum class HostPaging : std::uint8_t { kUnknown, kTwoDimensional, kShadow };

struct BackendInfo {
  std::string name;       // "kvm-pvm", "kvm-vmx", "kvm-svm", or "kvm" when it cannot be told
  std::string module;     // "kvm_pvm", or empty
  std::string parameter;  // "ept=Y", "npt=N", or empty
  HostPaging paging = HostPaging::kUnknown;
};

// `sysfs` is where sysfs is mounted; tests have another.
BackendInfo find_backend(const std::string& sysfs = "/sys");

}  // namespace faultline::vmm::kvm
