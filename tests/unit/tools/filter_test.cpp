#include "vmm/inspect/filter.hpp"

#include <gtest/gtest.h>

#include "tests/unit/inspect/sample_events.hpp"
#include "tools/filter_options.hpp"

namespace faultline::vmm::inspect {
namespace {

// The numbers of the events that pass.
std::vector<std::uint64_t> passing(const Filter& filter) {
  std::vector<std::uint64_t> numbers;
  for (const Event& event : sample_run())
    if (filter.matches(event)) numbers.push_back(event.number);
  return numbers;
}
using Numbers = std::vector<std::uint64_t>;

TEST(FilterTest, WithoutPartsEverythingPasses) {
  EXPECT_FALSE(Filter{}.any());
  EXPECT_EQ(passing({}).size(), sample_run().size());
}

TEST(FilterTest, EachPartByItself) {
  Filter f;
  f.addresses = AddressRange{0x123000, 0x124000};
  EXPECT_EQ(passing(f), (Numbers{8, 9, 10})) << "the exit, the fault and the signal";
  f = {};
  f.vma = "stack";
  EXPECT_EQ(passing(f), Numbers{3});
  f.vma = "(none)";
  EXPECT_EQ(passing(f), Numbers{9});
  f = {};
  f.steps = {mmu::FaultStep::kCopy};
  EXPECT_EQ(passing(f), Numbers{5});
  f.steps.push_back(mmu::FaultStep::kAnonymousPage);
  EXPECT_EQ(passing(f), (Numbers{3, 5})) << "one of them is enough";
  f = {};
  f.outcome = Outcome{.end = FaultEnd::kMinor};
  EXPECT_EQ(passing(f), (Numbers{3, 5}));
  f.outcome = find_outcome("SIGSEGV");
  EXPECT_EQ(passing(f), Numbers{9});
  f.outcome = find_outcome("SIGBUS");
  EXPECT_EQ(passing(f), Numbers{});
  f = {};
  f.process = 101;
  EXPECT_EQ(passing(f), Numbers{});
  f = {};
  f.time = TimeRange{9'000, 15'000};
  EXPECT_EQ(passing(f), (Numbers{4, 5, 6})) << "both ends belong to it";
}

TEST(FilterTest, AllPartsMustHold) {
  Filter f;
  f.steps = {mmu::FaultStep::kCopy, mmu::FaultStep::kAnonymousPage};
  f.time = TimeRange{9'000, ~0ULL};
  EXPECT_EQ(passing(f), Numbers{5});
  f.process = 7;
  EXPECT_EQ(passing(f), Numbers{});
}

TEST(FilterTest, AChangeOfVmasIsWhereItHappened) {
  recording::VmaChange change;
  change.operation = "mmap";
  change.start = Gva(0x1000);
  change.end = Gva(0x3000);
  const Event event = sample_event(1, 0, change);
  Filter f;
  f.addresses = AddressRange{0x2000, 0x2001};
  EXPECT_TRUE(f.matches(event));
  f.addresses = AddressRange{0x3000, 0x4000};
  EXPECT_FALSE(f.matches(event));
}

TEST(FilterTest, NamesAreFound) {
  EXPECT_EQ(find_step("wp_page_copy"), mmu::FaultStep::kCopy);
  EXPECT_EQ(find_step("bad_area"), mmu::FaultStep::kNoVma);
  EXPECT_EQ(find_step("out_of_memory"), mmu::FaultStep::kOutOfMemory);
  for (const char* wrong : {"", "?", "wp_page", "WP_PAGE_COPY"}) EXPECT_FALSE(find_step(wrong)) << wrong;
  EXPECT_EQ(find_outcome("efault")->end, FaultEnd::kEfault);
  EXPECT_EQ(find_outcome("SIGBUS")->signal, 7);
  for (const char* wrong : {"", "fine", "SIG", "11"}) EXPECT_FALSE(find_outcome(wrong)) << wrong;
}

TEST(FilterTest, WhatIsShownIsFitForATerminal) {
  VmaInfo vma;
  vma.name = "/tmp/\x1b[2J";
  EXPECT_EQ(vma_name(vma), "/tmp/?[2J");
  EXPECT_EQ(vma_name(std::nullopt), "(none)");
  EXPECT_EQ(vma_name(VmaInfo()), "(anonymous)");
  EXPECT_EQ(path_name({}), "(none)");
}

TEST(FilterOptionsTest, AddressRanges) {
  using tools::parse_address_range;
  const auto expect = [](const char* text, std::uint64_t start, std::uint64_t end) {
    const auto range = parse_address_range(text);
    ASSERT_TRUE(range) << text;
    EXPECT_EQ(range->start, start) << text;
    EXPECT_EQ(range->end, end) << text;
  };
  expect("0x401234", 0x401000, 0x402000);
  expect("0x1000..0x3000", 0x1000, 0x3000);
  expect("0x1000-0x3000", 0x1000, 0x3000);
  expect("0x1000+8K", 0x1000, 0x3000);
  expect("0x1000+0x10", 0x1000, 0x1010);
  expect("0xffffffffffffffff", 0xfffffffffffff000, ~0ULL);
  expect("0xfffffffffffff000+1G", 0xfffffffffffff000, ~0ULL);
  for (const char* wrong : {"", "x", "0x", "0x2000..0x1000", "0x1000..0x1000", "0x1000+0", "0x1000+", "..0x1000", "-"})
    EXPECT_FALSE(parse_address_range(wrong)) << wrong;
}

TEST(FilterOptionsTest, TimeRanges) {
  using tools::parse_time_range;
  EXPECT_EQ(parse_time_range("1ms..2ms")->from, 1'000'000u);
  EXPECT_EQ(parse_time_range("1ms..2ms")->to, 2'000'000u);
  EXPECT_EQ(parse_time_range("..1")->from, 0u);
  EXPECT_EQ(parse_time_range("..1")->to, 1'000'000'000u);
  EXPECT_EQ(parse_time_range("1.5us..")->from, 1'500u);
  EXPECT_EQ(parse_time_range("1.5us..")->to, ~0ULL);
  for (const char* wrong : {"", "..", "1ms", "2ms..1ms", "a..b", "1ms...2ms"})
    EXPECT_FALSE(parse_time_range(wrong)) << wrong;
}

}  // namespace
}  // namespace faultline::vmm::inspect
