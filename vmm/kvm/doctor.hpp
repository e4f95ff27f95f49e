// Whether guests can run on this host, how, and what is missing: the data of `faultline doctor`.
// Everything that matters is tried, not assumed; each number is of this host and this moment.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace faultline::vmm {

struct DoctorReport {
  struct Fact {
    std::string name, value;
  };
  // One behaviour of this KVM, found by running a few instructions.
  struct Probe {
    std::string name;     // stable, "syscall-entry"
    std::string finding;  // "faults at LSTAR in user mode"
    bool usual = true;    // as the SDM or KVM's documentation has it; false: a quirk
  };
  struct Missing {
    std::string what, remedy;
  };

  bool ready = false;   // guests can run here
  std::string backend;  // "kvm-pvm"; empty when there is none
  std::vector<Fact> host;
  std::vector<Fact> kvm;  // module, parameter, API version
  std::vector<Fact> capabilities;
  std::vector<Fact> vcpu;    // what a vCPU of this KVM can do (VcpuCapabilities)
  std::vector<Fact> hosted;  // and one of the hosted backend; empty where it does not work
  std::string sink, sink_reason;
  std::vector<Probe> probes;
  std::vector<Fact> costs;  // labelled with their unit
  std::vector<Missing> missing;

  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] nlohmann::json to_json() const;
};

struct DoctorPaths {  // tests have others
  std::string device = "/dev/kvm";
  std::string sysfs = "/sys";
  std::string proc = "/proc";
};

// Makes a machine and probes it when it can. Takes some tens of milliseconds.
DoctorReport run_doctor(const DoctorPaths& paths = {});

}  // namespace faultline::vmm
