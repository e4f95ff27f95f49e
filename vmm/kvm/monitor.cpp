#include "vmm/kvm/monitor.hpp"

#include <array>
#include <cstring>

#include "mmu/arch/pte.hpp"

// guest/stubs/entry.S
extern "C" const std::byte faultline_stubs[];
extern "C" const std::byte faultline_stubs_flush[];

namespace faultline::vmm::kvm {
namespace {

using mmu::Level;
using mmu::Pte;

constexpr Gfn kPml4Frame{4};  // below the root when there are five levels
constexpr Gfn kPdptFrame{5};
constexpr Gfn kPdFrame{6};
constexpr Gfn kPtFrame{7};

// Vectors with a stack of their own (SDM vol. 3A, "Interrupt Stack Table"): those that can
// arrive while the stack pointer is not to be trusted. Linux has the same four.
struct IstEntry {
  unsigned vector;
  std::uint64_t top;  // offset in the vCPU's page
};
constexpr std::array<IstEntry, 4> kIst = {{{8, 0x400}, {2, 0x600}, {1, 0x800}, {18, 0xa00}}};

constexpr unsigned ist_of(unsigned vector) {
  for (unsigned i = 0; i < kIst.size(); ++i) {
    if (kIst[i].vector == vector) return i + 1;
  }
  return 0;
}

void store64(std::byte* at, std::uint64_t value) { std::memcpy(at, &value, sizeof value); }

void set_entry(const GuestRam& ram, Gfn table, unsigned index, Gfn frame, std::uint64_t flags) {
  store64(ram.at(Gpa(table) + index * 8), Pte::make(frame, flags).raw());
}

void write_tables(const GuestRam& ram, mmu::PagingMode mode) {
  const Gva base = kMonitorBase;
  constexpr std::uint64_t kTable = Pte::kKernelTableFlags;
  Gfn top = kKernelHalfFrame;
  if (mode == mmu::PagingMode::kFiveLevel) {
    set_entry(ram, top, mmu::table_index(base, 5), kPml4Frame, kTable);
    top = kPml4Frame;
  }
  set_entry(ram, top, mmu::table_index(base, 4), kPdptFrame, kTable);
  set_entry(ram, kPdptFrame, mmu::table_index(base, 3), kPdFrame, kTable);
  set_entry(ram, kPdFrame, mmu::table_index(base, 2), kPtFrame, kTable);

  constexpr std::uint64_t kReadOnly = Pte::kPresent | Pte::kAccessed;
  const auto map = [&](Gfn frame, std::uint64_t flags) {
    set_entry(ram, kPtFrame, mmu::table_index(monitor_address(frame), 1), frame, flags);
  };
  map(kIdtFrame, kReadOnly | Pte::kNoExecute);
  map(kStubFrame, kReadOnly);
  for (unsigned i = 0; i < kMaxVcpus; ++i) {
    map(kFirstVcpuFrame + i, kReadOnly | Pte::kWrite | Pte::kDirty | Pte::kNoExecute);
  }
}

}  // namespace

// SDM vol. 3A, "64-Bit IDT Gate Descriptors". Interrupt gates: IF is clear in the stubs.
std::array<std::uint64_t, 2> idt_gate(unsigned vector) {
  const std::uint64_t offset = monitor_address(kStubFrame).raw() + vector * FL_STUB_BYTES;
  const bool callable_from_user = vector == 3 || vector == 4;  // INT3 and INTO, as Linux has it
  const std::uint64_t dpl = callable_from_user ? 3 : 0;
  const std::uint64_t low = (offset & 0xffff) | std::uint64_t{FL_KERNEL_CS} << 16 |
                            std::uint64_t{ist_of(vector)} << 32 | 0x8e00ULL << 32 | dpl << 45 |
                            ((offset >> 16) & 0xffff) << 48;
  return {low, offset >> 32};
}

void build_monitor(const GuestRam& ram, mmu::PagingMode mode, StubVariant variant) {
  for (unsigned v = 0; v < FL_VECTORS; ++v) {
    const std::array<std::uint64_t, 2> gate = idt_gate(v);
    std::memcpy(ram.at(Gpa(kIdtFrame) + v * sizeof gate), gate.data(), sizeof gate);
  }
  write_tables(ram, mode);
  write_stubs(ram, variant);
}

void write_stubs(const GuestRam& ram, StubVariant variant) {
  const std::byte* stubs = variant == StubVariant::kFlush ? faultline_stubs_flush : faultline_stubs;
  std::memcpy(ram.at(Gpa(kStubFrame)), stubs, FL_STUB_END);
}

VcpuArea::VcpuArea(const GuestRam& ram, unsigned vcpu)
    : page_(ram.at(Gpa(kFirstVcpuFrame + vcpu))), base_(monitor_address(kFirstVcpuFrame + vcpu)) {}

void VcpuArea::build() const { write_fixed_part(std::span<std::byte, kFixedBytes>(page_, kFixedBytes)); }

// SDM vol. 3A, "Segment Descriptors" and "64-Bit Task State Segment".
void VcpuArea::write_fixed_part(std::span<std::byte, kFixedBytes> page) const {
  std::byte* gdt_words = page.data();
  constexpr std::uint64_t kCode = 0x00af'9b00'0000'ffffULL;  // L=1, DPL 0, accessed
  constexpr std::uint64_t kData = 0x00cf'9300'0000'ffffULL;
  constexpr std::uint64_t kDpl3 = 3ULL << 45;
  store64(gdt_words + FL_KERNEL_CS, kCode);
  store64(gdt_words + FL_KERNEL_SS, kData);
  store64(gdt_words + (FL_USER_SS & ~7), kData | kDpl3);
  store64(gdt_words + (FL_USER_CS & ~7), kCode | kDpl3);
  const std::uint64_t base = tss().raw();
  store64(gdt_words + FL_TSS, tss_limit() | (base & 0xff'ffff) << 16 | 0x8bULL << 40 | ((base >> 24) & 0xff) << 56);
  store64(gdt_words + FL_TSS + 8, base >> 32);

  std::byte* segment = page.data() + kTssOffset;
  store64(segment + 4, rsp0().raw());
  for (unsigned i = 0; i < kIst.size(); ++i) store64(segment + 36 + i * 8, (base_ + kIst[i].top).raw());
  // No I/O permission bitmap: it would begin beyond the limit, so user code has no port.
  const std::uint16_t no_bitmap = kTssBytes;
  std::memcpy(segment + 102, &no_bitmap, sizeof no_bitmap);
}

std::uint64_t VcpuArea::stack_top(unsigned vector) {
  const unsigned ist = ist_of(vector);
  return ist == 0 ? kRsp0Top : kIst[ist - 1].top;
}

StubFrame& VcpuArea::frame(unsigned vector) const {
  return *reinterpret_cast<StubFrame*>(page_ + stack_top(vector) - sizeof(StubFrame));
}

Gva VcpuArea::frame_address(unsigned vector) const { return base_ + (stack_top(vector) - sizeof(StubFrame)); }

}  // namespace faultline::vmm::kvm
