// Tests that run once on each backend of a vCPU, and are skipped where it is missing.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "vmm/fuzz/guest/guest_judge.hpp"
#include "vmm/kvm/system.hpp"

namespace faultline::vmm::fuzz {

class BackendTest : public ::testing::TestWithParam<const char*> {
 protected:
  // A derived SetUp() goes on only while over() is false.
  void SetUp() override {
    if (backend() != "kvm") return;
    if (auto system = kvm::System::open(); !system) GTEST_SKIP() << system.error().message;
  }
  [[nodiscard]] static std::string backend() { return GetParam(); }
  [[nodiscard]] static bool over() { return IsSkipped() || HasFatalFailure(); }
  // Keeps what was made, or skips where that says that the host lets no hosted guest run.
  template <class T>
  void take(Result<std::unique_ptr<T>> made, std::unique_ptr<T>& to) {
    if (!made && backend() == "hosted") GTEST_SKIP() << made.error().message;
    ASSERT_TRUE(made) << made.error().message;
    to = std::move(*made);
  }
};

inline auto every_backend() { return ::testing::Values("kvm", "hosted"); }
inline std::string backend_name(const ::testing::TestParamInfo<const char*>& backend) { return backend.param; }

class GuestTest : public BackendTest {
 protected:
  void SetUp() override {
    BackendTest::SetUp();
    if (!over()) take(GuestJudge::create(backend()), guest_);
  }
  std::unique_ptr<GuestJudge> guest_;
};

}  // namespace faultline::vmm::fuzz
