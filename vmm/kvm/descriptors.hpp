// The descriptors of a long-mode machine: GDT, TSS, gates, and the segment registers loaded from
// them. Selectors: guest/abi.h. SDM vol. 3A, "Segment Descriptors", "64-Bit Task State Segment",
// "64-Bit IDT Gate Descriptors".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "guest/abi.h"
#include "mmu/base/address.hpp"
#include "vmm/kvm/kvm_header.hpp"

namespace faultline::vmm::kvm {

inline constexpr std::uint16_t kGdtLimit = FL_TSS + 16 - 1;
inline constexpr std::size_t kTssBytes = 104;
inline constexpr std::uint16_t kTssLimit = kTssBytes - 1;
inline constexpr std::uint16_t kIdtLimit = FL_VECTORS * 16 - 1;

// Flat code and data of the kernel and of user code, and the busy TSS at `tss`.
void write_gdt(std::span<std::byte, kGdtLimit + 1> gdt, Gva tss);
// RSP0 and the interrupt stacks from IST1 on; no I/O permission bitmap, so that user code has no port.
void write_tss(std::span<std::byte, kTssBytes> tss, Gva rsp0, std::span<const Gva> stacks);
// The two words of an interrupt gate: IF is clear in its handler. `ist`: 0 for none.
std::array<std::uint64_t, 2> interrupt_gate(Gva handler, unsigned ist, unsigned dpl = 0);

// Where a machine's tables are.
struct DescriptorTables {
  Gva gdt, tss, idt;
};
// Segment and table registers of supervisor code in long mode; data segments are null.
void set_descriptors(kvm_sregs& sregs, const DescriptorTables& tables);

}  // namespace faultline::vmm::kvm
