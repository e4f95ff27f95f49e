// Kernel programs (guest/kernel) on the KVM at hand: what their faults come to, and what they die of.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

#include "vmm/kernel/guest.hpp"

namespace faultline::vmm::kernel {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string program_bytes(const std::string& name) {
  std::ifstream file(FAULTLINE_GUEST_PROGRAMS "/kernel_" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class KernelProgramTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto system = kvm::System::open(); !system) GTEST_SKIP() << system.error().message;
    static const bool runs_kernels = [] {
      const auto machine = kvm::KvmMachine::create({.memory_bytes = 16ULL << 20});
      const auto vcpu = machine ? (*machine)->create_vcpu() : tl::unexpected(machine.error());
      return !vcpu || (*vcpu)->capabilities().supervisor_code;  // an error shows in the tests
    }();
    if (!runs_kernels) GTEST_SKIP() << "this backend runs no code at CPL0";
  }
  void load(const std::string& name, std::vector<std::uint64_t> arguments, mmu::Level share_level = 0) {
    guest_.reset();
    output_.clear();
    log_.clear();
    GuestConfig config;
    config.program = name;
    config.arguments = std::move(arguments);
    config.share_level = share_level;
    config.console = [this](std::string_view text) { output_ += text; };
    config.log = [this](std::string_view text) { log_ += text; };
    const std::string bytes = program_bytes(name);
    auto guest = Guest::create(std::move(config), std::as_bytes(std::span(bytes)));
    ASSERT_TRUE(guest) << guest.error().message;
    guest_ = std::move(*guest);
  }
  End run(const std::string& name, std::vector<std::uint64_t> arguments = {}, mmu::Level share_level = 0) {
    load(name, std::move(arguments), share_level);
    if (!guest_) return Died{"not loaded"};
    auto end = guest_->run({.time = std::chrono::seconds(60)});
    EXPECT_TRUE(end) << end.error().message;
    return end ? std::move(*end) : End{Died{"an error of the host"}};
  }
  void expect_success(const std::string& name, mmu::Level share_level = 0) {
    const End end = run(name, {}, share_level);
    const auto* exited = std::get_if<Exited>(&end);
    ASSERT_NE(exited, nullptr) << name << ": alternative " << end.index() << "\n" << text_of(end) << output_;
    EXPECT_EQ(exited->status, 0) << output_;
  }
  static std::string text_of(const End& end) {
    if (const auto* oops = std::get_if<Oopsed>(&end)) return to_text(oops->oops);
    if (const auto* died = std::get_if<Died>(&end)) return died->why;
    return {};
  }
  Oops oops(const std::string& name, std::vector<std::uint64_t> arguments) {
    End end = run(name, std::move(arguments));
    auto* oopsed = std::get_if<Oopsed>(&end);
    EXPECT_NE(oopsed, nullptr) << "alternative " << end.index() << output_;
    return oopsed != nullptr ? std::move(oopsed->oops) : Oops{};
  }

  std::string output_, log_;
  std::unique_ptr<Guest> guest_;
};

TEST_F(KernelProgramTest, VmallocAreasAreSynchronisedAtEveryLevel) {
  for (const mmu::Level level : {2U, 3U, 4U}) {
    SCOPED_TRACE(level);
    expect_success("sync", level);
    EXPECT_EQ(output_, "vmalloc faults: 1\n") << "the second area came along with the first";
  }
}

TEST_F(KernelProgramTest, SpuriousAfterAnUpgrade) {
  const Oops end = oops("spurious", {});
  EXPECT_EQ(output_, "twice spurious\n");
  EXPECT_EQ(guest_->count(FL_COUNT_SPURIOUS_FAULTS), 2U);
  EXPECT_EQ(end.kind, OopsKind::kReadOnly) << "the same write with nothing upgraded";
}

TEST_F(KernelProgramTest, CopiesRecoverThroughTheExceptionTable) {
  expect_success("uaccess");
  EXPECT_GT(guest_->count(FL_COUNT_FIXUPS), 20U);
}

TEST_F(KernelProgramTest, TracesADevice) {
  expect_success("device");
  EXPECT_THAT(log_,
              AllOf(StartsWith("mmio: 1 R 4 0xfe000000 0x464c4456 by program+"),
                    HasSubstr("\nmmio: 2 W 4 0xfe000004 0x1234 by "), HasSubstr("\nmmio: 3 W 4 0xfe000004 0x5678 "),
                    HasSubstr("\nmmio: 4 R 4 0xfe000004 0x5678 "), HasSubstr("\nmmio: 6 R 4 0xfe000008 0x2 "),
                    HasSubstr("\nmmio: 7 R 4 0xfe00000c 0xffffa987 "), HasSubstr("\nmmio: 8 R 1 0xfe000100 0xff ")));
  EXPECT_EQ(std::count(log_.begin(), log_.end(), '\n'), 8);
}

