// The number of host mappings stays bounded, whatever the guest touches.
#include <fstream>
#include <string>

#include "tests/hosted/hosted_guest.hpp"

namespace faultline::vmm::testing {
namespace {

using HostedMappingLimit = HostedTest;

constexpr Gva kFirst{0x10'0000'0000};

std::size_t host_mappings(pid_t pid) {
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) ++count;
  return count;
}

// mov rax, [rdi]; add rdi, 4096; dec rcx; jnz back; syscall
const std::vector<unsigned> kReadPages = {0x48, 0x8b, 0x07, 0x48, 0x81, 0xc7, 0x00, 0x10, 0x00,
                                          0x00, 0x48, 0xff, 0xc9, 0x75, 0xf1, 0x0f, 0x05};

// `pages` pages that no two neighbours of can be one mapping: their frames take turns.
void map_pages_of_two_frames(TinyGuest& guest, std::uint64_t pages) {
  const Gfn frames[] = {guest.frame(), guest.frame(), guest.frame()};
  for (std::uint64_t i = 0; i < pages; ++i)
    guest.entry(kFirst + i * kPageSize) = mmu::Pte::make(frames[i % 2 * 2], kUserPage).raw();
}

TEST_F(HostedMappingLimit, OldMappingsMakeRoomForNewOnes) {
  constexpr std::size_t kLimit = 200;
  constexpr std::uint64_t kPages = 3000;
  make(64ULL << 20, kLimit);
  guest().load(kReadPages);
  map_pages_of_two_frames(guest(), kPages);
  for (int round = 0; round < 2; ++round) {
    guest().start();
    vcpu().edit_regs()[UserRegs::kRdi] = kFirst.raw();
    vcpu().edit_regs()[UserRegs::kRcx] = kPages;
    guest().expect<SyscallEvent>();
    EXPECT_LE(hosted().shadow().mappings(), kLimit);
    EXPECT_LE(host_mappings(hosted().stub().pid()), kLimit + 8);
  }
  EXPECT_GT(hosted().shadow().statistics().evictions, 0U);
}

TEST_F(HostedMappingLimit, NeighboursAreOneMapping) {
  guest().load(kReadPages);
  constexpr std::uint64_t kPages = 512;
  for (std::uint64_t i = 0; i < kPages; ++i) guest().entry(kFirst + i * kPageSize);  // the tables first
  for (std::uint64_t i = 0; i < kPages; ++i) guest().map(kFirst + i * kPageSize);
  vcpu().edit_regs()[UserRegs::kRdi] = kFirst.raw();
  vcpu().edit_regs()[UserRegs::kRcx] = kPages;
  guest().expect<SyscallEvent>();
  // Code, and the pages; the frames of a run of the allocator are neighbours.
  EXPECT_LE(hosted().shadow().mappings(), 8U);
  EXPECT_LE(host_mappings(hosted().stub().pid()), 16U);
}

TEST_F(HostedMappingLimit, AMillionPagesStayWithinTheLimitOfTheHost) {
  constexpr std::uint64_t kPages = 1'000'000;
  guest().load(kReadPages);
  map_pages_of_two_frames(guest(), kPages);
  vcpu().edit_regs()[UserRegs::kRdi] = kFirst.raw();
  vcpu().edit_regs()[UserRegs::kRcx] = kPages;
  guest().expect<SyscallEvent>();
  EXPECT_EQ(vcpu().regs()[UserRegs::kRdi], kFirst.raw() + kPages * kPageSize);
  EXPECT_LE(hosted().shadow().mappings(), machine().mapping_limit());
  EXPECT_GT(hosted().shadow().statistics().evictions, 10U);
}

}  // namespace
}  // namespace faultline::vmm::testing
