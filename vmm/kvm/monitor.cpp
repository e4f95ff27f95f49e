#include "vmm/kvm/monitor.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "mmu/arch/pte.hpp"
#include "vmm/kvm/descriptors.hpp"

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
static_assert(kIst.back().top == FL_STEP_NEXT);

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

  // They are the same in every address space and never change: no flush needs to drop them.
  constexpr std::uint64_t kReadOnly = Pte::kPresent | Pte::kAccessed | Pte::kGlobal;
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

std::array<std::uint64_t, 2> idt_gate(unsigned vector) {
  const bool callable_from_user = vector == 3 || vector == 4;  // INT3 and INTO, as Linux has it
  const std::uint64_t stub = vector == 3 ? FL_STUB_STEP : vector * FL_STUB_BYTES;
  return interrupt_gate(monitor_address(kStubFrame) + stub, ist_of(vector), callable_from_user ? 3 : 0);
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

void VcpuArea::build() const {
  write_fixed_part(std::span<std::byte, kFixedBytes>(page_, kFixedBytes));
  set_steps({});
}

void VcpuArea::write_fixed_part(std::span<std::byte, kFixedBytes> page) const {
  write_gdt(page.first<kGdtLimit + 1>(), tss());
  std::array<Gva, kIst.size()> stacks;
  for (unsigned i = 0; i < kIst.size(); ++i) stacks[i] = base_ + kIst[i].top;
  write_tss(page.subspan<kTssOffset, kTssBytes>(), rsp0(), stacks);
}

std::uint64_t VcpuArea::stack_top(unsigned vector) {
  const unsigned ist = ist_of(vector);
  return ist == 0 ? kRsp0Top : kIst[ist - 1].top;
}

StubFrame& VcpuArea::frame(unsigned vector) const {
  return *reinterpret_cast<StubFrame*>(page_ + stack_top(vector) - sizeof(StubFrame));
}

std::span<std::byte> VcpuArea::below_frame(std::size_t bytes) const {
  constexpr std::uint64_t kTop = kRsp0Top - kIretFrameBytes - sizeof(std::uint64_t);
  FL_CHECK(bytes <= kTop - kRsp0Bottom - 2 * sizeof(StubFrame));
  return {page_ + kTop - bytes, bytes};
}

void VcpuArea::set_steps(std::span<const std::uint64_t> values) const {
  FL_CHECK(values.size() <= FL_MAX_STEPS);
  std::ranges::copy(std::as_bytes(values), page_ + FL_STEP_VALUES);
  store64(page_ + FL_STEP_VALUES + values.size_bytes(), 0);
  store64(page_ + FL_STEP_NEXT, (base_ + FL_STEP_VALUES).raw());
}

std::size_t VcpuArea::steps_taken() const {
  std::uint64_t next = 0;
  std::memcpy(&next, page_ + FL_STEP_NEXT, sizeof next);
  return (next - (base_ + FL_STEP_VALUES).raw()) / sizeof next;
}

Gva VcpuArea::frame_address(unsigned vector) const { return base_ + (stack_top(vector) - sizeof(StubFrame)); }

}  // namespace faultline::vmm::kvm
