// The kernel-style report: what it shows, and that no guest state can break it.
#include "vmm/record/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <map>
#include <random>

#include "tests/unit/record/elf_builder.hpp"
#include "tests/unit/record/sample_records.hpp"

namespace faultline::vmm {
namespace {

using testing::HasSubstr;
using testing::Not;

// Guest memory by page; what is not there cannot be read.
class FakeMemory {
 public:
  void put(std::uint64_t address, std::span<const std::byte> bytes) {
    for (std::size_t n = 0; n < bytes.size(); ++n) page((address + n) >> 12)[(address + n) & 4095] = bytes[n];
  }
  void put_word(std::uint64_t address, std::uint64_t value) { put(address, std::as_bytes(std::span(&value, 1))); }
  std::vector<std::byte>& page(std::uint64_t number) {
    auto& p = pages_[number];
    p.resize(4096);
    return p;
  }
  [[nodiscard]] PeekMemory peek() const {
    return [this](Gva at, std::span<std::byte> to) {
      std::size_t n = 0;
      for (; n < to.size(); ++n) {
        const std::uint64_t address = at.raw() + n;
        const auto found = pages_.find(address >> 12);
        if (found == pages_.end()) break;
        to[n] = found->second[address & 4095];
      }
      return n;
    };
  }

 private:
  std::map<std::uint64_t, std::vector<std::byte>> pages_;
};

struct ReportTest : testing::Test {
  ReportTest() {
    ElfBuilder elf;
    elf.symbols = {{"main", 0x401100, 0x100}, {"work", 0x401200, 0x100}, {"_start", 0x401000, 0x20}};
    symbols = std::move(*SymbolTable::from_elf(elf.build(), 0));
    // work() at 0x401210: mov [rax], ecx; called by main, called by _start.
    const std::array<std::byte, 2> code = {std::byte{0x89}, std::byte{0x08}};
    memory.page(0x401);
    memory.put(0x401210, code);
    memory.put_word(0x7ffe0000, 0x1111);
    memory.put_word(0x7ffe0020, 0x7ffe0040);
    memory.put_word(0x7ffe0028, 0x401155);
    memory.put_word(0x7ffe0040, 0);
    memory.put_word(0x7ffe0048, 0x401011);

    input.backend = "kvm-pvm";
    input.process = 100;
    input.program = "./guest";
    input.event = PageFaultEvent{Gva(0x1234), mmu::ErrorCode(6)};
    input.regs.rip = 0x401210;
    input.regs[UserRegs::kRax] = 0x1234;
    input.regs[UserRegs::kRsp] = 0x7ffe0000;
    input.regs[UserRegs::kRbp] = 0x7ffe0020;
    input.signal = SIGSEGV;
    input.si_code = SEGV_MAPERR;
    input.peek = memory.peek();
    input.walk = [](Gva address) { return sample_walk(address, mmu::Pte()); };
    input.symbols = &symbols;
    input.vmas = {VmaInfo(sample_vma(Gva(0x400000), Gva(0x402000), "/bin/guest")),
                  VmaInfo(sample_vma(Gva(0x7ffd0000), Gva(0x7fff0000), "[stack]"))};
  }
  std::string text() {
    fmt::memory_buffer out;
    append_report(out, input);
    return fmt::to_string(out);
  }
  FakeMemory memory;
  SymbolTable symbols;
  ReportInput input;
};

TEST_F(ReportTest, ShowsAnUnhandledPageFault) {
  EXPECT_EQ(text(), R"(BUG: unhandled page fault at address 0x0000000000001234
#PF: user write, page not present
#PF: error code 0x0006 [W U]
Process 100 (./guest) on kvm-pvm vcpu 0, killed by SIGSEGV (SEGV_MAPERR)
Page tables (4-level), not-present:
  PGD at 0x15000: 0x0000000000014067 [P W U A D] table 0x14
  PUD at 0x14000: 0x0000000000013067 [P W U A D] table 0x13
  PMD at 0x13000: 0x0000000000012067 [P W U A D] table 0x12
  PTE at 0x12008: none  <- P
RIP: 0x401210 work+0x10/0x100
Instruction: mov dword ptr [rax], ecx
Explained by: operand, write of 4 bytes at 0x1234
Code: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 <89> 08 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
RAX 0000000000001234  RBX 0000000000000000  RCX 0000000000000000  RDX 0000000000000000
RSI 0000000000000000  RDI 0000000000000000  RBP 000000007ffe0020  RSP 000000007ffe0000
R8  0000000000000000  R9  0000000000000000  R10 0000000000000000  R11 0000000000000000
R12 0000000000000000  R13 0000000000000000  R14 0000000000000000  R15 0000000000000000
RFLAGS 00000202  FS base 0000000000000000  GS base 0000000000000000
Stack:
  0x7ffe0000: 0000000000001111 0000000000000000 0000000000000000 0000000000000000
  0x7ffe0020: 000000007ffe0040 0000000000401155 0000000000000000 0000000000000000
  0x7ffe0040: 0000000000000000 0000000000401011 0000000000000000 0000000000000000
  0x7ffe0060: 0000000000000000 0000000000000000 0000000000000000 0000000000000000
Call trace:
  work+0x10/0x100
  main+0x55/0x100
  _start+0x11/0x20
Memory map near 0x1234, which is in no mapping:
   0x400000-0x402000 rw-p pgoff 0x0 /bin/guest
   0x7ffd0000-0x7fff0000 rw-p pgoff 0x0 [stack]
)");
}

TEST_F(ReportTest, CallsANullPointerByItsName) {
  input.event = PageFaultEvent{Gva(8), mmu::ErrorCode(4)};
  EXPECT_THAT(text(), HasSubstr("BUG: unhandled page fault, NULL pointer, at address 0x0000000000000008\n"));
}

TEST_F(ReportTest, MarksTheMappingThatHoldsTheAddress) {
  input.event = PageFaultEvent{Gva(0x401000), mmu::ErrorCode(7)};
  EXPECT_THAT(text(), HasSubstr("=> 0x400000-0x402000"));
  EXPECT_THAT(text(), Not(HasSubstr("no mapping")));
}

TEST_F(ReportTest, ShowsTheNeighboursOfManyMappings) {
  input.vmas.clear();
  for (std::uint64_t n = 1; n <= 20; ++n)
    input.vmas.push_back(VmaInfo(sample_vma(Gva(n * 0x10000), Gva(n * 0x10000 + 0x1000), fmt::format("m{}", n))));
  input.event = PageFaultEvent{Gva(0xa0800), mmu::ErrorCode(7)};
  const std::string report = text();
  EXPECT_THAT(report, HasSubstr("=> 0xa0000-0xa1000 rw-p pgoff 0x0 m10"));
  EXPECT_THAT(report, HasSubstr("m7\n"));
  EXPECT_THAT(report, HasSubstr("m13\n"));
  EXPECT_THAT(report, Not(HasSubstr("m6\n")));
  EXPECT_THAT(report, Not(HasSubstr("m14\n")));
  EXPECT_THAT(report, HasSubstr("7 of 20 mappings shown"));
}

TEST_F(ReportTest, NamesTheOperandThatIsNotCanonical) {
  input.event = ExceptionEvent{13, 0};
  input.regs[UserRegs::kRax] = 0x8000'0000'0000'0000;
  const std::string report = text();
  EXPECT_THAT(report, HasSubstr("BUG: unhandled exception 13 (#GP general protection)\nerror code 0x0000\n"));
  EXPECT_THAT(report, HasSubstr("the write of 4 bytes at 0x8000000000000000: this address is not canonical"));
  EXPECT_THAT(report, Not(HasSubstr("Page tables")));
}

TEST_F(ReportTest, ShowsAnErrorCodeOnlyWhereThereIsOne) {
  input.event = ExceptionEvent{6, 0};
  EXPECT_THAT(text(), HasSubstr("BUG: unhandled exception 6 (#UD invalid opcode)\nProcess 100"));
  input.event = ExceptionEvent{200, 0};
  EXPECT_THAT(text(), HasSubstr("unhandled exception 200 (unknown exception)"));
}

TEST_F(ReportTest, ACallToNowhereShowsWhoCalled) {
  input.event = PageFaultEvent{Gva(0x1234000), mmu::ErrorCode(0x14)};
  input.regs.rip = 0x1234000;
  memory.put_word(0x7ffe0000, 0x401220);
  const std::string report = text();
  EXPECT_THAT(report, HasSubstr("RIP: 0x1234000\nInstruction: no-bytes\nExplained by: fetch\n"));
  EXPECT_THAT(report, HasSubstr("Call trace:\n  0x1234000\n  ? work+0x20/0x100\n  main+0x55/0x100\n"));
}

TEST_F(ReportTest, ShowsAFatalEvent) {
  input.event = FatalEvent{"triple fault", "state before it: a\nand b"};
  input.signal = 0;
  EXPECT_THAT(text(), HasSubstr("BUG: the virtual CPU cannot go on: triple fault\nstate before it: a\nand b\n"
                                "Process 100 (./guest) on kvm-pvm vcpu 0\n"));
}

TEST_F(ReportTest, LeavesOutWhatIsNotAtHand) {
  input.peek = nullptr;
  input.walk = nullptr;
  input.symbols = nullptr;
  input.vmas.clear();
  const std::string report = text();
  EXPECT_THAT(report, HasSubstr("Code: the bytes at RIP cannot be read"));
  EXPECT_THAT(report, HasSubstr("Stack:\n  cannot be read at 0x7ffe0000"));
  EXPECT_THAT(report, HasSubstr("Call trace:\n  0x401210\nMemory map"));
  EXPECT_THAT(report, Not(HasSubstr("Page tables")));
}

TEST_F(ReportTest, CodeAtTheStartOfAPageWithNothingBelow) {
  input.regs.rip = 0x401000;
  memory.put(0x401000, std::as_bytes(std::span("\x89\x08", 2)));
  EXPECT_THAT(text(), HasSubstr("Code: <89> 08 00"));
}

TEST_F(ReportTest, CodeThatEndsAtAnUnmappedPage) {
  input.regs.rip = 0x401ffe;
  memory.put(0x401ffe, std::as_bytes(std::span("\x48\x8b", 2)));
  input.event = PageFaultEvent{Gva(0x402000), mmu::ErrorCode(0x14)};
  const std::string report = text();
  EXPECT_THAT(report, HasSubstr("<48> 8b ?? ??"));
  EXPECT_THAT(report, HasSubstr("Instruction: truncated"));
  EXPECT_THAT(report, HasSubstr("Explained by: fetch, the instruction continues on a page that cannot be fetched"));
}

TEST_F(ReportTest, AFrameChainThatLoopsEnds) {
  memory.put_word(0x7ffe0040, 0x7ffe0020);
  EXPECT_THAT(text(), HasSubstr("  _start+0x11/0x20\nMemory map"));
}

TEST_F(ReportTest, GuessesFromTheStackWithoutFramePointers) {
  input.regs[UserRegs::kRbp] = 7;
  const std::string report = text();
  EXPECT_THAT(report, HasSubstr("Call trace:\n  work+0x10/0x100\n  ? main+0x55/0x100\n  ? _start+0x11/0x20\nMemory"));
}

TEST_F(ReportTest, KeepsControlCharactersFromTheTerminal) {
  input.program = "a\x1b[2Jb";
  input.vmas[0].name = "x\ny";
  const std::string report = text();
  EXPECT_THAT(report, HasSubstr("(a?[2Jb)"));
  EXPECT_THAT(report, HasSubstr("x?y"));
}

TEST_F(ReportTest, NoRegistersBreakIt) {
  constexpr std::uint64_t kEdges[] = {
      0,     1,         7,          0xfff,      0x1000,         0x401fff,  0x7ffffffff000,
      ~0ULL, ~0ULL - 7, 1ULL << 63, 1ULL << 47, 0x7fffffffefff, 0x7ffe0020};
  std::mt19937_64 random(3);
  for (int round = 0; round < 3000; ++round) {
    const auto pick = [&] { return random() % 2 == 0 ? kEdges[random() % std::size(kEdges)] : random(); };
    for (auto& r : input.regs.gpr) r = pick();
    input.regs.rip = pick();
    memory.put_word(0x7ffe0020, pick());
    input.event = PageFaultEvent{Gva(pick()), mmu::ErrorCode(static_cast<std::uint32_t>(random() & 0x1f))};
    ASSERT_THAT(text(), HasSubstr("Memory map near"));
  }
}

}  // namespace
}  // namespace faultline::vmm
