#include "vmm/linux_abi/initial_stack.hpp"

#include <elf.h>

#include <map>

#include "mmu/space/uaccess.hpp"
#include "tests/unit/support/guest_memory.hpp"

namespace faultline::test {
namespace {

namespace abi = vmm::linux_abi;
constexpr std::uint64_t kTop = abi::AddressLayout::kStackTop;

class InitialStack : public testing::Test {
 protected:
  InitialStack() : mm(mmu::AddressSpace::create(memory.env)) {
    facts.hwcap = 0xbfebfbff;
    facts.uid = 7;
    facts.random.fill(std::byte{0xab});
    image = {.load_bias = 0, .entry = 0x401000, .phdr = 0x400040, .phnum = 3, .executable_stack = false};
  }
  void build(std::vector<std::string> argv, std::vector<std::string> envp) {
    auto built = abi::build_initial_stack(*mm, image, argv, envp, "/bin/prog", facts);
    ASSERT_TRUE(built) << built.error().message;
    rsp = built->rsp;
  }
  std::uint64_t word(std::uint64_t at) { return mmu::get_user<std::uint64_t>(*mm, Gva(at)).value(); }
  std::string text(std::uint64_t at) { return mmu::string_from_user(*mm, Gva(at), 4096).value(); }
  // The auxiliary vector behind argv and envp.
  std::map<std::uint64_t, std::uint64_t> aux(std::size_t argc, std::size_t envc) {
    std::map<std::uint64_t, std::uint64_t> all;
    std::uint64_t at = rsp + 8 * (1 + argc + 1 + envc + 1);
    for (; word(at) != AT_NULL; at += 16) all[word(at)] = word(at + 8);
    return all;
  }

  GuestMemory memory;
  std::unique_ptr<mmu::AddressSpace> mm;
  abi::ProcessFacts facts;
  abi::LoadedImage image;
  std::uint64_t rsp = 0;
};

TEST_F(InitialStack, HasArgumentsAndEnvironmentInOrder) {
  build({"prog", "a", ""}, {"X=1", "LONGER=value"});
  EXPECT_EQ(rsp % 16, 0u);
  EXPECT_EQ(word(rsp), 3u);
  EXPECT_EQ(text(word(rsp + 8)), "prog");
  EXPECT_EQ(text(word(rsp + 16)), "a");
  EXPECT_EQ(text(word(rsp + 24)), "");
  EXPECT_EQ(word(rsp + 32), 0u);
  EXPECT_EQ(text(word(rsp + 40)), "X=1");
  EXPECT_EQ(text(word(rsp + 48)), "LONGER=value");
  EXPECT_EQ(word(rsp + 56), 0u);
}

TEST_F(InitialStack, StringsEndAtTheTopAsLinuxPutsThem) {
  build({"prog"}, {"X=1"});
  // Eight zero bytes, the name of the file, the environment, the arguments: downwards.
  EXPECT_EQ(word(kTop - 8), 0u);
  const std::uint64_t name_at = kTop - 8 - sizeof("/bin/prog");
  EXPECT_EQ(aux(1, 1).at(AT_EXECFN), name_at);
  EXPECT_EQ(text(name_at), "/bin/prog");
  EXPECT_EQ(word(rsp + 24), name_at - sizeof("X=1"));
  EXPECT_EQ(word(rsp + 8), name_at - sizeof("X=1") - sizeof("prog"));
}

TEST_F(InitialStack, AuxiliaryVectorTellsTheProgramAboutItself) {
  build({"prog"}, {});
  const auto a = aux(1, 0);
  EXPECT_EQ(a.at(AT_PHDR), 0x400040u);
  EXPECT_EQ(a.at(AT_PHENT), 56u);
  EXPECT_EQ(a.at(AT_PHNUM), 3u);
  EXPECT_EQ(a.at(AT_PAGESZ), 4096u);
  EXPECT_EQ(a.at(AT_BASE), 0u);
  EXPECT_EQ(a.at(AT_ENTRY), 0x401000u);
  EXPECT_EQ(a.at(AT_UID), 7u);
  EXPECT_EQ(a.at(AT_HWCAP), 0xbfebfbffu);
  EXPECT_EQ(a.at(AT_CLKTCK), 100u);
  EXPECT_EQ(a.at(AT_SECURE), 0u);
  EXPECT_EQ(text(a.at(AT_PLATFORM)), "x86_64");
  EXPECT_EQ(word(a.at(AT_RANDOM)), 0xababababababababu);
  EXPECT_FALSE(a.contains(AT_SYSINFO_EHDR));
}

TEST_F(InitialStack, AreaIsTheStringsPagesAnd128KiB) {
  build({"prog"}, {});
  const mmu::Vma* vma = mm->vmas.lookup(Gva(kTop - 1));
  ASSERT_NE(vma, nullptr);
  EXPECT_EQ(vma->end, Gva(kTop));
  EXPECT_EQ(vma->bytes(), 132u * 1024);
  EXPECT_TRUE(vma->flags.has(mmu::VmFlags::kGrowsDown | mmu::VmFlags::kRead | mmu::VmFlags::kWrite));
  EXPECT_FALSE(vma->flags.has(mmu::VmFlags::kExec));
  EXPECT_EQ(vma->name, "[stack]");
}

TEST_F(InitialStack, IsExecutableWhenTheProgramAsks) {
  image.executable_stack = true;
  build({"prog"}, {});
  EXPECT_TRUE(mm->vmas.lookup(Gva(kTop - 1))->flags.has(mmu::VmFlags::kExec));
}

TEST_F(InitialStack, AlwaysAligned) {
  for (std::size_t n = 0; n < 40; ++n) {
    auto fresh = mmu::AddressSpace::create(memory.env);
    const auto built = abi::build_initial_stack(*fresh, image, {std::string(n, 'x')}, {}, "p", facts);
    ASSERT_TRUE(built);
    EXPECT_EQ(built->rsp % 16, 0u) << n;
  }
}

TEST_F(InitialStack, ManyArgumentsGrowTheArea) {
  // A quarter of the 8 MiB stack may be filled.
  const std::vector<std::string> many(100'000, "12345");
  build(many, {});
  EXPECT_EQ(word(rsp), many.size());
  EXPECT_EQ(text(word(rsp + 8 * many.size())), "12345");
}

TEST_F(InitialStack, RefusesWhatDoesNotFit) {
  const auto refused = [&](std::vector<std::string> argv) {
    const auto built = abi::build_initial_stack(*mm, image, argv, {}, "p", facts);
    EXPECT_FALSE(built);
    return built ? 0 : built.error().exit_status;
  };
  EXPECT_EQ(refused({std::string(128 * 1024, 'x')}), 126);              // one string too long
  EXPECT_EQ(refused(std::vector<std::string>(200'000, "12345")), 126);  // all of them
  EXPECT_EQ(mm->vmas.size(), 0u);
}

TEST_F(InitialStack, RefusesWhatGuestMemoryCannotHold) {
  GuestMemory small(1ULL << 20);
  const auto tiny = mmu::AddressSpace::create(small.env);
  const std::vector<std::string> large(12, std::string(100 * 1024, 'x'));
  const auto built = abi::build_initial_stack(*tiny, image, large, {}, "p", facts);
  ASSERT_FALSE(built);
  EXPECT_NE(built.error().message.find("guest memory"), std::string::npos) << built.error().message;
}

}  // namespace
}  // namespace faultline::test
