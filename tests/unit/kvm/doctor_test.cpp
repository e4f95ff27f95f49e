#include "vmm/kvm/doctor.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace faultline::vmm {
namespace {

// A host as sysfs and procfs would show it, in a folder of its own.
class Doctor : public ::testing::Test {
 protected:
  Doctor() : root_(std::filesystem::temp_directory_path() / ("faultline-doctor-" + std::to_string(::getpid()))) {
    paths_ = {(root_ / "kvm").string(), (root_ / "sys").string(), (root_ / "proc").string()};
    write("sys/kernel/mm/transparent_hugepage/shmem_enabled", "always within_size [advise] never deny force\n");
    write("proc/meminfo", "MemTotal:       1024 kB\nMemAvailable:    512 kB\n");
  }
  ~Doctor() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  void cpu(const std::string& flags) {
    write("proc/cpuinfo", "model name\t: A CPU\nflags\t\t: fpu " + flags + " sse\n");
  }

  std::filesystem::path root_;
  DoctorPaths paths_;
};

TEST_F(Doctor, NoDeviceNamesTheRemedy) {
  cpu("vmx");
  const DoctorReport report = run_doctor(paths_);
  EXPECT_FALSE(report.ready);
  ASSERT_EQ(report.missing.size(), 1U);
  EXPECT_NE(report.missing[0].what.find("no such device"), std::string::npos) << report.missing[0].what;
  EXPECT_NE(report.missing[0].remedy.find("modprobe"), std::string::npos) << report.missing[0].remedy;
  EXPECT_NE(report.to_text().find("Guests cannot run here."), std::string::npos);
}

TEST_F(Doctor, NoVirtualizationInTheCpu) {
  cpu("");
  const DoctorReport report = run_doctor(paths_);
  ASSERT_EQ(report.missing.size(), 2U);
  EXPECT_NE(report.missing[1].remedy.find("firmware"), std::string::npos);
}

TEST_F(Doctor, NoVirtualizationInAGuest) {
  cpu("hypervisor");
  const DoctorReport report = run_doctor(paths_);
  ASSERT_EQ(report.missing.size(), 2U);
  EXPECT_NE(report.missing[1].remedy.find("nested"), std::string::npos);
}

TEST_F(Doctor, ALoadedSoftwareKvmNeedsNoVirtualization) {
  cpu("hypervisor");
  write("sys/module/kvm_pvm/parameters/force", "N\n");
  const DoctorReport report = run_doctor(paths_);
  ASSERT_EQ(report.missing.size(), 1U);
  EXPECT_EQ(report.missing[0].remedy.find("nested"), std::string::npos);
}

TEST_F(Doctor, ADeviceThatIsNoKvm) {
  cpu("svm");
  write("kvm", "");
  const DoctorReport report = run_doctor(paths_);
  EXPECT_FALSE(report.ready);
  ASSERT_FALSE(report.missing.empty());
  EXPECT_NE(report.missing[0].what.find("API version"), std::string::npos) << report.missing[0].what;
}

TEST_F(Doctor, FactsOfTheHost) {
  cpu("svm");
  write("sys/module/kvm_amd/parameters/npt", "1\n");
  const nlohmann::json json = run_doctor(paths_).to_json();
  EXPECT_EQ(json["host"]["memory"], "1024 kB");
  EXPECT_EQ(json["host"]["CPU"], "A CPU");
  EXPECT_EQ(json["host"]["huge pages (shmem)"], "advise");
  EXPECT_EQ(json["kvm"]["module"], "kvm_amd");
  EXPECT_EQ(json["kvm"]["parameter"], "npt=1");
  EXPECT_EQ(json["ready"], false);
}

}  // namespace
}  // namespace faultline::vmm
