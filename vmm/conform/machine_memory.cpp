// What lies in the machine's memory before it runs: descriptor tables, handlers, the runner's own
// page tables, data; and the registers that go with it.
#include <array>
#include <cstring>

#include "guest/abi.h"
#include "mmu/arch/vector.hpp"
#include "vmm/conform/compiler.hpp"
#include "vmm/conform/machine.hpp"
#include "vmm/kvm/descriptors.hpp"

// guest/conform/handlers.S
extern "C" const std::byte faultline_conform_handlers[];
extern "C" const std::byte faultline_conform_handlers_end[];
extern "C" const std::byte faultline_conform_handlers32[];
extern "C" const std::byte faultline_conform_handlers32_end[];

namespace faultline::vmm::conform {
namespace {

constexpr std::uint64_t kPresent = 1, kPresentWritable = 0x63, kPresentWritableUser = 0x67, kLarge = 0x80;
using mmu::vector::kDoubleFault;

// A stack of its own for every handler, and another one for #DF.
std::array<std::uint64_t, 2> gate(unsigned vector) {
  return kvm::interrupt_gate(window(kHandlers) + vector * FL_CONFORM_HANDLER_BYTES, vector == kDoubleFault ? 2 : 1);
}

// SDM vol. 3A, "IDT Descriptors": a 32-bit interrupt gate.
std::uint64_t gate32(unsigned vector, model::Paging paging) {
  const std::uint64_t offset = (window(kHandlers, paging) + vector * FL_CONFORM_HANDLER_BYTES).raw();
  return (offset & 0xffff) | std::uint64_t{FL_KERNEL_CS} << 16 | 0x8e00ULL << 32 | (offset >> 16) << 48;
}

kvm_segment flat32(std::uint16_t selector, std::uint8_t type, std::uint8_t dpl) {
  kvm_segment s{};
  s.selector = selector;
  s.limit = 0xffff'ffff;
  s.type = type;
  s.dpl = dpl;
  s.present = s.s = s.g = s.db = 1;
  return s;
}

// Data segments are user code's, because IRET to it would take others away.
void set_32_bit_descriptors(kvm_sregs& sregs, model::Paging paging) {
  kvm_segment null{};
  null.unusable = 1;
  sregs.cs = flat32(FL_KERNEL_CS, 0xb, 0);
  sregs.ss = flat32(FL_KERNEL_SS, 0x3, 0);
  sregs.ds = sregs.es = flat32(FL_USER_SS, 0x3, 3);
  sregs.fs = sregs.gs = sregs.ldt = null;
  sregs.tr = kvm_segment{};
  sregs.tr.selector = FL_TSS;
  sregs.tr.base = (window(kDescriptors, paging) + kTssOffset).raw();
  sregs.tr.limit = kvm::kTssLimit;
  sregs.tr.type = 0xb;
  sregs.tr.present = 1;
  sregs.gdt.base = window(kDescriptors, paging).raw();
  sregs.gdt.limit = FL_TSS + 8 - 1;
  sregs.idt.base = window(kIdt, paging).raw();
  sregs.idt.limit = FL_VECTORS * 8 - 1;
}

}  // namespace

void Machine::store(Gpa at, std::uint64_t value) const { std::memcpy(memory(at, 8).data(), &value, sizeof value); }
void Machine::store4(Gpa at, std::uint64_t value) const { std::memcpy(memory(at, 4).data(), &value, 4); }

void Machine::fill_memory(model::Paging paging) const {
  model::long_mode(paging) ? fill_for_64_bit_code(paging) : fill_for_32_bit_code(paging);
  write_end_of_batch(memory(kEndOfBatch, 64), paging);
  write_user_pages(memory(kUserCode, kPageSize), memory(kUserData, kPageSize));
  store(kScratch, kBufferWord);
  if (model::long_mode(paging)) fill_read_only_tables();
  for (std::uint64_t at = 0; at < kDataBytes; at += 8) store(kDataFirst + at, data_word(kDataFirst + at));
  for (std::uint64_t at = 0; at < kPageSize; at += 8) store(kHighPage + at, data_word(kHighPage + at));
}

void Machine::fill_for_64_bit_code(model::Paging paging) const {
  const Gva tss = window(kDescriptors) + kTssOffset;
  kvm::write_gdt(memory(kDescriptors, kvm::kGdtLimit + 1).first<kvm::kGdtLimit + 1>(), tss);
  kvm::write_tss(memory(kDescriptors + kTssOffset, kvm::kTssBytes).first<kvm::kTssBytes>(), window(kExceptionStackTop),
                 std::array{window(kExceptionStackTop), window(kDoubleFaultStackTop)});

  for (unsigned v = 0; v < FL_VECTORS; ++v) {
    const std::array<std::uint64_t, 2> words = gate(v);
    store(kIdt + v * 16, words[0]);
    store(kIdt + v * 16 + 8, words[1]);
  }
  std::memcpy(memory(kHandlers, kPageSize).data(), faultline_conform_handlers,
              static_cast<std::size_t>(faultline_conform_handlers_end - faultline_conform_handlers));
  store(kIretFrame + 8, FL_USER_CS);
  store(kIretFrame + 32, FL_USER_SS);

  Gpa upper = kRoot, lower = kRoot;
  if (paging == model::Paging::kFiveLevel) {
    upper = kUpperPml4, lower = kLowerPml4;
    store(kRoot + 511 * 8, upper.raw() | kPresentWritable);
    store(kRoot, lower.raw() | kPresentWritableUser);
  }
  store(upper + 511 * 8, kWindowPdpt.raw() | kPresentWritable);
  store(kWindowPdpt + 510 * 8, kWindowPd0.raw() | kPresentWritable);
  store(kWindowPdpt + 511 * 8, kWindowPd1.raw() | kPresentWritable);
  fill_window_directories();
  store(lower, kUserPdpt.raw() | kPresentWritableUser);
  store(kUserPdpt, kUserPd.raw() | kPresentWritableUser);
  store(kUserPd + 2 * 8, kUserPt.raw() | kPresentWritableUser);
  fill_user_table();
}

// SDM vol. 3A, "Segment Descriptors", "Task-State Segment (TSS)": LTR wants a TSS that is not busy.
void Machine::fill_for_32_bit_code(model::Paging paging) const {
  constexpr std::uint64_t kCodeSegment = 0x00cf'9b00'0000'ffff, kDataSegment = 0x00cf'9300'0000'ffff;
  constexpr std::uint64_t kDpl3 = 3ULL << 45, kTss32 = 0x89ULL << 40;
  const Gva tss = window(kDescriptors, paging) + kTssOffset;
  store(kDescriptors + FL_KERNEL_CS, kCodeSegment);
  store(kDescriptors + FL_KERNEL_SS, kDataSegment);
  store(kDescriptors + (FL_USER_SS & ~7), kDataSegment | kDpl3);
  store(kDescriptors + (FL_USER_CS & ~7), kCodeSegment | kDpl3);
  store(kDescriptors + FL_TSS, kvm::kTssLimit | (tss.raw() & 0xff'ffff) << 16 | kTss32 | (tss.raw() >> 24) << 56);
  const Gpa segment = kDescriptors + kTssOffset;
  store4(segment + 4, window(kExceptionStackTop, paging).raw());
  store4(segment + 8, FL_KERNEL_SS);
  store4(segment + 100, std::uint64_t{kvm::kTssBytes} << 16);  // no I/O permission bitmap
  for (unsigned v = 0; v < FL_VECTORS; ++v) store(kIdt + v * 8, gate32(v, paging));
  std::memcpy(memory(kHandlers, kPageSize).data(), faultline_conform_handlers32,
              static_cast<std::size_t>(faultline_conform_handlers32_end - faultline_conform_handlers32));
  write_start(memory(kStart, 64), paging);
  store4(kIretFrame + 4, FL_USER_CS);
  store4(kIretFrame + 16, FL_USER_SS);
  paging == model::Paging::kPae ? fill_pae_tables() : fill_two_level_tables();
}

// The window's two GiB are the third and fourth PDPTE; user code is in the fourth as well.
void Machine::fill_pae_tables() const {
  store(kRoot, table_a(2).raw() | kPresent);
  store(kRoot + 8, table_b(2).raw() | kPresent);
  store(kRoot + 16, kWindowPd0.raw() | kPresent);
  store(kRoot + 24, kWindowPd1.raw() | kPresent);
  fill_window_directories();
  store(kWindowPd1 + 2 * 8, kUserPt.raw() | kPresentWritableUser);
  fill_user_table();
}

// Pages of 4 KiB only: with CR4.PSE=0 there are no others.
void Machine::fill_two_level_tables() const {
  constexpr std::uint64_t kPerTable = 4ULL << 20;
  const auto slot = [](Gva address) { return kRoot + (address.raw() >> 22) * 4; };
  constexpr std::array kFirst = {Gpa(), Gpa(kPerTable), Gpa((1ULL << 30) - kPerTable), kPageB};
  for (std::size_t i = 0; i < kFirst.size(); ++i) {
    const Gpa table = kWindowTables + i * kPageSize;
    store4(slot(window(kFirst[i], model::Paging::kTwoLevel)), table.raw() | kPresentWritable);
    for (std::uint64_t page = 0; page < 1024; ++page)
      store4(table + page * 4, (kFirst[i].raw() + page * kPageSize) | kPresentWritable);
  }
  const Gva user = user_code_at(model::Paging::kTwoLevel);
  store4(slot(user), kUserPt.raw() | kPresentWritableUser);
  store4(kUserPt, kUserCode.raw() | kPresentWritableUser);
  store4(kUserPt + 4, kUserData.raw() | kPresentWritableUser);
}

// Pages of 2 MiB.
void Machine::fill_window_directories() const {
  constexpr std::uint64_t kTwoMiB = 2ULL << 20;
  for (std::uint64_t i = 0; i < kLowBytes / kTwoMiB; ++i) {
    store(kWindowPd0 + i * 8, i * kTwoMiB | kPresentWritable | kLarge);
  }
  store(kWindowPd0 + 511 * 8, kDataFirst.raw() | kPresentWritable | kLarge);
  store(kWindowPd1, kPageB.raw() | kPresentWritable | kLarge);
}

void Machine::fill_user_table() const {
  store(kUserPt, kUserCode.raw() | kPresentWritableUser);
  store(kUserPt + 8, kUserData.raw() | kPresentWritableUser);
}

// The guest cannot store these entries, so there is one of each kind.
void Machine::fill_read_only_tables() const {
  for (unsigned level = 1; level <= kRomLevels; ++level) {
    for (std::uint64_t i = 0; i < kRomPerLevel; ++i) {
      const std::uint64_t entry = entry_a(level, 1, (i & 7) | (i >> 3) << 5);
      store(read_only_table(level, entry) + (kPageSize - 8), entry);
    }
  }
}

Result<void> Machine::set_start_state(const Offered& offered, model::Paging paging) {
  if (auto set = vcpu_.set_cpuid(offered.cpuid); !set) return set;
  auto sregs = vcpu_.sregs();
  if (!sregs) return tl::unexpected(sregs.error());
  if (model::long_mode(paging)) {
    kvm::set_descriptors(*sregs, {window(kDescriptors), window(kDescriptors) + kTssOffset, window(kIdt)});
    sregs->gdt.limit = kLdtSelector + 16 - 1;
  } else {
    set_32_bit_descriptors(*sregs, paging);
  }
  Case plain;
  plain.controls.paging = paging;
  const ControlValues values = control_values(plain);
  sregs->cr0 = values.cr0;
  sregs->cr3 = kRoot.raw();
  sregs->cr4 = values.cr4;
  sregs->efer = values.efer;
  if (auto set = vcpu_.set_sregs(*sregs); !set) return set;
  kvm_regs regs{};
  regs.rip = window(model::long_mode(paging) ? kCode : kStart, paging).raw();
  regs.rsp = window(kStackTop, paging).raw();
  regs.rflags = kSupervisorFlags;
  return vcpu_.set_regs(regs);
}

}  // namespace faultline::vmm::conform