TEST_F(KernelProgramTest, FindsReadsOfWhatNobodyWrote) {
  expect_success("track");
  EXPECT_THAT(log_, AllOf(HasSubstr("read of 8 bytes at 0xffffc90000000004, never written: 0xf0, by read_at+0x0"),
                          HasSubstr("read of 4 bytes at 0xffffc90000000080, never written: 0xf, by program+")));
}

TEST_F(KernelProgramTest, ProbesCountersAndUserCode) { expect_success("hooks"); }

TEST_F(KernelProgramTest, WhatItDiesOf) {
  struct Row {
    std::uint64_t what;
    OopsKind kind;
    std::uint32_t error;
    const char* step;
    const char* function;
  };
  constexpr Row kRows[] = {
      {0, OopsKind::kNullDereference, 0, "page_fault_oops:smap", "read_at+0x"},
      {1, OopsKind::kNullDereference, 2, "page_fault_oops:smap", "write_at+0x"},
      {2, OopsKind::kNullDereference, 0x10, "page_fault_oops:fetch", "0x0"},
      {3, OopsKind::kStackOverflow, 2, "do_kern_addr_fault", "recurse+0x"},
      {6, OopsKind::kReadOnly, 3, "do_kern_addr_fault", "write_at+0x"},
      {7, OopsKind::kNoExecute, 0x11, "do_kern_addr_fault", "data"},
      {8, OopsKind::kPageFault, 0, "do_kern_addr_fault", "read_at+0x"},
      {11, OopsKind::kPageFault, 0, "get_mmap_lock_carefully", "read_user_unchecked+0x"},
      {12, OopsKind::kPageFault, 0, "faulthandler_disabled", "read_user_unchecked+0x"},
      {14, OopsKind::kPageFault, 0, "bad_area", "read_user_unchecked+0x"},
  };
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.what);
    const Oops end = oops("oops", {row.what});
    if (row.step == std::string_view("page_fault_oops:smap") && !guest_->vcpu().smap()) continue;
    EXPECT_EQ(end.kind, row.kind) << to_text(end);
    EXPECT_EQ(end.error.raw(), row.error) << to_text(end);
    ASSERT_FALSE(end.path.empty());
    EXPECT_EQ(end.path.back(), row.step);
    if (row.what != 7) {
      EXPECT_THAT(end.function, StartsWith(row.function));
    }
  }
  const Oops general = oops("oops", {13});
  EXPECT_EQ(general.kind, OopsKind::kException);
  EXPECT_EQ(general.vector, 13U);
  const End resolved = run("oops", {15});
  EXPECT_TRUE(std::holds_alternative<Exited>(resolved)) << "no entry is needed where nothing is wrong";
  if (!guest_->vcpu().smap()) GTEST_SKIP() << "all but the rows of SMAP: this KVM takes no CR4.SMAP";
}

TEST_F(KernelProgramTest, SmapAndSmep) {
  const Oops smap = oops("oops", {4});
  if (!guest_->vcpu().smap()) GTEST_SKIP() << "this KVM takes no CR4.SMAP";
  EXPECT_EQ(smap.kind, OopsKind::kSmap);
  EXPECT_EQ(smap.error.raw(), 1U);
  const Oops smep = oops("oops", {5});
  EXPECT_EQ(smep.kind, OopsKind::kSmep);
  EXPECT_EQ(smep.error.raw(), 0x11U);
}

TEST_F(KernelProgramTest, CorruptedTableAtEveryLevel) {
  for (std::uint64_t level = 1; level <= 4; ++level) {
    SCOPED_TRACE(level);
    const Oops user = oops("oops", {9, level});
    EXPECT_EQ(user.kind, OopsKind::kCorruptedTable);
    EXPECT_TRUE(user.error.reserved());
    EXPECT_NE(user.tables.entries.back().value & 1ULL << 51, 0U) << "the dump ends at the corrupted entry";
    const Oops kernel = oops("oops", {10, level});
    EXPECT_EQ(kernel.kind, OopsKind::kPageFault) << "of a kernel address Linux does not look at the bit";
    EXPECT_TRUE(kernel.error.reserved());
  }
}

