#include "vmm/port/vcpu.hpp"

namespace faultline::vmm {

std::vector<std::pair<std::string, std::string>> describe(const VcpuCapabilities& c) {
  const auto word = [](bool yes) { return yes ? "yes" : "no"; };
  return {
      {"CPL0 code", word(c.supervisor_code)},           {"five-level paging", word(c.five_level_paging)},
      {"single step by TF", word(c.single_step_by_tf)}, {"precise exceptions", word(c.precise_exceptions)},
      {"whole user half", word(c.whole_user_half)},     {"CPUID as told", word(c.cpuid_as_told)},
  };
}

}  // namespace faultline::vmm
