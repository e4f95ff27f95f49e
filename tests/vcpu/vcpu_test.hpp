// Fixture of the tests of the vCPU port: one body for every backend. Where a backend does not work
// the test is skipped with the reason, and what a backend lacks is skipped by its capabilities.
#pragma once

#include <fstream>
#include <string>

#include "tests/vcpu/tiny_guest.hpp"
#include "vmm/kvm/system.hpp"
#include "vmm/run/backend.hpp"

namespace faultline::vmm::testing {

// Whether QEMU's TCG plays the processor that all this runs on.
inline bool on_tcg() {
  std::ifstream cpus("/proc/cpuinfo");
  for (std::string line; std::getline(cpus, line);) {
    if (line.starts_with("model name")) return line.find("TCG") != std::string::npos;
  }
  return false;
}

class OnBackend : public ::testing::Test {
 protected:
  // A guest in the place of the one before, on `backend` ("kvm" or "hosted").
  void make_on(const std::string& backend, MachineConfig config = {}) {
    if (backend == "kvm") {
      if (auto system = kvm::System::open(); !system) GTEST_SKIP() << system.error().message;
    }
    config.backend = backend;
    guest_.reset();
    auto guest = TinyGuest::create_on(create_machine(config));
    if (!guest && backend == "hosted") GTEST_SKIP() << guest.error().message;
    ASSERT_TRUE(guest.has_value()) << guest.error().message;
    guest_ = std::move(*guest);
  }
  TinyGuest& guest() { return *guest_; }
  Vcpu& vcpu() { return guest_->vcpu(); }
  [[nodiscard]] const VcpuCapabilities& can() { return vcpu().capabilities(); }

 private:
  std::unique_ptr<TinyGuest> guest_;
};

class VcpuTest : public OnBackend, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override { make(); }
  void make() { make_on(GetParam()); }
};

#define FL_ON_EVERY_BACKEND(suite)                                             \
  INSTANTIATE_TEST_SUITE_P(Backend, suite, ::testing::Values("kvm", "hosted"), \
                           [](const auto& backend) { return std::string(backend.param); })

}  // namespace faultline::vmm::testing
