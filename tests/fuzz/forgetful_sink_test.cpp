// A sink that does less than it is asked for is found by the judge whose processor never forgets
// anything by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vmm/fuzz/machine/model_machine.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A sink that loses every `kLose`th flush, or drops tables without saying so.
template <unsigned kLose, bool kKeepsTables = false>
struct ForgetfulSink final : mmu::TlbSink {
  explicit ForgetfulSink(ModelTlb& to) : tlb(to) {}
  mmu::TlbAction flush(const mmu::TlbBatch& batch) override {
    if (++flushes % kLose == 0) return mmu::TlbAction::kGuestFlush;
    mmu::TlbBatch passed = batch;
    if (kKeepsTables) passed.tables_freed = false;
    return tlb.flush(passed);
  }
  [[nodiscard]] bool tables_reusable_after_flush() const override { return true; }
  mmu::TlbAction drop_all() override { return tlb.drop_all(); }
  static mmu::TlbSink& wrap(ModelTlb& to) {
    static std::unique_ptr<ForgetfulSink> the;
    the = std::make_unique<ForgetfulSink>(to);
    return *the;
  }
  ModelTlb& tlb;
  unsigned flushes = 0;
};

std::vector<std::string> broken_with(ModelMachine::WrapSink wrap, const std::string& lines) {
  auto machine = ModelMachine::create(wrap);
  FL_CHECK(machine);
  const auto trace = (*machine)->judge().run(*parse_text(std::string(kTextHeader) + "\n" + lines, "test"));
  FL_CHECK(trace);
  return trace->broken;
}

// Every flush that mmu asks for is needed: the model finds each that is lost.
TEST(ForgetfulSink, IsFound) {
  const std::string used = "map 2m-2p 4p rwx private,fixed anonymous 0\nwrite 8 2m-1p 5\nwrite 8 2m 6\n";
  const std::pair<std::string, std::string> cases[] = {
      {"protect 2m-1p 2p r-x", "is read-only"},
      {"protect 2m-1p 2p ---", "is not mapped any more"},
      {"unmap 2m-1p 1p", "is not mapped any more"},
      {"advise 2m-1p 1p dontneed", "is not mapped any more"},
      {"advise 2m-1p 1p guard-install", "is not mapped any more"},
      {"remap 2m-2p 4p 4p maymove,fixed 1g", "is gone"},
      {"fork", "is read-only"},
      {"fetch 2m\nprotect 2m 1p rw-", "may not be executed"},
      {"fork\nread 8 2m\nwrite 8 2m 9", "is read-only"},
  };
  for (const auto& [lines, what] : cases) {
    EXPECT_THAT(broken_with(nullptr, used + lines), IsEmpty()) << lines;
    const auto broken = broken_with(ForgetfulSink<1>::wrap, used + lines);
    ASSERT_FALSE(broken.empty()) << lines;
    EXPECT_THAT(broken.front(), HasSubstr(what)) << lines;
  }
  // The frame under a page: a write after a read of the zero page.
  const std::string copied = "map 2m 1p rw- private,fixed anonymous 0\nread 8 2m\nwrite 8 2m 9\n";
  EXPECT_THAT(broken_with(nullptr, copied + "read 8 2m"), IsEmpty());
  EXPECT_THAT(broken_with(ForgetfulSink<2>::wrap, used + "protect 2m-1p 1p r--\nprotect 2m 1p r--"),
              ElementsAre(HasSubstr("after step 4"), HasSubstr("after step")));
}

TEST(ForgetfulSink, OfTablesIsFound) {
  const std::string lines = "map 2m-2p 4p rw- private,fixed anonymous 0\nwrite 8 2m 5\nunmap 2m-2p 4p";
  EXPECT_THAT(broken_with(nullptr, lines), IsEmpty());
  const auto broken = broken_with(ForgetfulSink<1'000'000, true>::wrap, lines);
  ASSERT_FALSE(broken.empty());
  EXPECT_THAT(broken.front(), testing::ContainsRegex("the table of level [123] at 0x[0-9a-f]+ is gone"));
}

// What a lost flush leads to is seen by the reference too: a store that should have been refused.
TEST(ForgetfulSink, MakesTheModelDisagreeWithTheReference) {
  const Program program = *parse_text(std::string(kTextHeader) +
                                          "\nmap 2m 1p rw- private,fixed anonymous 0\nwrite 8 2m 5\n"
                                          "protect 2m 1p r--\nwrite 8 2m 6\n",
                                      "test");
  auto machine = ModelMachine::create(ForgetfulSink<1>::wrap);
  ASSERT_TRUE(machine);
  auto trace = (*machine)->judge().run(program);
  ASSERT_TRUE(trace);
  trace->broken.clear();
  const auto found = compare(program, *make_reference()->run(program), *trace);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->step, 3U);
  EXPECT_EQ(found->field, "outcome");
}

}  // namespace
}  // namespace faultline::vmm::fuzz
