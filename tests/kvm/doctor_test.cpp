#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "vmm/kvm/doctor.hpp"
#include "vmm/kvm/system.hpp"

namespace faultline::vmm {
namespace {

TEST(Doctor, FindsAWorkingBackendAndProbesIt) {
  if (auto system = kvm::System::open(); !system) GTEST_SKIP() << system.error().message;
  const DoctorReport report = run_doctor();
  EXPECT_TRUE(report.ready) << report.to_text();
  EXPECT_TRUE(report.missing.empty()) << report.to_text();
  EXPECT_EQ(report.backend.rfind("kvm", 0), 0U);
  EXPECT_FALSE(report.sink.empty());
  EXPECT_GE(report.probes.size(), 10U);
  EXPECT_EQ(report.costs.size(), 2U);
  const auto switches = std::ranges::find(report.probes, "address-space-switches", &DoctorReport::Probe::name);
  ASSERT_NE(switches, report.probes.end());
  const bool pcids = switches->finding.rfind("6 PCIDs with NOFLUSH, ", 0) == 0;
  EXPECT_TRUE(pcids || switches->finding.rfind("plain CR3 loads; this KVM ", 0) == 0) << switches->finding;
  for (const char* name : {"global-pages", "lazy-switches"}) {
    const auto probe = std::ranges::find(report.probes, name, &DoctorReport::Probe::name);
    ASSERT_NE(probe, report.probes.end()) << name;
    EXPECT_EQ(probe->finding.rfind(report.sink == "two-dimensional" ? "yes, " : "no, ", 0), 0U) << probe->finding;
  }
  const nlohmann::json json = report.to_json();
  EXPECT_EQ(json["probes"].size(), report.probes.size());
  EXPECT_EQ(json["capabilities"]["KVM_CAP_SYNC_REGS"].get<std::string>().empty(), false);
  if (report.backend == "kvm-pvm") {
    EXPECT_EQ(report.sink, "shadow");
    EXPECT_EQ(switches->finding, "plain CR3 loads; this KVM refuses CR4.PCIDE");
    EXPECT_NE(report.to_text().find("stays at CPL3 and faults on the page of LSTAR  (quirk)"), std::string::npos);
  }
}

}  // namespace
}  // namespace faultline::vmm
