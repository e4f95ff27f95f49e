#include <nlohmann/json.hpp>

#include "tools/commands.hpp"
#include "tools/json_output.hpp"
#include "tools/output.hpp"
#include "vmm/hosted/hosted_machine.hpp"
#include "vmm/kvm/doctor.hpp"

namespace faultline::tools {

namespace {

// What KVM cannot do here, a process of this host may.
void add_hosted(vmm::DoctorReport& report) {
  const auto hosted = vmm::try_hosted();
  report.capabilities.push_back({"hosted backend", hosted ? "works" : hosted.error().message});
  if (hosted) {
    for (auto& [name, value] : vmm::describe(*hosted)) report.hosted.push_back({name, value});
  }
  if (report.ready || !hosted) return;
  report.ready = true;
  report.backend = "hosted";
  report.sink = "unmapping";
  report.sink_reason = "guest pages are mappings of the guest's process";
}

}  // namespace

int doctor_command(const DoctorOptions& options) {
  vmm::DoctorReport report = vmm::run_doctor();
  add_hosted(report);
  const std::string text = options.json ? versioned(report.to_json()) : report.to_text();
  return print(text, report.ready ? 0 : 1);
}

}  // namespace faultline::tools