// Code at CPL0 reaches the tables by other ways than the host's calls. What mmu trusts is not trusted
// when it was changed, and the guest can be taken apart all the same.
TEST_F(KernelProgramTest, TablesAreTheHostsToWrite) {
  for (const std::uint64_t harmless : {0U, 5U}) {
    const End end = run("tables", {harmless});
    const auto* exited = std::get_if<Exited>(&end);
    ASSERT_NE(exited, nullptr) << "alternative " << end.index() << " " << text_of(end);
    EXPECT_EQ(exited->status, 0);
  }
  for (const std::uint64_t how : {1U, 2U, 3U, 4U}) {
    SCOPED_TRACE(how);
    const End end = run("tables", {how});
    EXPECT_TRUE(std::holds_alternative<Died>(end)) << "alternative " << end.index();
    EXPECT_THAT(text_of(end), StartsWith("the program changed a page table of the host's, at guest-physical address"));
    EXPECT_THAT(text_of(end), HasSubstr(", before "));
  }
  const End own = run("tables", {6});
  EXPECT_TRUE(std::holds_alternative<Died>(own)) << "alternative " << own.index();
}

// Whatever a program asks for, it ends in one of the ways that there are.
TEST_F(KernelProgramTest, AnyCallsInAnyOrder) {
  constexpr std::uint64_t kSeeds = 16, kCalls = 200;
  std::map<std::size_t, unsigned> ends;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    load("calls", {seed, kCalls});
    ASSERT_NE(guest_, nullptr);
    const auto end = guest_->run({.time = std::chrono::seconds(1), .storm = 1000});
    ASSERT_TRUE(end) << end.error().message;
    ++ends[end->index()];
    if (const auto* oopsed = std::get_if<Oopsed>(&*end)) {
      EXPECT_TRUE(nlohmann::json::accept(to_json(oopsed->oops)));
    }
  }
  EXPECT_GE(ends.size(), 2U) << "some end by themselves, some are ended";
}

// Every value that the text shows is in the record as well.
TEST_F(KernelProgramTest, TextAndRecordAgree) {
  const Oops end = oops("oops", {3});
  const auto record = nlohmann::json::parse(to_json(end));
  const std::string text = to_text(end);
  EXPECT_THAT(text, HasSubstr(record["message"].get<std::string>()));
  for (const auto& [name, value] : record["registers"].items()) {
    const std::uint64_t number = std::stoull(value.get<std::string>(), nullptr, 16);
    EXPECT_THAT(text, HasSubstr(fmt::format("{:x}", number))) << name;
  }
  for (const auto& [name, value] : record["tables"].items())
    EXPECT_THAT(text, HasSubstr(name + " " + value.get<std::string>().substr(2)));
  EXPECT_GT(record["trace"].size(), 3U);
  for (const auto& caller : record["trace"]) EXPECT_THAT(text, HasSubstr("\n " + caller.get<std::string>() + "\n"));
  EXPECT_EQ(record["code"][record["code_mark"].get<std::size_t>()],
            fmt::format("{:#x}", static_cast<unsigned>(end.code[end.code_mark])));
}

TEST_F(KernelProgramTest, Refusals) {
  const auto refusal = [](std::string bytes) {
    auto guest = Guest::create({}, std::as_bytes(std::span(bytes)));
    EXPECT_FALSE(guest);
    return guest ? std::string() : guest.error().message;
  };
  const std::string good = program_bytes("uaccess");
  ASSERT_GT(good.size(), 64U);
  EXPECT_EQ(refusal(""), "not an ELF file");
  EXPECT_EQ(refusal(good.substr(0, 100)), "the program headers lie outside the file");
  const auto changed = [&](std::size_t at, std::uint64_t value, std::size_t bytes = 8) {
    std::string copy = good;
    copy.replace(at, bytes, reinterpret_cast<const char*>(&value), bytes);
    return copy;
  };
  constexpr std::size_t kEntry = 24, kFirstSegment = 64, kAddress = kFirstSegment + 16, kFileBytes = kFirstSegment + 32;
  EXPECT_THAT(refusal(changed(kAddress, 0xffff'8000'0000'2000)), HasSubstr("overlaps the entry stubs"));
  EXPECT_THAT(refusal(changed(kAddress, 0x40'0000)), HasSubstr("does not lie in the last 2 GiB"));
  EXPECT_THAT(refusal(changed(kAddress, ~0ULL - 8)), HasSubstr("goes round the end"));
  EXPECT_THAT(refusal(changed(kFileBytes, 1 << 20)), HasSubstr("more bytes than the file"));
  EXPECT_THAT(refusal(changed(kEntry, 0x1000)), HasSubstr("entry point, 0x1000, is not in its code"));
}

}  // namespace
}  // namespace faultline::vmm::kernel
