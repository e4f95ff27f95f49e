#include "vmm/gdb/registers.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "guest/abi.h"
#include "mmu/base/check.hpp"
#include "vmm/gdb/packet.hpp"

namespace faultline::vmm::gdb {
namespace {

// SDM vol. 1, "Legacy Region of an XSAVE Area" and "XSAVE Header".
constexpr std::size_t kFcw = 0, kFsw = 2, kFtw = 4, kFop = 6, kFip = 8, kFdp = 16, kMxcsr = 24, kSt = 32, kXmm = 160;
constexpr std::size_t kSlotBytes = 16, kHeader = 512, kXsaveLeast = 576;
constexpr std::uint64_t kX87Component = 1, kSseComponent = 2;
constexpr std::uint16_t kInitialFcw = 0x37f;

// Numbers in the order of the description.
enum : unsigned {
  kEflags = 17,
  kCs,
  kSs,
  kGs = 23,
  kSt0 = 24,
  kFctrl = 32,
  kFstat,
  kFtag,
  kFiseg,
  kFioff,
  kFoseg,
  kFooff,
  kFopReg,
  kXmm0 = 40,
  kMxcsrReg = 56,
  kOrigRax,
  kFsBase,
  kGsBase,
};
static_assert(kGsBase + 1 == kRegisters);

// UserRegs' number of GDB's general register n.
constexpr std::array<unsigned, 16> kGeneral = {UserRegs::kRax, UserRegs::kRbx, UserRegs::kRcx, UserRegs::kRdx,
                                               UserRegs::kRsi, UserRegs::kRdi, UserRegs::kRbp, UserRegs::kRsp,
                                               UserRegs::kR8,  UserRegs::kR9,  UserRegs::kR10, UserRegs::kR11,
                                               UserRegs::kR12, UserRegs::kR13, UserRegs::kR14, UserRegs::kR15};

unsigned bytes_of(unsigned number) {
  if (number <= kRip || number >= kOrigRax) return 8;
  if (number >= kSt0 && number < kFctrl) return 10;
  if (number >= kXmm0 && number < kMxcsrReg) return 16;
  return 4;
}

template <class T>
T load(const CpuState& state, std::size_t at) {
  T value;
  std::memcpy(&value, state.xsave.data() + at, sizeof value);
  return value;
}
template <class T>
void store(CpuState& state, std::size_t at, T value) {
  std::memcpy(state.xsave.data() + at, &value, sizeof value);
}

bool has_component(const CpuState& state, std::uint64_t component) {
  return (load<std::uint64_t>(state, kHeader) & component) != 0;
}

// A component that is in its initial state need not be in the area: makes it so before a write.
void make_component(CpuState& state, std::uint64_t component) {
  if (has_component(state, component)) return;
  if (component == kX87Component) {
    std::memset(state.xsave.data(), 0, kMxcsr);
    std::memset(state.xsave.data() + kSt, 0, kXmm - kSt);
    store(state, kFcw, kInitialFcw);
  } else {
    std::memset(state.xsave.data() + kXmm, 0, 16 * kSlotBytes);
  }
  store(state, kHeader, load<std::uint64_t>(state, kHeader) | component);
}

// The tag word as the FPU had it before XSAVE kept only "empty or not": two bits a register, 0
// valid, 1 zero, 2 special, 3 empty. SDM vol. 1, "x87 FPU Tag Word".
std::uint32_t full_tag_word(const CpuState& state) {
  const auto abridged = load<std::uint8_t>(state, kFtw);
  const unsigned top = load<std::uint16_t>(state, kFsw) >> 11 & 7U;
  std::uint32_t tags = 0;
  for (unsigned physical = 0; physical < 8; ++physical) {
    unsigned tag = 3;
    if ((abridged >> physical & 1U) != 0) {
      const std::size_t at = kSt + ((physical + 8 - top) & 7U) * kSlotBytes;
      const auto mantissa = load<std::uint64_t>(state, at);
      const unsigned exponent = load<std::uint16_t>(state, at + 8) & 0x7fffU;
      if (exponent == 0 && mantissa == 0) {
        tag = 1;
      } else {
        tag = exponent == 0 || exponent == 0x7fff || mantissa >> 63 == 0 ? 2 : 0;
      }
    }
    tags |= tag << (2 * physical);
  }
  return tags;
}

std::uint8_t abridged_tag_word(std::uint32_t full) {
  std::uint8_t abridged = 0;
  for (unsigned i = 0; i < 8; ++i)
    if ((full >> (2 * i) & 3U) != 3) abridged = static_cast<std::uint8_t>(abridged | 1U << i);
  return abridged;
}

std::uint32_t x87_control(const CpuState& state, unsigned number) {
  if (!has_component(state, kX87Component)) return number == kFctrl ? kInitialFcw : number == kFtag ? 0xffffU : 0;
  switch (number) {
    case kFctrl: return load<std::uint16_t>(state, kFcw);
    case kFstat: return load<std::uint16_t>(state, kFsw);
    case kFtag: return full_tag_word(state);
    case kFiseg: return load<std::uint16_t>(state, kFip + 4);
    case kFioff: return load<std::uint32_t>(state, kFip);
    case kFoseg: return load<std::uint16_t>(state, kFdp + 4);
    case kFooff: return load<std::uint32_t>(state, kFdp);
    default: return load<std::uint16_t>(state, kFop);
  }
}

void set_x87_control(CpuState& state, unsigned number, std::uint32_t value) {
  make_component(state, kX87Component);
  const auto low = static_cast<std::uint16_t>(value);
  switch (number) {
    case kFctrl: return store(state, kFcw, low);
    case kFstat: return store(state, kFsw, low);
    case kFtag: return store(state, kFtw, abridged_tag_word(value));
    case kFiseg: return store(state, kFip + 4, low);
    case kFioff: return store(state, kFip, value);
    case kFoseg: return store(state, kFdp + 4, low);
    case kFooff: return store(state, kFdp, value);
    default: return store(state, kFop, low);
  }
}

std::uint64_t selector(unsigned number) { return number == kCs ? FL_USER_CS : number == kSs ? FL_USER_SS : 0; }

std::string slot_hex(const CpuState& state, std::uint64_t component, std::size_t at, unsigned bytes) {
  if (!has_component(state, component)) return std::string(2 * std::size_t{bytes}, '0');
  return to_hex(std::span(state.xsave).subspan(at, bytes));
}

std::uint64_t number_from(std::span<const std::byte> value) {
  std::uint64_t n = 0;
  std::memcpy(&n, value.data(), std::min(value.size(), sizeof n));
  return n;
}

void append_register(std::string& out, unsigned number, std::string_view name, std::string_view type,
                     std::string_view group = {}) {
  out += fmt::format("<reg name=\"{}\" bitsize=\"{}\" type=\"{}\" regnum=\"{}\"", name, bytes_of(number) * 8, type,
                     number);
  if (!group.empty()) out += fmt::format(" group=\"{}\"", group);
  out += "/>\n";
}

std::string core_feature() {
  std::string out = "<feature name=\"org.gnu.gdb.i386.core\">\n<flags id=\"i386_eflags\" size=\"4\">\n";
  constexpr std::pair<const char*, unsigned> kFlags[] = {
      {"CF", 0},  {"", 1},    {"PF", 2},  {"AF", 4},  {"ZF", 6},  {"SF", 7},   {"TF", 8},   {"IF", 9}, {"DF", 10},
      {"OF", 11}, {"NT", 14}, {"RF", 16}, {"VM", 17}, {"AC", 18}, {"VIF", 19}, {"VIP", 20}, {"ID", 21}};
  for (const auto& [name, bit] : kFlags)
    out += fmt::format("<field name=\"{}\" start=\"{}\" end=\"{}\"/>\n", name, bit, bit);
  out += "</flags>\n";
  constexpr std::array kNames = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
                                 "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  for (unsigned n = 0; n < kNames.size(); ++n)
    append_register(out, n, kNames[n],
                    kGeneral[n] == UserRegs::kRsp || kGeneral[n] == UserRegs::kRbp ? "data_ptr" : "int64");
  append_register(out, kRip, "rip", "code_ptr");
  append_register(out, kEflags, "eflags", "i386_eflags");
  constexpr std::array kSelectors = {"cs", "ss", "ds", "es", "fs", "gs"};
  for (unsigned n = 0; n < kSelectors.size(); ++n) append_register(out, kCs + n, kSelectors[n], "int32");
  for (unsigned n = 0; n < 8; ++n) append_register(out, kSt0 + n, fmt::format("st{}", n), "i387_ext");
  constexpr std::array kControl = {"fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"};
  for (unsigned n = 0; n < kControl.size(); ++n) append_register(out, kFctrl + n, kControl[n], "int", "float");
  return out + "</feature>\n";
}

std::string sse_feature() {
  std::string out = "<feature name=\"org.gnu.gdb.i386.sse\">\n";
  constexpr struct {
    const char *id, *type;
    unsigned count;
  } kVectors[] = {{"v4f", "ieee_single", 4}, {"v2d", "ieee_double", 2}, {"v16i8", "int8", 16},
                  {"v8i16", "int16", 8},     {"v4i32", "int32", 4},     {"v2i64", "int64", 2}};
  for (const auto& v : kVectors)
    out += fmt::format("<vector id=\"{}\" type=\"{}\" count=\"{}\"/>\n", v.id, v.type, v.count);
  out += "<union id=\"vec128\">\n";
  constexpr std::pair<const char*, const char*> kViews[] = {
      {"v4_float", "v4f"},   {"v2_double", "v2d"},  {"v16_int8", "v16i8"}, {"v8_int16", "v8i16"},
      {"v4_int32", "v4i32"}, {"v2_int64", "v2i64"}, {"uint128", "uint128"}};
  for (const auto& [name, type] : kViews) out += fmt::format("<field name=\"{}\" type=\"{}\"/>\n", name, type);
  out += "</union>\n";
  for (unsigned n = 0; n < 16; ++n) append_register(out, kXmm0 + n, fmt::format("xmm{}", n), "vec128");
  append_register(out, kMxcsrReg, "mxcsr", "int", "vector");
  return out + "</feature>\n";
}

std::string description() {
  std::string out =
      "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target>\n"
      "<architecture>i386:x86-64</architecture>\n<osabi>GNU/Linux</osabi>\n";
  out += core_feature() + sse_feature();
  out += "<feature name=\"org.gnu.gdb.i386.linux\">\n";
  append_register(out, kOrigRax, "orig_rax", "int64", "system");
  out += "</feature>\n<feature name=\"org.gnu.gdb.i386.segments\">\n";
  append_register(out, kFsBase, "fs_base", "int64");
  append_register(out, kGsBase, "gs_base", "int64");
  return out + "</feature>\n</target>\n";
}

}  // namespace

std::string register_hex(const CpuState& state, unsigned number) {
  FL_CHECK(state.xsave.size() >= kXsaveLeast);
  const unsigned bytes = bytes_of(number);
  const auto plain = [bytes](std::uint64_t value) { return little_endian_hex(value, bytes); };
  if (number < kGeneral.size()) return plain(state.regs[kGeneral[number]]);
  if (number == kRip) return plain(state.regs.rip);
  if (number == kEflags) return plain(state.regs.rflags);
  if (number <= kGs) return plain(selector(number));
  if (number < kFctrl) return slot_hex(state, kX87Component, kSt + (number - kSt0) * kSlotBytes, bytes);
  if (number < kXmm0) return plain(x87_control(state, number));
  if (number < kMxcsrReg) return slot_hex(state, kSseComponent, kXmm + (number - kXmm0) * kSlotBytes, bytes);
  switch (number) {
    // SDM vol. 1, "Operation of XSAVE": MXCSR is there whatever XSTATE_BV says.
    case kMxcsrReg: return plain(load<std::uint32_t>(state, kMxcsr));
    case kOrigRax: return plain(~0ULL);  // not in a system call that could be made again
    case kFsBase: return plain(state.bases.fs);
    case kGsBase: return plain(state.bases.gs);
    default: return {};
  }
}

std::string all_registers_hex(const CpuState& state) {
  std::string out;
  for (unsigned n = 0; n < kRegisters; ++n) out += register_hex(state, n);
  return out;
}

bool set_register(CpuState& state, unsigned number, std::span<const std::byte> value, Changed& changed) {
  FL_CHECK(state.xsave.size() >= kXsaveLeast);
  if (number >= kRegisters || value.size() != bytes_of(number)) return false;
  const std::uint64_t n = number_from(value);
  const auto set = [n](std::uint64_t& where, bool& mark) {
    mark = mark || where != n;
    where = n;
  };
  if (number < kGeneral.size()) {
    set(state.regs[kGeneral[number]], changed.regs);
  } else if (number == kRip) {
    set(state.regs.rip, changed.regs);
  } else if (number == kEflags) {
    set(state.regs.rflags, changed.regs);
  } else if (number == kFsBase) {
    set(state.bases.fs, changed.bases);
  } else if (number == kGsBase) {
    set(state.bases.gs, changed.bases);
  } else if (number > kGs && number != kOrigRax && to_hex(value) != register_hex(state, number)) {
    changed.xsave = true;
    if (number < kFctrl) {
      make_component(state, kX87Component);
      std::memcpy(state.xsave.data() + kSt + (number - kSt0) * kSlotBytes, value.data(), value.size());
    } else if (number < kXmm0) {
      set_x87_control(state, number, static_cast<std::uint32_t>(n));
    } else {
      make_component(state, kSseComponent);
      const std::size_t at = number == kMxcsrReg ? kMxcsr : kXmm + (number - kXmm0) * kSlotBytes;
      std::memcpy(state.xsave.data() + at, value.data(), value.size());
    }
  }
  return true;
}

bool set_all_registers(CpuState& state, std::span<const std::byte> bytes, Changed& changed) {
  for (unsigned n = 0; n < kRegisters && !bytes.empty(); ++n) {
    const unsigned size = bytes_of(n);
    if (bytes.size() < size || !set_register(state, n, bytes.first(size), changed)) return false;
    bytes = bytes.subspan(size);
  }
  return bytes.empty();
}

const std::string& target_description() {
  static const std::string text = description();
  return text;
}

}  // namespace faultline::vmm::gdb
