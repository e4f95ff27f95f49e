#include "vmm/kvm/backend.hpp"

#include <unistd.h>

#include <array>
#include <fstream>

namespace faultline::vmm::kvm {
namespace {

struct Module {
  const char* module;
  const char* name;
  const char* parameter;  // of two-dimensional paging; null: there is none, shadow paging always
};
constexpr std::array<Module, 3> kModules = {{
    {"kvm_pvm", "kvm-pvm", nullptr},
    {"kvm_intel", "kvm-vmx", "ept"},
    {"kvm_amd", "kvm-svm", "npt"},
}};

}  // namespace

BackendInfo find_backend(const std::string& sysfs) {
  for (const Module& m : kModules) {
    const std::string folder = sysfs + "/module/" + m.module;
    if (::access(folder.c_str(), F_OK) != 0) continue;
    BackendInfo info{m.name, m.module, "", HostPaging::kShadow};
    if (m.parameter == nullptr) return info;
    info.paging = HostPaging::kUnknown;
    std::string value;
    if (std::ifstream(folder + "/parameters/" + m.parameter) >> value) {
      info.parameter = std::string(m.parameter) + "=" + value;
      const bool on = value == "Y" || value == "1";
      info.paging = on ? HostPaging::kTwoDimensional : HostPaging::kShadow;
    }
    return info;
  }
  return BackendInfo{"kvm", "", "", HostPaging::kUnknown};
}

}  // namespace faultline::vmm::kvm
