#include "vmm/decode/operands.hpp"

#include <algorithm>
#include <limits>

namespace faultline::vmm::decode {

namespace {

constexpr std::uint64_t kDirectionFlag = 1U << 10;
constexpr ZydisInstructionAttributes kAnyRep = ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;
// FXSAVE region and XSAVE header, which every XSAVE and XRSTOR touches.
constexpr unsigned kXsaveMinimumBits = (512 + 64) * 8;

std::uint64_t cut(std::uint64_t address, const ZydisView& view) {
  return view.instruction.address_width == 32 ? address & 0xffff'ffffU : address;
}

std::uint64_t next_ip(const Instruction& i) { return i.address.raw() + i.length; }

bool is_string(const ZydisView& view) {
  const auto category = view.instruction.meta.category;
  return category == ZYDIS_CATEGORY_STRINGOP || category == ZYDIS_CATEGORY_IOSTRINGOP;
}

bool is_bit_test(ZydisMnemonic m) {
  return m == ZYDIS_MNEMONIC_BT || m == ZYDIS_MNEMONIC_BTS || m == ZYDIS_MNEMONIC_BTR || m == ZYDIS_MNEMONIC_BTC;
}

// VGATHERPF0DPD ... VGATHERPF1QPS and the same of VSCATTERPF; Zydis numbers mnemonics by name.
bool is_gather_prefetch(ZydisMnemonic m) {
  return (m >= ZYDIS_MNEMONIC_VGATHERPF0DPD && m <= ZYDIS_MNEMONIC_VGATHERPF1QPS) ||
         (m >= ZYDIS_MNEMONIC_VSCATTERPF0DPD && m <= ZYDIS_MNEMONIC_VSCATTERPF1QPS);
}

// Computes an address but never accesses it: no page fault (SDM vol. 2, each instruction's
// "Exceptions"). UD0 and UD1 have operands but raise #UD first.
bool never_accesses(const ZydisView& view, const ZydisDecodedOperand& operand) {
  if (operand.mem.type == ZYDIS_MEMOP_TYPE_AGEN || operand.mem.type == ZYDIS_MEMOP_TYPE_MIB) return true;
  switch (view.instruction.meta.category) {
    case ZYDIS_CATEGORY_PREFETCH:
    case ZYDIS_CATEGORY_PREFETCHWT1:
    case ZYDIS_CATEGORY_WIDENOP:
    case ZYDIS_CATEGORY_NOP:
    case ZYDIS_CATEGORY_CLDEMOTE: return true;
    default: break;
  }
  const ZydisMnemonic m = view.mnemonic();
  return m == ZYDIS_MNEMONIC_INVLPG || m == ZYDIS_MNEMONIC_UD0 || m == ZYDIS_MNEMONIC_UD1 || is_gather_prefetch(m);
}

Access access_of(const ZydisView& view, const ZydisDecodedOperand& operand) {
  if (never_accesses(view, operand)) return Access::kNone;
  unsigned access = 0;
  if ((operand.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0) access |= static_cast<unsigned>(Access::kRead);
  if ((operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0) access |= static_cast<unsigned>(Access::kWrite);
  return static_cast<Access>(access);
}

// Bytes. CLFLUSH and its kin are checked like a load of one byte, wherever it lies in the line.
std::uint32_t width_of(const ZydisView& view, const ZydisDecodedOperand& operand) {
  switch (view.mnemonic()) {
    case ZYDIS_MNEMONIC_CLFLUSH:
    case ZYDIS_MNEMONIC_CLFLUSHOPT:
    case ZYDIS_MNEMONIC_CLWB: return 1;
    default: return operand.size / 8U;
  }
}

bool is_conditional(const ZydisView& view, const ZydisDecodedOperand& operand) {
  switch (view.mnemonic()) {
    case ZYDIS_MNEMONIC_MASKMOVDQU:
    case ZYDIS_MNEMONIC_MASKMOVQ:
    case ZYDIS_MNEMONIC_VMASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVPS:
    case ZYDIS_MNEMONIC_VMASKMOVPD:
    case ZYDIS_MNEMONIC_VPMASKMOVD:
    case ZYDIS_MNEMONIC_VPMASKMOVQ: return true;
    default: break;
  }
  const auto mask = view.instruction.avx.mask.mode;
  if (mask != ZYDIS_MASK_MODE_INVALID && mask != ZYDIS_MASK_MODE_DISABLED) return true;
  return operand.mem.type == ZYDIS_MEMOP_TYPE_VSIB ||
         (operand.actions & (ZYDIS_OPERAND_ACTION_READ | ZYDIS_OPERAND_ACTION_WRITE)) == 0;
}

bool is_stack(const ZydisDecodedOperand& operand) {
  return operand.visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN && operand.mem.segment == ZYDIS_REGISTER_SS;
}

// SDM vol. 2, BT: a bit offset in a register addresses memory beyond the operand, in steps of its
// own size, in both directions.
std::uint64_t bit_string_offset(const ZydisView& view, const RegisterFile& regs) {
  const auto operands = view.operands();
  if (!is_bit_test(view.mnemonic()) || operands.size() < 2 || operands[1].type != ZYDIS_OPERAND_TYPE_REGISTER) return 0;
  const unsigned bits = operands[1].size;
  const std::uint64_t raw = register_value(operands[1].reg.value, regs, 0);
  const auto offset = static_cast<std::int64_t>(raw << (64 - bits)) >> (64 - bits);
  const unsigned shift = bits == 64 ? 6 : bits == 32 ? 5 : 4;
  return static_cast<std::uint64_t>(offset >> shift) * (bits / 8);
}

std::uint64_t linear_address(const Instruction& out, const ZydisView& view, const ZydisDecodedOperand& operand,
                             const RegisterFile& regs) {
  const auto& mem = operand.mem;
  std::uint64_t effective = register_value(mem.base, regs, next_ip(out)) +
                            register_value(mem.index, regs, 0) * std::max<unsigned>(mem.scale, 1) +
                            static_cast<std::uint64_t>(mem.disp.value);
  effective += bit_string_offset(view, regs);
  if (view.mnemonic() == ZYDIS_MNEMONIC_XLAT) effective += regs.regs[UserRegs::kRax] & 0xff;
  // POP computes the address of its destination with the stack pointer already moved.
  if (view.mnemonic() == ZYDIS_MNEMONIC_POP && mem.base == ZYDIS_REGISTER_RSP)
    effective += view.instruction.operand_width / 8;
  return cut(effective, view) + segment_base(mem.segment, regs);
}

void set_range(MemOperand& m, std::uint64_t address, std::uint32_t width) {
  m.address_known = true;
  m.address = m.extent_start = Gva(address);
  m.width = width;
  m.extent_bytes = width;
}

// The stack pointer is 64 bits wide whatever the address size; pushes store below it.
void set_stack_range(MemOperand& m, const ZydisDecodedOperand& operand, const RegisterFile& regs) {
  const std::uint64_t top = register_value(operand.mem.base, regs, 0);
  const std::uint32_t width = operand.size / 8U;
  set_range(m, writes(m.access) ? top - width : top, width);
}

// What a REP has left to do: RCX elements upwards, or downwards when DF is set.
void set_repeat_range(Instruction& out, MemOperand& m, const ZydisView& view, const RegisterFile& regs) {
  std::uint64_t count = 1;
  if (view.has(kAnyRep)) {
    out.repeated = true;
    count = cut(regs.regs[UserRegs::kRcx], view);
    m.conditional = false;
  }
  if (count == 0) {
    m.access = Access::kNone;
    m.extent_bytes = 0;
    return;
  }
  // 2^63 bytes are more than any range that can be touched, and leave room to add.
  const std::uint64_t most = (std::uint64_t{1} << 63) / std::max(m.width, 1U);
  const std::uint64_t bytes = std::min(count, most) * m.width;
  m.extent_bytes = bytes;
  if ((regs.regs.rflags & kDirectionFlag) != 0) m.extent_start = Gva(m.address.raw() + m.width - bytes);
}

void set_elements(Instruction& out, MemOperand& m, const ZydisView& view, const ZydisDecodedOperand& operand,
                  const RegisterFile& regs) {
  if (!add_elements(out, view, operand, regs)) return;
  // With every element masked off nothing is accessed.
  if (out.element_count == 0) m.access = Access::kNone;
  set_range(m, out.element_count == 0 ? 0 : out.element_list[0].raw(), m.width);
  m.address_known = out.element_count != 0;
}

MemOperand describe(Instruction& out, const ZydisView& view, const ZydisDecodedOperand& operand,
                    const RegisterFile& regs) {
  MemOperand m;
  m.access = access_of(view, operand);
  m.conditional = m.access != Access::kNone && is_conditional(view, operand);
  m.segment = register_name(operand.mem.segment);
  m.base = register_name(operand.mem.base);
  m.index = register_name(operand.mem.index);
  m.scale = operand.mem.scale;
  m.displacement = operand.mem.disp.has_displacement != 0 ? operand.mem.disp.value : 0;
  if (is_stack(operand)) {
    m.role = OperandRole::kStack;
    set_stack_range(m, operand, regs);
    return m;
  }
  m.role = operand.visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT ? OperandRole::kExplicit : OperandRole::kImplicit;
  m.width = width_of(view, operand);
  if (operand.mem.type == ZYDIS_MEMOP_TYPE_VSIB) {
    m.vector_index = true;
    if (m.access != Access::kNone) set_elements(out, m, view, operand, regs);
    return m;
  }
  // The rows of an AMX tile depend on a configuration that is not among the registers.
  if (m.width == 0) return m;
  set_range(m, linear_address(out, view, operand, regs), m.width);
  if (is_string(view)) set_repeat_range(out, m, view, regs);
  if (operand.size == kXsaveMinimumBits) m.extent_bytes = std::max<std::uint64_t>(regs.xsave_bytes, m.width);
  return m;
}

MemOperand synthetic(OperandRole role, Access access, std::string_view base, std::uint64_t address,
                     std::uint32_t width) {
  MemOperand m;
  m.role = role;
  m.access = access;
  m.base = base;
  set_range(m, address, width);
  return m;
}

// SDM vol. 2, ENTER: pushes RBP; with a nesting level copies level-1 frame pointers and pushes its
// own; then faults when a write at the final stack pointer would.
void add_enter(Instruction& out, const ZydisView& view, const RegisterFile& regs) {
  const auto bytes = static_cast<std::uint32_t>(view.instruction.operand_width / 8);
  const auto allocated = static_cast<std::uint32_t>(view.instruction.raw.imm[0].value.u & 0xffff);
  const auto level = static_cast<std::uint32_t>(view.instruction.raw.imm[1].value.u % 32);
  const std::uint32_t pushed = bytes * (level == 0 ? 1 : 1 + level);
  const std::uint64_t rsp = regs.regs[UserRegs::kRsp];
  const std::uint64_t rbp = regs.regs[UserRegs::kRbp];
  out.add_operand(synthetic(OperandRole::kStack, Access::kWrite, "rsp", rsp - pushed, pushed));
  if (level > 1) {
    const std::uint32_t copied = bytes * (level - 1);
    out.add_operand(synthetic(OperandRole::kStack, Access::kRead, "rbp", rbp - copied, copied));
  }
  if (allocated != 0)
    out.add_operand(synthetic(OperandRole::kProbe, Access::kWrite, "rsp", rsp - pushed - allocated, bytes));
}

// Memory that an instruction names through a plain register, which Zydis lists as such.
void add_register_addressed(Instruction& out, const ZydisView& view, const RegisterFile& regs) {
  const std::uint64_t rax = cut(regs.regs[UserRegs::kRax], view);
  const auto operands = view.operands();
  switch (view.mnemonic()) {
    case ZYDIS_MNEMONIC_CLZERO:
      out.add_operand(synthetic(OperandRole::kImplicit, Access::kWrite, "rax", rax & ~std::uint64_t{63}, 64));
      break;
    case ZYDIS_MNEMONIC_MONITOR:
    case ZYDIS_MNEMONIC_MONITORX:
      out.add_operand(synthetic(OperandRole::kImplicit, Access::kRead, "rax", rax, 1));
      break;
    case ZYDIS_MNEMONIC_UMONITOR:
      out.add_operand(synthetic(OperandRole::kExplicit, Access::kRead, register_name(operands[0].reg.value),
                                register_value(operands[0].reg.value, regs, 0), 1));
      break;
    case ZYDIS_MNEMONIC_ENQCMD:
    case ZYDIS_MNEMONIC_ENQCMDS:
      out.add_operand(synthetic(OperandRole::kImplicit, Access::kWrite, register_name(operands[0].reg.value),
                                register_value(operands[0].reg.value, regs, 0), 64));
      break;
    default: break;
  }
}

}  // namespace

void add_operands(Instruction& out, const ZydisView& view, const RegisterFile& regs) {
  out.locked = view.has(ZYDIS_ATTRIB_HAS_LOCK);
  if (view.mnemonic() == ZYDIS_MNEMONIC_ENTER) return add_enter(out, view, regs);
  for (const ZydisDecodedOperand& operand : view.operands()) {
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
    // XCHG with memory locks by itself.
    if (view.mnemonic() == ZYDIS_MNEMONIC_XCHG) out.locked = true;
    out.add_operand(describe(out, view, operand, regs));
  }
  add_register_addressed(out, view, regs);
}

}  // namespace faultline::vmm::decode
