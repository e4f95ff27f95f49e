// A multiboot kernel (guest/multiboot/kernel.S) on the KVM at hand: what it was given, how it ends.
#include "vmm/devices/debug_exit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <thread>

#include "vmm/kvm/backend.hpp"
#include "vmm/multiboot/guest.hpp"

namespace faultline::vmm::multiboot {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;
using namespace std::chrono_literals;

std::string kernel_bytes() {
  std::ifstream file(FAULTLINE_GUEST_PROGRAMS "/multiboot_kernel", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class MultibootTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto system = kvm::System::open(); !system) GTEST_SKIP() << system.error().message;
    kernel_ = kernel_bytes();
    ASSERT_FALSE(kernel_.empty()) << "the test kernel has not been built";
  }

  void make(Interrupts interrupts = Interrupts::kInKernel) {
    GuestConfig config;
    config.memory_bytes = 16ULL << 20;
    config.interrupts = interrupts;
    config.serial = [this](std::string_view text) { output_ += text; };
    auto guest = Guest::create(config);
    ASSERT_TRUE(guest) << guest.error().message;
    guest_ = std::move(*guest);
  }
  void load(const std::string& command_line, const std::optional<Module>& module = std::nullopt) {
    const auto image = parse_image(std::as_bytes(std::span(kernel_)), guest_->ram().size());
    ASSERT_TRUE(image) << image.error().message;
    const auto loaded = guest_->load(*image, command_line, module);
    ASSERT_TRUE(loaded) << loaded.error().message;
  }
  End run(const std::string& command_line, const RunLimits& limits = {.time = 60s}) {
    if (!guest_) make();
    load(command_line);
    auto end = guest_->run(limits);
    EXPECT_TRUE(end) << end.error().message;
    return end ? *end : End{Died{"an error of the host"}};
  }
  static void expect_exit(const End& end, std::uint32_t value) {
    const auto* exited = std::get_if<Exited>(&end);
    const auto* died = std::get_if<Died>(&end);
    ASSERT_NE(exited, nullptr) << "ended otherwise" << (died != nullptr ? ": " + died->why : "");
    EXPECT_EQ(exited->value, value);
  }
  static void expect_death(const End& end, const std::string& why) {
    const auto* died = std::get_if<Died>(&end);
    ASSERT_NE(died, nullptr) << "alternative " << end.index();
    EXPECT_THAT(died->why, HasSubstr(why));
  }
  // PVM emulates code at CPL 0, and there is no IRET of protected mode and no switch to 32-bit paging
  // in it (docs/kvm.md).
  static bool on_pvm() { return kvm::find_backend().name == "kvm-pvm"; }

  std::string kernel_, output_;
  std::unique_ptr<Guest> guest_;
};

TEST_F(MultibootTest, FindsItsBootInformation) {
  make();
  const std::string contents = "what is in the module";
  load("kernel with words 7", Module{"a name", std::as_bytes(std::span(contents))});
  const auto end = guest_->run({.time = 60s});
  ASSERT_TRUE(end) << end.error().message;
  expect_exit(*end, 7);
  EXPECT_EQ(output_,
            "kernel\n"
            "command line: kernel with words 7\n"
            "memory: 00000000 0009fc00 00000001 \n"
            "memory: 0009fc00 00060400 00000002 \n"
            "memory: 00100000 00f00000 00000001 \n"
            "module a name:what is in the module\n");
}

TEST_F(MultibootTest, WithoutAModule) {
  expect_exit(run("kernel 0"), 0);
  EXPECT_THAT(output_, EndsWith("memory: 00100000 00f00000 00000001 \n"));
}

TEST_F(MultibootTest, NobodyAnswers) {
  expect_exit(run("m"), 0);
  EXPECT_THAT(output_, EndsWith("ffffffff \n"));
}

TEST_F(MultibootTest, StringInstructions) {
  expect_exit(run("s"), 0);
  EXPECT_THAT(output_, EndsWith("one instruction\nffffffff \n"));
}

TEST_F(MultibootTest, TimerInterrupt) {
  make();
  if (guest_->interrupts() == Interrupts::kStub) GTEST_SKIP() << "this KVM has no interrupt controllers";
  const End end = run("i");
  if (on_pvm()) {
    expect_death(end, "an instruction that KVM cannot emulate), instruction bytes cf");
    GTEST_SKIP() << "the handler ran, but PVM has no IRET of 32-bit protected mode";
  }
  expect_exit(end, 0);
  EXPECT_THAT(output_, EndsWith("tick\n"));
}

TEST_F(MultibootTest, Paging) {
  const End end = run("p");
  if (on_pvm()) {
    expect_death(end, "this KVM did not take a write to a control register");
    GTEST_SKIP() << "PVM does not switch 32-bit paging on";
  }
  expect_exit(end, 0);
  EXPECT_THAT(output_, EndsWith("12345678 \n"));
}

TEST_F(MultibootTest, TripleFault) { expect_death(run("t"), "triple fault"); }

TEST_F(MultibootTest, HaltsWithNothingToWakeIt) {
  make(Interrupts::kStub);
  expect_death(run("h"), "it halted");
  EXPECT_THAT(output_, StartsWith("kernel\n"));
}

TEST_F(MultibootTest, TimeLimit) {
  for (const char* how : {"l", "h"}) {
    guest_.reset();
    const End end = run(how, {.time = 100ms});
    const auto* limited = std::get_if<Limited>(&end);
    ASSERT_NE(limited, nullptr) << how;
    EXPECT_EQ(limited->kind, LimitKind::kTime);
  }
}

TEST_F(MultibootTest, ExitLimit) {
  const End end = run("0", {.exits = 10});
  const auto* limited = std::get_if<Limited>(&end);
  ASSERT_NE(limited, nullptr);
  EXPECT_EQ(limited->kind, LimitKind::kExits);
  EXPECT_THAT(std::string("kernel\n"), StartsWith(output_)) << "what was sent so far is not lost";
}

TEST_F(MultibootTest, StopsWhenAsked) {
  for (const char* how : {"l", "h"}) {
    guest_.reset();
    make();
    std::thread stopper([this] {
      std::this_thread::sleep_for(50ms);
      guest_->stop(SIGTERM);
    });
    const End end = run(how);
    stopper.join();
    const auto* stopped = std::get_if<Stopped>(&end);
    ASSERT_NE(stopped, nullptr) << how;
    EXPECT_EQ(stopped->signal, SIGTERM);
  }
}

}  // namespace
}  // namespace faultline::vmm::multiboot
