#include "tests/model/walk.hpp"

#include <algorithm>

namespace faultline::model {
namespace {

constexpr std::uint64_t bit(unsigned n) { return std::uint64_t{1} << n; }
// Bits high:low.
constexpr std::uint64_t bits(unsigned high, unsigned low) {
  return high < low ? 0 : (~std::uint64_t{0} >> (63 - high)) & ~(bit(low) - 1);
}

constexpr unsigned kP = 0, kW = 1, kU = 2, kPs = 7, kG = 8, kNx = 63;

std::uint64_t reserved_two_level(const Cpu& cpu, const Controls& c, unsigned level, std::uint64_t entry) {
  if (level == 1 || !c.pse || (entry & bit(kPs)) == 0) return 0;
  // Bits 20:13 are bits 39:32 of the page's address, as far as the processor has them.
  if (!cpu.pse36) return bits(21, 13);
  const unsigned width = std::clamp(cpu.physical_bits, 32U, 40U);
  return bits(21, width - 19);
}

std::uint64_t reserved_long(const Cpu& cpu, const Controls& c, unsigned level, std::uint64_t entry) {
  std::uint64_t reserved = bits(51, cpu.physical_bits);
  if (!c.nxe) reserved |= bit(kNx);
  const bool large = (entry & bit(kPs)) != 0;
  switch (level) {
    case 5:
    case 4:
      reserved |= bit(kPs);
      if (cpu.top_global_reserved) reserved |= bit(kG);
      break;
    case 3:
      if (large) reserved |= cpu.huge_1g ? bits(29, 13) : bit(kPs);
      break;
    case 2:
      if (large) reserved |= bits(20, 13);
      break;
    default: break;
  }
  return reserved;
}

std::uint64_t reserved_pae(const Cpu& cpu, const Controls& c, unsigned level, std::uint64_t entry) {
  std::uint64_t reserved = bits(62, cpu.physical_bits);
  if (!c.nxe) reserved |= bit(kNx);
  if (level == 2 && (entry & bit(kPs)) != 0) reserved |= bits(20, 13);
  return reserved;
}

std::uint64_t table_address(const Cpu& cpu, Paging paging, std::uint64_t entry) {
  return paging == Paging::kTwoLevel ? entry & bits(31, 12) : entry & bits(cpu.physical_bits - 1, 12);
}

// The first byte of the page that a leaf of `level` maps.
std::uint64_t page_address(const Cpu& cpu, Paging paging, unsigned level, std::uint64_t entry) {
  if (paging == Paging::kTwoLevel) {
    if (level == 1) return entry & bits(31, 12);
    return (entry & bits(31, 22)) | (entry & bits(20, 13)) >> 13 << 32;
  }
  return entry & bits(cpu.physical_bits - 1, index_shift(paging, level));
}

class Walker {
 public:
  Walker(const Memory& memory, const Cpu& cpu, const Controls& controls, Gva address)
      : memory_(memory), cpu_(cpu), c_(controls), address_(address) {}

