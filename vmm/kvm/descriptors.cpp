#include "vmm/kvm/descriptors.hpp"

#include <cstring>

namespace faultline::vmm::kvm {
namespace {

void store64(std::byte* at, std::uint64_t value) { std::memcpy(at, &value, sizeof value); }

kvm_segment flat_segment(std::uint16_t selector, std::uint8_t type, bool code) {
  kvm_segment s{};
  s.selector = selector;
  s.limit = 0xffff'ffff;
  s.type = type;
  s.present = s.s = s.g = 1;
  s.l = code ? 1 : 0;
  s.db = code ? 0 : 1;
  return s;
}

}  // namespace

void write_gdt(std::span<std::byte, kGdtLimit + 1> gdt, Gva tss) {
  constexpr std::uint64_t kCode = 0x00af'9b00'0000'ffffULL;  // L=1, DPL 0, accessed
  constexpr std::uint64_t kData = 0x00cf'9300'0000'ffffULL;
  constexpr std::uint64_t kDpl3 = 3ULL << 45, kBusyTss = 0x8bULL << 40;
  store64(&gdt[FL_KERNEL_CS], kCode);
  store64(&gdt[FL_KERNEL_SS], kData);
  store64(&gdt[FL_USER_SS & ~7], kData | kDpl3);
  store64(&gdt[FL_USER_CS & ~7], kCode | kDpl3);
  const std::uint64_t base = tss.raw();
  store64(&gdt[FL_TSS], kTssLimit | (base & 0xff'ffff) << 16 | kBusyTss | (base >> 24 & 0xff) << 56);
  store64(&gdt[FL_TSS + 8], base >> 32);
}

void write_tss(std::span<std::byte, kTssBytes> tss, Gva rsp0, std::span<const Gva> stacks) {
  constexpr std::size_t kRsp0 = 4, kIst1 = 36, kBitmap = 102;
  store64(&tss[kRsp0], rsp0.raw());
  for (std::size_t i = 0; i < stacks.size(); ++i) store64(&tss[kIst1 + i * 8], stacks[i].raw());
  const std::uint16_t beyond_the_limit = kTssBytes;
  std::memcpy(&tss[kBitmap], &beyond_the_limit, sizeof beyond_the_limit);
}

std::array<std::uint64_t, 2> interrupt_gate(Gva handler, unsigned ist, unsigned dpl) {
  const std::uint64_t offset = handler.raw();
  const std::uint64_t low = (offset & 0xffff) | std::uint64_t{FL_KERNEL_CS} << 16 | std::uint64_t{ist} << 32 |
                            0x8e00ULL << 32 | std::uint64_t{dpl} << 45 | (offset >> 16 & 0xffff) << 48;
  return {low, offset >> 32};
}

void set_descriptors(kvm_sregs& sregs, const DescriptorTables& tables) {
  sregs.cs = flat_segment(FL_KERNEL_CS, 0xb, true);
  sregs.ss = flat_segment(FL_KERNEL_SS, 0x3, false);
  kvm_segment null{};
  null.unusable = 1;
  sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ldt = null;
  sregs.tr = kvm_segment{};
  sregs.tr.selector = FL_TSS;
  sregs.tr.base = tables.tss.raw();
  sregs.tr.limit = kTssLimit;
  sregs.tr.type = 0xb;
  sregs.tr.present = 1;
  sregs.gdt.base = tables.gdt.raw();
  sregs.gdt.limit = kGdtLimit;
  sregs.idt.base = tables.idt.raw();
  sregs.idt.limit = kIdtLimit;
}

}  // namespace faultline::vmm::kvm
