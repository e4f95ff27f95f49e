#include "tests/unit/kernel_program/oops_samples.hpp"

#include "mmu/kernel/kernel_half.hpp"
#include "tests/unit/support/guest_memory.hpp"
#include "vmm/kernel/layout.hpp"

namespace faultline::vmm::kernel {

namespace {

using mmu::ErrorCode;
using mmu::Level;
using mmu::PagingMode;
using mmu::Pte;
using mmu::WalkEnd;

constexpr Gva kText(0xffff'ffff'8000'1040), kUserPage(0x7fff'f7a0'0123), kVmalloc(0xffff'c900'0000'2008);
constexpr std::uint64_t kReservedBit = 1ULL << 51;

// What the walk found: entries from the root, each of them a frame and its flags.
struct Tables {
  std::vector<std::uint64_t> entries;
  WalkEnd end = WalkEnd::kNotPresent;
  PagingMode mode = PagingMode::kFourLevel;
};

const Tables kNothing{{0}, WalkEnd::kNotPresent};

// Tables down to `last`, the entry of the level at which the walk ends.
Tables tables_down_to(Level last, std::uint64_t entry, WalkEnd end, PagingMode mode = PagingMode::kFourLevel) {
  Tables tables{{}, end, mode};
  for (Level level = mmu::levels(mode); level > last; --level)
    tables.entries.push_back(std::uint64_t{0x62000} + level * 0x1000 + Pte::kKernelTableFlags);
  tables.entries.push_back(entry);
  return tables;
}

mmu::Walk walk_of(Gva address, const Tables& tables) {
  mmu::Walk walk;
  walk.address = address;
  walk.mode = tables.mode;
  walk.end = tables.end;
  Level level = mmu::levels(tables.mode);
  for (const std::uint64_t raw : tables.entries)
    walk.steps[walk.count++] = {.level = level--, .slot = Gpa(), .entry = Pte(raw), .rights = {}};
  return walk;
}

// Every register has a value of its own, so that none can stand in for another.
CpuState cpu_at(Gva rip, bool user) {
  CpuState cpu;
  for (unsigned i = 0; i < cpu.regs.gpr.size(); ++i) cpu.regs.gpr[i] = 0x1111'0000'0000'1000ULL * (i + 1) + i;
  cpu.regs[UserRegs::kRsp] = kStackTop.raw() - 0x88;
  cpu.regs[UserRegs::kRbp] = kStackTop.raw() - 0x40;
  cpu.regs.rip = rip.raw();
  cpu.regs.rflags = 0x10246;
  if (user) cpu.cs = FL_USER_CS, cpu.ss = FL_USER_SS;
  return cpu;
}

Oops base(Gva address, ErrorCode error, bool user) {
  Oops oops;
  oops.program = "kernel_sample";
  oops.error = error;
  oops.address = address;
  oops.cpu = cpu_at(user ? Gva(0x40'1000) : kText, user);
  oops.control = {.cr0 = 0x8001'0033,
                  .cr2 = address.raw(),
                  .cr3 = 0x6'2000,
                  .cr4 = 0x30'06a0,
                  .efer = 0xd01,
                  .fs_base = 0x7f12'3456'7000,
                  .gs_base = 0xffff'ffff'8000'9000};
  oops.stack = {kStackBottom, kStackTop};
  oops.function = user ? "0x401000" : "read_at+0x10/0x1a";
  for (unsigned i = 0; i < 64; ++i) oops.code.push_back(static_cast<std::byte>(0x80 + i));
  oops.code_mark = 42;
  if (!user) oops.trace = {"program+0x3c/0x2b0", "start+0x11/0x20"};
  return oops;
}

class Sampler {
 public:
  // A page fault that the ladder, with nothing mapped and no VMA, makes an oops of.
  void fault(std::string name, Gva address, std::uint32_t error, const Tables& tables, mmu::KernelContext context = {},
             bool user = false, mmu::FaultHooks* hooks = nullptr) {
    context.fixup = false;
    mm_->fault_hooks = hooks;
    const mmu::FaultOutcome outcome =
        mmu::handle_page_fault(*mm_, {.address = address,
                                      .error = ErrorCode(error),
                                      .ip = kText,
                                      .origin = user ? mmu::FaultOrigin::kUser : mmu::FaultOrigin::kKernel,
                                      .kernel = context});
    mm_->fault_hooks = nullptr;
    Oops oops = base(address, ErrorCode(error), user);
    oops.kind = kind_of(outcome, oops.error, address, kStackGuard);
    for (const mmu::FaultStep step : outcome.path.steps()) oops.path.push_back(mmu::name(step));
    oops.tables = dump_tables(walk_of(address, tables));
    samples_.push_back({std::move(name), std::move(oops)});
  }
  void exception(std::string name, unsigned vector, std::uint32_t error) {
    Oops oops = base(Gva(), ErrorCode(error), false);
    oops.kind = OopsKind::kException;
    oops.vector = vector;
    oops.control.cr2 = 0xdead'b000;  // of an earlier fault
    samples_.push_back({std::move(name), std::move(oops)});
  }
  OopsSample& last() { return samples_.back(); }
  std::vector<OopsSample> take() { return std::move(samples_); }

 private:
  test::GuestMemory g_{4ULL << 20};
  std::unique_ptr<mmu::AddressSpace> mm_ = mmu::AddressSpace::create(g_.env);
  std::vector<OopsSample> samples_;
};

constexpr mmu::KernelContext kNoAc{.user_access = false};

void corrupted(Sampler& sampler, PagingMode mode) {
  const bool five = mode == PagingMode::kFiveLevel;
  for (Level level = 1; level <= mmu::levels(mode); ++level) {
    const auto tables = tables_down_to(level, 0x9a067 | kReservedBit, WalkEnd::kReservedBit, mode);
    sampler.fault((five ? "corrupted_5_levels_at_" : "corrupted_at_") + std::to_string(level), kUserPage, 0x9, tables);
  }
}

}  // namespace

std::vector<OopsSample> oops_samples() {
  struct Held final : mmu::FaultHooks {
    bool try_mmap_lock(mmu::AddressSpace&) override { return false; }
  } held;
  const auto leaf = [](std::uint64_t entry) { return tables_down_to(1, entry, WalkEnd::kMapped); };
  const Tables read_only = leaf(0x91021), data = leaf(0x92063 | Pte::kNoExecute), user = leaf(0x93067);
  Sampler s;
  s.fault("null_read", Gva(0x10), 0x0, kNothing, kNoAc);
  s.fault("null_write", Gva(0), 0x2, kNothing, kNoAc);
  s.fault("null_fetch", Gva(0), 0x10, kNothing, kNoAc);
  s.last().oops.code.clear();  // nothing to be read there
  s.last().oops.code_mark = 0;
  s.fault("stack_overflow", kStackGuard + 0xff8, 0x2, tables_down_to(1, 0, WalkEnd::kNotPresent));
  s.fault("smap", kUserPage, 0x1, user, kNoAc);
  s.fault("smep", kUserPage, 0x11, user);
  s.fault("read_only_text", kText, 0x3, read_only);
  s.fault("no_execute", kVmalloc, 0x11, data);
  s.fault("kernel_hole", Gva(0xffff'ea00'0000'0000), 0x0, kNothing);
  s.fault("user_hole", kUserPage, 0x0, kNothing);
  s.fault("lock_held", kUserPage, 0x2, kNothing, {}, false, &held);
  s.fault("faults_disabled", kUserPage, 0x0, kNothing, {.faults_disabled = true});
  s.fault("corrupted_kernel_address", kVmalloc, 0x9, tables_down_to(2, 0x9b063 | kReservedBit, WalkEnd::kReservedBit));
  s.fault("table_outside_memory", kVmalloc, 0x0,
          tables_down_to(3, 0xff'ffff'f000 | Pte::kKernelTableFlags, WalkEnd::kOutsideMemory));
  s.fault("corrupted_by_user_code", kUserPage, 0xd, tables_down_to(1, 0x9a067 | kReservedBit, WalkEnd::kReservedBit),
          {}, true);
  corrupted(s, PagingMode::kFourLevel);
  corrupted(s, PagingMode::kFiveLevel);
  s.exception("general_protection", 13, 0);
  s.exception("invalid_opcode", 6, 0);
  return s.take();
}

}  // namespace faultline::vmm::kernel