  std::vector<Translation> run() {
    Translation start;
    std::uint64_t root = c_.root.raw();
    switch (c_.paging) {
      case Paging::kNone: start.physical = Gpa(address_.raw() & 0xffff'f000); return {start};
      case Paging::kPae: {
        const std::uint64_t pdpte = c_.pdpte_registers[address_.raw() >> 30 & 3];
        start.steps[start.count++] = Step{3, Gpa(), pdpte};
        if ((pdpte & bit(kP)) == 0) {
          start.end = End::kNotPresent;
          return {start};
        }
        root = pdpte & bits(cpu_.physical_bits - 1, 12);
        break;
      }
      case Paging::kTwoLevel:
      case Paging::kFourLevel:
      case Paging::kFiveLevel: break;
    }
    descend(start, memory_levels(c_.paging), root);
    for (Translation& t : memory_.cached_translations(address_)) found_.push_back(t);
    return std::move(found_);
  }

 private:
  void descend(const Translation& so_far, unsigned level, std::uint64_t table) {
    const unsigned bytes = entry_bytes(c_.paging);
    const std::uint64_t index =
        address_.raw() >> index_shift(c_.paging, level) & (bit(index_bits(c_.paging, level)) - 1);
    const Gpa slot(table + index * bytes);
    const std::optional<std::uint64_t> now = memory_.entry(slot, bytes);
    if (!now) {
      Translation t = so_far;
      t.end = End::kNoMemory;
      found_.push_back(t);
      return;
    }
    enter(so_far, level, slot, *now);
    for (const std::uint64_t old : memory_.cached_entries(slot)) {
      if (old != *now) enter(so_far, level, slot, old);
    }
  }

  void enter(Translation t, unsigned level, Gpa slot, std::uint64_t entry) {
    t.steps[t.count++] = Step{level, slot, entry};
    if ((entry & bit(kP)) == 0) {
      t.end = End::kNotPresent;
    } else if ((entry & reserved_bits(cpu_, c_, level, entry)) != 0) {
      t.end = End::kReserved;
    } else {
      t.write = t.write && (entry & bit(kW)) != 0;
      t.user = t.user && (entry & bit(kU)) != 0;
      t.execute = t.execute && (c_.paging == Paging::kTwoLevel || (entry & bit(kNx)) == 0);
      if (!maps_page(cpu_, c_, level, entry)) return descend(t, level - 1, table_address(cpu_, c_.paging, entry));
      finish(t, level, entry);
    }
    found_.push_back(t);
  }

  void finish(Translation& t, unsigned level, std::uint64_t entry) const {
    t.end = End::kMapped;
    t.global = (entry & bit(kG)) != 0 && c_.pge;
    t.key = long_mode(c_.paging) ? static_cast<unsigned>(entry >> 59 & 15) : 0;
    t.page_bytes = bit(index_shift(c_.paging, level));
    const std::uint64_t inside = address_.raw() & (t.page_bytes - 1) & ~kPageMask;
    t.physical = Gpa(page_address(cpu_, c_.paging, level, entry) | inside);
  }

  const Memory& memory_;
  const Cpu& cpu_;
  const Controls& c_;
  Gva address_;
  std::vector<Translation> found_;
};

}  // namespace

std::string_view name(Paging paging) {
  switch (paging) {
    case Paging::kNone: return "none";
    case Paging::kTwoLevel: return "32-bit";
    case Paging::kPae: return "PAE";
    case Paging::kFourLevel: return "4-level";
    case Paging::kFiveLevel: return "5-level";
  }
  return "";
}

unsigned index_bits(Paging paging, unsigned) { return paging == Paging::kTwoLevel ? 10 : 9; }
unsigned index_shift(Paging paging, unsigned level) { return 12 + (level - 1) * index_bits(paging, level); }

std::uint64_t reserved_bits(const Cpu& cpu, const Controls& controls, unsigned level, std::uint64_t entry) {
  switch (controls.paging) {
    case Paging::kNone: return 0;
    case Paging::kTwoLevel: return reserved_two_level(cpu, controls, level, entry);
    case Paging::kPae: return reserved_pae(cpu, controls, level, entry);
    case Paging::kFourLevel:
    case Paging::kFiveLevel: return reserved_long(cpu, controls, level, entry);
  }
  return 0;
}

bool maps_page(const Cpu& cpu, const Controls& controls, unsigned level, std::uint64_t entry) {
  if (level == 1) return true;
  if ((entry & bit(kPs)) == 0) return false;
  if (level == 2) return controls.paging != Paging::kTwoLevel || controls.pse;
  return level == 3 && long_mode(controls.paging) && cpu.huge_1g;
}

bool canonical(Paging paging, Gva address) {
  if (!long_mode(paging)) return true;
  const unsigned sign = paging == Paging::kFiveLevel ? 56 : 47;
  const std::uint64_t top = address.raw() >> sign;
  return top == 0 || top == ~std::uint64_t{0} >> sign;
}

std::vector<Translation> translations(const Memory& memory, const Cpu& cpu, const Controls& controls, Gva address) {
  return Walker(memory, cpu, controls, address).run();
}

// SDM vol. 3A, "PDPTE Registers".
std::optional<std::array<std::uint64_t, 4>> load_pdptes(const Memory& memory, const Cpu& cpu, Gpa table) {
  std::array<std::uint64_t, 4> registers{};
  const std::uint64_t reserved = bits(2, 1) | bits(8, 5) | bits(63, cpu.physical_bits);
  for (unsigned i = 0; i < registers.size(); ++i) {
    registers[i] = memory.entry(Gpa(table.raw() + i * 8), 8).value_or(0);
    if ((registers[i] & bit(kP)) != 0 && (registers[i] & reserved) != 0) return std::nullopt;
  }
  return registers;
}

}  // namespace faultline::model
