#include "vmm/decode/compare.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace faultline::vmm::decode {

namespace {

// A memory operand reduced to what both libraries tell. Registers by name, empty for none.
struct Compared {
  std::string_view segment, base, index;
  unsigned scale = 1;
  std::int64_t displacement = 0;
  unsigned width = 0;   // bytes, 0: not told
  unsigned access = 0;  // 1 read, 2 write, 0: not told
  // LEA: no segment, width or access to compare.
  bool computed_only = false;
};

struct ComparedList {
  std::array<Compared, 8> list{};
  unsigned count = 0;
  void add(const Compared& c) {
    if (count < list.size()) list[count++] = c;
  }
};

std::string_view based_segment(std::string_view name) { return name == "fs" || name == "gs" ? name : ""; }
// RIZ and EIZ spell "no index".
std::string_view real_index(std::string_view name) { return name == "riz" || name == "eiz" ? "" : name; }

// Capstone lists the operands that are written in the instruction and those of string instructions.
bool listed_by_capstone(const ZydisView& zydis, const ZydisDecodedOperand& o) {
  if (o.type != ZYDIS_OPERAND_TYPE_MEMORY) return false;
  const auto category = zydis.instruction.meta.category;
  return o.visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT || category == ZYDIS_CATEGORY_STRINGOP ||
         category == ZYDIS_CATEGORY_IOSTRINGOP;
}

ComparedList of_zydis(const ZydisView& zydis) {
  ComparedList out;
  for (const ZydisDecodedOperand& o : zydis.operands()) {
    if (!listed_by_capstone(zydis, o)) continue;
    Compared c;
    c.base = register_name(o.mem.base);
    c.index = real_index(register_name(o.mem.index));
    c.scale = c.index.empty() ? 1 : o.mem.scale;
    c.displacement = o.mem.disp.has_displacement != 0 ? o.mem.disp.value : 0;
    c.computed_only = o.mem.type == ZYDIS_MEMOP_TYPE_AGEN;
    if (!c.computed_only) {
      c.segment = based_segment(register_name(o.mem.segment));
      c.width = o.size / 8U;
      if ((o.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0) c.access |= 1;
      if ((o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0) c.access |= 2;
    }
    out.add(c);
  }
  return out;
}

ComparedList of_capstone(const CapstoneEngine& engine, const cs_x86& x86, Syntax syntax) {
  ComparedList out;
  for (unsigned n = 0; n < x86.op_count; ++n) {
    // AT&T lists the operands the other way round.
    const cs_x86_op& o = x86.operands[syntax == Syntax::kAtt ? x86.op_count - 1U - n : n];
    if (o.type != X86_OP_MEM) continue;
    Compared c;
    c.segment = based_segment(engine.register_name(o.mem.segment));
    c.base = engine.register_name(o.mem.base);
    c.index = real_index(engine.register_name(o.mem.index));
    c.scale = c.index.empty() ? 1 : static_cast<unsigned>(o.mem.scale);
    c.displacement = o.mem.disp;
    c.width = o.size;
    c.access = o.access & 3U;
    out.add(c);
  }
  return out;
}

using Digits = fmt::format_int;

void compare_text(Instruction& out, CompareField field, unsigned n, std::string_view zydis, std::string_view capstone) {
  if (zydis != capstone)
    out.add_disagreement(field, n, zydis.empty() ? "none" : zydis, capstone.empty() ? "none" : capstone);
}

template <class T>
void compare_number(Instruction& out, CompareField field, unsigned n, T zydis, T capstone) {
  if (zydis == capstone) return;
  const Digits a(zydis);
  const Digits b(capstone);
  out.add_disagreement(field, n, {a.data(), a.size()}, {b.data(), b.size()});
}

// With 32-bit addresses a displacement counts modulo 2^32: one library extends its sign.
std::int64_t comparable(std::int64_t displacement, unsigned address_width) {
  return address_width == 32 ? static_cast<std::int32_t>(displacement) : displacement;
}

void compare_operand(Instruction& out, unsigned n, const Compared& z, const Compared& c, unsigned address_width) {
  if (!z.computed_only) compare_text(out, CompareField::kSegment, n, z.segment, c.segment);
  compare_text(out, CompareField::kBase, n, z.base, c.base);
  compare_text(out, CompareField::kIndex, n, z.index, c.index);
  compare_number(out, CompareField::kScale, n, z.scale, c.scale);
  compare_number(out, CompareField::kDisplacement, n, comparable(z.displacement, address_width),
                 comparable(c.displacement, address_width));
  if (z.width != 0 && c.width != 0) compare_number(out, CompareField::kWidth, n, z.width, c.width);
  if (z.access != 0 && c.access != 0 && z.access != c.access)
    out.add_disagreement(CompareField::kAccess, n, name(static_cast<Access>(z.access)),
                         name(static_cast<Access>(c.access)));
}

// Capstone's name for what Zydis calls otherwise: the same opcode, another manual's spelling.
constexpr std::pair<std::string_view, std::string_view> kSynonyms[] = {
    {"mov", "movabs"}, {"xlat", "xlatb"}, {"ret", "retf"}, {"ret", "retfq"}, {"call", "lcall"}, {"jmp", "ljmp"},
};
constexpr std::pair<std::string_view, std::string_view> kConditions[] = {
    {"z", "e"}, {"nz", "ne"}, {"nb", "ae"}, {"nbe", "a"}, {"nle", "g"}, {"nl", "ge"},
};

bool same_condition(std::string_view zydis, std::string_view capstone) {
  for (const std::string_view stem : {"j", "set", "cmov"}) {
    if (!zydis.starts_with(stem) || !capstone.starts_with(stem)) continue;
    for (const auto& [z, c] : kConditions)
      if (zydis.substr(stem.size()) == z && capstone.substr(stem.size()) == c) return true;
  }
  return false;
}

// CMPPS and its kin: Capstone spells the predicate of the immediate, "cmpeqps", "vcmple_oqsd".
bool same_compare(std::string_view zydis, std::string_view capstone) {
  const std::string_view stem = zydis.starts_with("vcmp") ? "vcmp" : "cmp";
  return zydis.size() == stem.size() + 2 && zydis.starts_with(stem) && capstone.starts_with(stem) &&
         capstone.size() > zydis.size() && capstone.ends_with(zydis.substr(stem.size()));
}

}  // namespace

bool same_mnemonic(std::string_view zydis, std::string_view capstone) {
  if (zydis == capstone || same_condition(zydis, capstone) || same_compare(zydis, capstone)) return true;
  for (const auto& [z, c] : kSynonyms)
    if (zydis == z && capstone == c) return true;
  return false;
}

void compare(Instruction& out, const ZydisView& zydis, const CapstoneEngine& engine, const cs_insn& capstone,
             Syntax syntax) {
  compare_number(out, CompareField::kLength, 0, unsigned{zydis.instruction.length}, unsigned{capstone.size});
  const std::string_view mnemonic = engine.instruction_name(capstone.id);
  if (!same_mnemonic(out.mnemonic, mnemonic)) out.add_disagreement(CompareField::kMnemonic, 0, out.mnemonic, mnemonic);

  const ComparedList z = of_zydis(zydis);
  const ComparedList c = of_capstone(engine, capstone.detail->x86, syntax);
  if (z.count != c.count) return compare_number(out, CompareField::kOperandCount, 0, z.count, c.count);
  for (unsigned n = 0; n < z.count; ++n) compare_operand(out, n, z.list[n], c.list[n], zydis.instruction.address_width);
}

}  // namespace faultline::vmm::decode
