#include "vmm/run/kick_timer.hpp"

#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/linux_abi/fake_vcpu.hpp"

namespace faultline::test {
namespace {

class CountingVcpu final : public FakeVcpu {
 public:
  void kick() override { kicks.fetch_add(1); }
  std::atomic<int> kicks{0};
};

std::uint64_t in_ms(int ms) {
  const auto at = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
  return static_cast<std::uint64_t>(at.time_since_epoch().count());
}

// Kicks that come within `ms`, at least `enough` of them or none at all.
int kicks_within(CountingVcpu& vcpu, int ms, int enough) {
  const std::uint64_t end = in_ms(ms);
  while (in_ms(0) < end && vcpu.kicks.load() < enough) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return vcpu.kicks.load();
}

TEST(KickTimer, KicksOnceAtItsTime) {
  CountingVcpu vcpu;
  vmm::KickTimer timer(vcpu);
  timer.set(in_ms(5));
  EXPECT_EQ(kicks_within(vcpu, 10'000, 1), 1);
  EXPECT_EQ(kicks_within(vcpu, 20, 2), 1);
}

TEST(KickTimer, AnEarlierTimeReplacesALaterOne) {
  CountingVcpu vcpu;
  vmm::KickTimer timer(vcpu);
  timer.set(in_ms(1'000'000));
  timer.set(in_ms(5));
  EXPECT_EQ(kicks_within(vcpu, 10'000, 1), 1);
}

TEST(KickTimer, ALaterTimeOrNoneHoldsItBack) {
  CountingVcpu vcpu;
  vmm::KickTimer timer(vcpu);
  timer.set(in_ms(50));
  timer.set(in_ms(1'000'000));
  EXPECT_EQ(kicks_within(vcpu, 100, 1), 0);
  timer.set(vmm::KickTimer::kNever);
  timer.set(in_ms(5));
  EXPECT_EQ(kicks_within(vcpu, 10'000, 1), 1);
}

}  // namespace
}  // namespace faultline::test
