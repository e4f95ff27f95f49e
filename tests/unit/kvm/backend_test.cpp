#include "vmm/kvm/backend.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace faultline::vmm::kvm {
namespace {

struct Case {
  const char* module;
  const char* parameter;  // null: the file is not there
  const char* value;
  const char* name;
  HostPaging paging;
};

class Backend : public ::testing::TestWithParam<Case> {};

TEST_P(Backend, IsKnownByItsModule) {
  const Case& c = GetParam();
  const auto root = std::filesystem::temp_directory_path() / ("faultline-backend-" + std::to_string(::getpid()));
  std::filesystem::create_directories(root / "module");
  if (*c.module != '\0') {
    const auto parameters = root / "module" / c.module / "parameters";
    std::filesystem::create_directories(parameters);
    if (c.parameter != nullptr) std::ofstream(parameters / c.parameter) << c.value << '\n';
  }
  const BackendInfo info = find_backend(root.string());
  std::filesystem::remove_all(root);
  EXPECT_EQ(info.name, c.name);
  EXPECT_EQ(info.module, c.module);
  EXPECT_EQ(info.paging, c.paging);
}

INSTANTIATE_TEST_SUITE_P(All, Backend,
                         ::testing::Values(Case{"kvm_pvm", nullptr, "", "kvm-pvm", HostPaging::kShadow},
                                           Case{"kvm_intel", "ept", "Y", "kvm-vmx", HostPaging::kTwoDimensional},
                                           Case{"kvm_intel", "ept", "N", "kvm-vmx", HostPaging::kShadow},
                                           Case{"kvm_amd", "npt", "1", "kvm-svm", HostPaging::kTwoDimensional},
                                           Case{"kvm_amd", "npt", "0", "kvm-svm", HostPaging::kShadow},
                                           Case{"kvm_amd", nullptr, "", "kvm-svm", HostPaging::kUnknown},
                                           Case{"", nullptr, "", "kvm", HostPaging::kUnknown}));

}  // namespace
}  // namespace faultline::vmm::kvm
