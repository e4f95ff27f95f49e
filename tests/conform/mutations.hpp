// Mistakes to plant in copies of mmu's walker, one a copy. Each replaces text that must occur
// exactly once in the file named; plant_mutations.cpp makes the copies when the tests are built.
#pragma once

#include <array>
#include <string_view>

namespace faultline::test {

struct Mutation {
  std::string_view mistake, file, from, to;
};

inline constexpr std::string_view kWalk = "mmu/pgtable/walk.cpp", kWalkWith = "mmu/pgtable/walk_with.hpp",
                                  kTranslate = "mmu/pgtable/translate.cpp", kPte = "mmu/arch/pte.hpp",
                                  kMode = "mmu/arch/paging_mode.hpp", kSlot = "mmu/pgtable/slot.hpp",
                                  kWalkHeader = "mmu/pgtable/walk.hpp";

inline constexpr Mutation kMutations[] = {
    // Seen in other walkers.
    {"permissions of the last level only: W and U", kWalkWith, "allowed &= entry.raw();", "allowed = entry.raw();"},
    {"permissions of the last level only: NX", kWalkWith, "denied |= entry.raw()", "denied = entry.raw()"},
    {"bit 12 of a huge leaf (PAT) is an address bit", kPte,
     "if (kind(level) == PteKind::kLeaf) address &= ~(level_span(level) - 1);",
     "if (kind(level) == PteKind::kLeaf) address &= ~(level_span(level) - 1) | kPatHuge;"},
    {"bit 12 of a huge leaf (PAT) is reserved", kWalk, "& Pte::kAddressMask & ~Pte::kPatHuge", "& Pte::kAddressMask"},
    {"PS never tested: the walk descends into a huge page", kPte,
     "level == 1 || ((level == 2 || level == 3) && has(kPageSizeBit))", "level == 1"},
    {"PDPTE.PS is a page of 512 GiB", kPte, "address &= ~(level_span(level) - 1);",
     "address &= ~(level_span(level == 3 ? 4 : level) - 1);"},
    {"bit 7 of a 4 KiB PTE (PAT) is an error", kWalk, "if (level >= 4) {", "if (level >= 4 || level == 1) {"},
    {"a frame number of 36 bits", kPte, "0x000f'ffff'ffff'f000ULL", "0x0000'ffff'ffff'f000ULL & ((1ULL << 36) - 1)"},
    {"the canonical check is fixed at 48 bits", kMode, "const unsigned drop = 64 - linear_bits(m);",
     "const unsigned drop = 64 - linear_bits(PagingMode::kFourLevel) + 0 * static_cast<unsigned>(m);"},
    {"P in the error code follows W", kTranslate, "return ErrorCode(bits);\n  bits |= ErrorCode::kPresent;",
     "return ErrorCode(bits | (bits >> 1 & 1));\n  bits |= ErrorCode::kPresent;"},
    {"P in the error code follows I", kTranslate, "return ErrorCode(bits);\n  bits |= ErrorCode::kPresent;",
     "return ErrorCode(bits | (bits >> 4 & 1));\n  bits |= ErrorCode::kPresent;"},
    {"fetches are recorded as reads", kTranslate, "bits |= ErrorCode::kFetch;", "bits |= 0;"},
    {"A and D by a blind store over what hardware wrote", kSlot,
     "return seen.has(flags) || compare_exchange(seen, seen.with(flags));",
     "ref().store(seen.raw() | flags);\n    return true;"},
    // Levels and indices.
    {"the index of a level is one bit too narrow", kMode, "& (kEntriesPerTable - 1);", "& (kEntriesPerTable / 2 - 1);"},
    {"five levels walked as four", kWalkWith, "for (Level level = levels(mode);; --level) {\n    const Gpa slot",
     "for (Level level = 4;; --level) {\n    const Gpa slot"},
    {"no canonical check at all", kWalkWith, "if (!is_canonical(va, mode)) {",
     "if (!is_canonical(va, mode) && false) {"},
    {"2 MiB pages only: PS of a PDPTE ignored", kPte, "(level == 2 || level == 3) && has", "level == 2 && has"},
    {"1 GiB pages only: PS of a PDE ignored", kPte, "(level == 2 || level == 3) && has", "level == 3 && has"},
    {"the offset inside a huge page is that of a small one", kWalkHeader,
     "(address.raw() & (level_span(leaf.level) - 1))", "(address.raw() & (level_span(1) - 1))"},
    // Presence and reserved bits.
    {"P is not tested at all", kWalkWith, "if (!entry.present()) {\n      w.end", "if (entry.none()) {\n      w.end"},
    {"reserved bits before P", kWalkWith, "if (!entry.present()) {\n      w.end = WalkEnd::kNotPresent;",
     "if (!entry.present()) {\n      w.end = (entry.raw() & reserved_bits(entry, level, rules)) != 0 ? "
     "WalkEnd::kReservedBit : WalkEnd::kNotPresent;"},
    {"no bit is reserved", kWalkWith, "if ((entry.raw() & reserved_bits(entry, level, rules)) != 0) {",
     "if ((entry.raw() & reserved_bits(entry, level, rules) & 0) != 0) {"},
    {"reserved bits in leaves only", kWalkWith, "if ((entry.raw() & reserved_bits(entry, level, rules)) != 0) {",
     "if (entry.kind(level) == PteKind::kLeaf && (entry.raw() & reserved_bits(entry, level, rules)) != 0) {"},
    {"MAXPHYADDR is off by one", kWalk, "<< rules.phys_bits) - 1)", "<< (rules.phys_bits + 1)) - 1)"},
    {"NX is no reserved bit while NXE is 0", kWalk, "if (!rules.nxe) reserved |= Pte::kNoExecute;", ""},
    {"NX is reserved always", kWalk, "if (!rules.nxe) reserved |= Pte::kNoExecute;", "reserved |= Pte::kNoExecute;"},
    {"PS of a PML4E is not reserved", kWalk, "return reserved | Pte::kPageSizeBit;  // no 512 GiB pages",
     "return reserved;"},
    {"the low address bits of huge leaves are not reserved", kWalk, "if (level > 1 && entry.has(Pte::kPageSizeBit))",
     "if (level > 9 && entry.has(Pte::kPageSizeBit))"},
    {"RSVD without P", kTranslate, "return ErrorCode(bits | ErrorCode::kReserved);",
     "return ErrorCode((bits & ~1U) | ErrorCode::kReserved);"},
    {"RSVD is not reported", kTranslate, "return ErrorCode(bits | ErrorCode::kReserved);", "return ErrorCode(bits);"},
    // Rights.
    {"WP is taken for 1", kTranslate, "!rights.write && (user_access || p.wp)", "!rights.write"},
    {"WP is taken for 0", kTranslate, "!rights.write && (user_access || p.wp)", "!rights.write && user_access"},
    {"WP=0 helps user code as well", kTranslate, "!rights.write && (user_access || p.wp)", "!rights.write && p.wp"},
    {"U is not tested", kTranslate, "if (user_access && !rights.user) return true;", ""},
    {"supervisor code needs U=0", kTranslate, "if (user_access && !rights.user) return true;",
     "if (user_access != rights.user) return true;"},
    {"NX is not tested", kTranslate, "return !rights.execute;", "return false;"},
    {"NX denies reads as well", kTranslate, "case AccessKind::kRead: return false;",
     "case AccessKind::kRead: return !rights.execute;"},
    {"SMEP does nothing", kTranslate, "access.kind == AccessKind::kFetch && p.smep",
     "access.kind == AccessKind::kFetch && false"},
    {"SMEP denies data accesses", kTranslate, "access.kind == AccessKind::kFetch && p.smep", "p.smep"},
    {"SMAP does nothing", kTranslate, "p.smap && (access.implicit", "p.smap && false && (access.implicit"},
    {"SMAP denies fetches", kTranslate, "access.kind != AccessKind::kFetch && p.smap", "p.smap"},
    {"SMAP ignores AC", kTranslate, "(access.implicit || !access.ac)", "true"},
    {"SMAP is always suspended", kTranslate, "(access.implicit || !access.ac)", "access.implicit"},
    {"AC suspends SMAP for implicit accesses too", kTranslate, "(access.implicit || !access.ac)", "!access.ac"},
    {"SMAP lets implicit accesses of user code with AC through", kTranslate, "(access.implicit || !access.ac)",
     "((access.implicit && !access.user) || !access.ac)"},
    {"U is reported of implicit accesses of user code", kTranslate, "if (user_access) bits |= ErrorCode::kUser;",
     "if (access.user) bits |= ErrorCode::kUser;"},
    {"implicit accesses are the user's", kTranslate, "access.user && !access.implicit", "access.user"},
    // Protection keys.
    {"PKRU does nothing", kTranslate, "user_page ? p.pke : p.pks", "user_page ? false : p.pks"},
    {"PKRS does nothing", kTranslate, "user_page ? p.pke : p.pks", "user_page ? p.pke : false"},
    {"keys deny fetches", kTranslate, "access.kind == AccessKind::kFetch || !(user_page", "!(user_page"},
    {"keys have three bits", kPte, "static_cast<unsigned>(bits_ >> 59) & 15", "static_cast<unsigned>(bits_ >> 59) & 7"},
    {"AD and WD mixed up", kTranslate, "if ((rights & 1) != 0) return true;", "if ((rights & 2) != 0) return true;"},
    {"WD binds supervisors in spite of WP=0", kTranslate, "access.kind == AccessKind::kWrite && (user_access || p.wp);",
     "access.kind == AccessKind::kWrite;"},
    {"PK is not reported", kTranslate, "if (key) bits |= ErrorCode::kProtectionKey;", ""},
    {"PK is reported only where nothing else denies", kTranslate, "if (key) bits |= ErrorCode::kProtectionKey;",
     "if (key && !right_denies(walk, cpu, access, user_access)) bits |= ErrorCode::kProtectionKey;"},
    // The rest of the error code.
    {"U is not reported", kTranslate, "if (user_access) bits |= ErrorCode::kUser;", ""},
    {"W is not reported", kTranslate, "if (access.kind == AccessKind::kWrite) bits |= ErrorCode::kWrite;", ""},
    {"I is reported without NXE and SMEP", kTranslate, "cpu.paging.nxe || cpu.protection.smep", "true"},
    {"I is reported with NXE only", kTranslate, "cpu.paging.nxe || cpu.protection.smep", "cpu.paging.nxe"},
    // Accessed and Dirty.
    {"A is not set", kTranslate, "std::uint64_t flags = Pte::kAccessed;", "std::uint64_t flags = 0;"},
    {"A is set in the leaf only", kTranslate, "std::uint64_t flags = Pte::kAccessed;",
     "std::uint64_t flags = i + 1 == walk.count ? Pte::kAccessed : 0;"},
    {"D is not set", kTranslate, "flags |= Pte::kDirty;", "flags |= 0;"},
    {"D is set by reads", kTranslate, "i + 1 == walk.count && kind == AccessKind::kWrite", "i + 1 == walk.count"},
    {"D is set at every level", kTranslate, "i + 1 == walk.count && kind == AccessKind::kWrite",
     "kind == AccessKind::kWrite"},
    {"A and D are set by accesses that fault", kTranslate,
     "if (result.fault || mark_used(memory, result.walk, access.kind)) return result;",
     "if (mark_used(memory, result.walk, access.kind) || result.fault) return result;"},
};

}  // namespace faultline::test
