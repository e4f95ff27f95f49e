// The guest-physical and linear layout of the conformance machine.
//
//   0x001000  GDT and TSS          0x006000  user code     0x010000  tables of the runner
//   0x002000  IDT                  0x007000  user data     0x020000  tables of the address under test
//   0x003000  exception handlers   0x008000  IRETQ frame   0x030000  tables of the page after it
//   0x004000  exception stacks     0x009000  scratch       0x200000  generated code, 0x400000 records
//   0x600000  read-only tables     0x700000  no memory
//
// Two MiB on either side of the first GiB are data. The address under test is the last page before
// a boundary of the root level, so that what follows it has other tables at every level; and the
// offset inside a page of any size equals the one in the first GiB, so that a leaf of any
// level leads to the same data.
#pragma once

#include <cstdint>

#include "mmu/base/address.hpp"
#include "tests/model/cpu.hpp"

namespace faultline::vmm::conform {

// The runner's view of guest-physical memory: supervisor only, at the top of the linear space, so
// that every address of its own fits a sign-extended 32-bit operand.
inline constexpr std::uint64_t kWindow = 0xffff'ffff'8000'0000;
constexpr Gva window(Gpa at) { return Gva(kWindow + at.raw()); }
// The same for 32-bit code, which sees the low half of the address.
constexpr Gva window(Gpa at, model::Paging paging) {
  return model::long_mode(paging) ? window(at) : Gva(window(at).raw() & 0xffff'ffff);
}

inline constexpr Gpa kDescriptors{0x1000};  // GDT; the TSS follows at kTssOffset
inline constexpr std::uint64_t kTssOffset = 0x80;
inline constexpr std::uint16_t kLdtSelector = 0x50;  // 16 bytes, written by the cases that use it
inline constexpr Gpa kIdt{0x2000};
inline constexpr Gpa kHandlers{0x3000};
inline constexpr Gpa kEndOfBatch{0x3800}, kStart{0x3840};
inline constexpr Gpa kExceptionStackTop{0x5000};
inline constexpr Gpa kDoubleFaultStackTop{0x6000};
inline constexpr Gpa kUserCode{0x6000};
inline constexpr Gpa kUserData{0x7000};
inline constexpr Gpa kIretFrame{0x8000};  // RIP, CS, RFLAGS, RSP, SS
inline constexpr Gpa kScratch{0x9000};    // the supervisor's buffer
inline constexpr Gpa kStackTop{0xb000};
inline constexpr Gpa kRoot{0x10000};
inline constexpr Gpa kUpperPml4{0x11000}, kLowerPml4{0x12000};  // below a root of level 5
inline constexpr Gpa kWindowPdpt{0x13000}, kWindowPd0{0x14000}, kWindowPd1{0x15000};
inline constexpr Gpa kUserPdpt{0x16000}, kUserPd{0x17000}, kUserPt{0x18000};
inline constexpr Gpa kWindowTables{0x19000};  // of 32-bit paging: four page tables
inline constexpr Gpa kTablesA{0x20000}, kTablesB{0x30000};
inline constexpr Gpa kCode{0x200000}, kRecords{0x400000};
// One table for each level and each value of P, W, U, A and D in its last entry; KVM has it as read-only memory.
inline constexpr Gpa kRom{0x600000};
inline constexpr unsigned kRomPerLevel = 32, kRomLevels = 3;
inline constexpr std::uint64_t kRomBytes = kRomPerLevel * kRomLevels * kPageSize;
inline constexpr Gpa kHole{0x700000};                    // no memory, as KVM is told
inline constexpr std::uint64_t kAreaBytes = 2ULL << 20;  // of code, and of records
inline constexpr std::uint64_t kLowBytes = 8ULL << 20;

inline constexpr Gpa kDataFirst{(1ULL << 30) - (2ULL << 20)};
inline constexpr std::uint64_t kDataBytes = 4ULL << 20;
inline constexpr Gpa kPageA{(1ULL << 30) - kPageSize}, kPageB{1ULL << 30};
inline constexpr Gpa kOtherPage = kPageA - kPageSize;  // that a PTE leads to after a change of frames
// Beyond 4 GiB, where bit 13 of a PDE leads in pages of 4 MiB.
inline constexpr Gpa kHighPage{(4ULL << 30) + kPageA.raw()};

// User code and data, as user code sees them.
constexpr Gva user_code_at(model::Paging paging) { return Gva(model::long_mode(paging) ? 0x40'0000 : 0xc040'0000); }
constexpr Gva user_data_at(model::Paging paging) { return user_code_at(paging) + kPageSize; }

// The table of `level` on the way to the page under test (A) or the one behind it (B).
constexpr Gpa table_a(unsigned level) { return kTablesA + level * kPageSize; }
constexpr Gpa table_b(unsigned level) { return kTablesB + level * kPageSize; }

// Every word of the data area: its own address, between what runs as UD2 at its start, and a
// prefix at its end that makes `prefix, UD2` of it and the word behind it.
constexpr std::uint64_t data_word(Gpa at) { return 0x3e5a'0000'0000'0b0f | (at.raw() >> 3 & 0xffff'ffff) << 16; }

}  // namespace faultline::vmm::conform
