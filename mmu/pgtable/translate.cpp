#include "mmu/pgtable/translate.hpp"

namespace faultline::mmu {
namespace {

// Protection keys: data accesses only; WD binds a supervisor only while CR0.WP is set.
bool key_denies(const Walk& walk, const Processor& cpu, const ProcessorAccess& access, bool user_access) {
  const ProtectionControls& p = cpu.protection;
  const bool user_page = walk.last().rights.user;
  if (!long_mode(cpu.mode)) return false;
  if (access.kind == AccessKind::kFetch || !(user_page ? p.pke : p.pks)) return false;
  const unsigned key = walk.last().entry.protection_key();
  const std::uint32_t rights = (user_page ? p.pkru : p.pkrs) >> (2 * key);
  if ((rights & 1) != 0) return true;
  return (rights & 2) != 0 && access.kind == AccessKind::kWrite && (user_access || p.wp);
}

bool right_denies(const Walk& walk, const Processor& cpu, const ProcessorAccess& access, bool user_access) {
  const ProtectionControls& p = cpu.protection;
  const Rights& rights = walk.last().rights;
  if (user_access && !rights.user) return true;
  if (!user_access && rights.user) {
    if (access.kind == AccessKind::kFetch && p.smep) return true;
    if (access.kind != AccessKind::kFetch && p.smap && (access.implicit || !access.ac)) return true;
  }
  switch (access.kind) {
    case AccessKind::kRead: return false;
    case AccessKind::kWrite: return !rights.write && (user_access || p.wp);
    case AccessKind::kFetch: return !rights.execute;
  }
  return false;
}

}  // namespace

std::optional<ErrorCode> page_fault_of(const Walk& walk, const Processor& cpu, const ProcessorAccess& access) {
  const bool user_access = access.user && !access.implicit;
  std::uint32_t bits = 0;
  if (user_access) bits |= ErrorCode::kUser;
  if (access.kind == AccessKind::kWrite) bits |= ErrorCode::kWrite;
  const bool fetch_reported = (has_nx(cpu.mode) && cpu.paging.nxe) || cpu.protection.smep;
  if (access.kind == AccessKind::kFetch && fetch_reported) bits |= ErrorCode::kFetch;

  if (walk.end == WalkEnd::kNotPresent) return ErrorCode(bits);
  bits |= ErrorCode::kPresent;
  if (walk.end == WalkEnd::kReservedBit) return ErrorCode(bits | ErrorCode::kReserved);
  const bool key = key_denies(walk, cpu, access, user_access);
  if (key) bits |= ErrorCode::kProtectionKey;
  if (key || right_denies(walk, cpu, access, user_access)) return ErrorCode(bits);
  return std::nullopt;
}

bool mark_used(const PhysMemory& memory, const Walk& walk, AccessKind kind) {
  for (unsigned i = 0; i < walk.count; ++i) {
    const WalkStep& step = walk.steps[i];
    if (is_pdpte(step.level, walk.mode)) continue;  // no A
    std::uint64_t flags = Pte::kAccessed;
    if (i + 1 == walk.count && kind == AccessKind::kWrite) flags |= Pte::kDirty;
    const PteSlot slot = PteSlot::of(memory, step.slot.page(), walk.address, step.level, walk.mode);
    if (!slot.set_if_still(step.entry, flags)) return false;
  }
  return true;
}

Translated translate(const PhysMemory& memory, Gfn root, const Processor& cpu, Gva va, const ProcessorAccess& access) {
  for (;;) {
    Translated result{walk(memory, root, cpu.mode, va, cpu.paging), std::nullopt};
    if (result.unwalkable()) return result;
    result.fault = page_fault_of(result.walk, cpu, access);
    if (result.fault || mark_used(memory, result.walk, access.kind)) return result;
  }
}

}  // namespace faultline::mmu
