#include <cstdio>
#include <nlohmann/json.hpp>

#include "tools/commands.hpp"
#include "vmm/kvm/doctor.hpp"

namespace faultline::tools {

int doctor_command(const DoctorOptions& options) {
  const vmm::DoctorReport report = vmm::run_doctor();
  const std::string text = options.json ? report.to_json().dump(2) + "\n" : report.to_text();
  std::fputs(text.c_str(), stdout);
  return report.ready ? 0 : 1;
}

}  // namespace faultline::tools
