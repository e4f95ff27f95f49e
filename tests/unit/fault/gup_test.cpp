// The kernel looks for a user page itself: which VMAs let it (check_vma_flags), which entries do
// without a fault (follow_page_pte, can_follow_write_pte, gup_must_unshare), what becomes of errors
// (faultin_page; all in mm/gup.c).
#include "mmu/fault/context.hpp"
#include "tests/unit/support/fault_fixture.hpp"
#include "tests/unit/support/scripted_hooks.hpp"

namespace faultline::mmu {
namespace {

// What is mapped at kBase before the look-up.
enum class Tables : std::uint8_t {
  kNothing,
  kZeroPage,
  kOwn,           // an anonymous page, exclusive, writable where the VMA is
  kOwnReadOnly,   // that, write-protected
  kLastOwner,     // write-protected, not exclusive, referenced once
  kSharedOwners,  // that, referenced twice
  kFilePage,      // of the page cache, read-only
  kHint,          // a page of one's own, PROT_NONE for a NUMA hint
};

constexpr std::uint32_t kNone = VmFlags::kMayRead | VmFlags::kMayWrite;  // PROT_NONE
constexpr std::uint32_t kLocked = VmFlags::kRead | VmFlags::kMayRead;    // never to be written
constexpr std::uint32_t kUs = VmFlags::kShared | VmFlags::kMayShare;
constexpr GupMode kPlain, kForce{.force = true}, kUnshare{.unshare = true}, kRemote{.remote = true};
constexpr auto kGup = FaultOrigin::kGup, kKernel = FaultOrigin::kKernel;
constexpr bool kRead = false, kWrite = true;
using enum Tables;

struct Row {
  const char* source;
  FaultOrigin origin;
  bool write;
  GupMode gup;
  std::uint32_t vma;
  Tables tables;
  int error;        // errno, 0: the page is there
  unsigned faults;  // taken for it
};

constexpr Row kRows[] = {
    {"check_vma_flags: VM_WRITE", kGup, kWrite, kPlain, kRwFlags, kNothing, 0, 1},
    {"check_vma_flags: no VM_WRITE", kGup, kWrite, kPlain, kRoFlags, kNothing, EFAULT, 1},
    {"check_vma_flags: FOLL_FORCE, is_cow_mapping", kGup, kWrite, kForce, kRoFlags, kNothing, 0, 1},
    {"check_vma_flags: FOLL_FORCE, shared", kGup, kWrite, kForce, kRoFlags | kUs, kFilePage, EFAULT, 1},
    {"check_vma_flags: FOLL_FORCE, no VM_MAYWRITE", kGup, kWrite, kForce, kLocked, kZeroPage, EFAULT, 1},
    {"check_vma_flags: no VM_READ", kGup, kRead, kPlain, kNone, kNothing, EFAULT, 1},
    {"check_vma_flags: FOLL_FORCE, VM_MAYREAD", kGup, kRead, kForce, kNone, kNothing, 0, 1},
    {"check_vma_flags: FOLL_FORCE, no VM_MAYREAD", kGup, kRead, kForce, VmFlags::kMayWrite, kNothing, EFAULT, 1},
    {"sanitize_fault_flags: no VM_MAYWRITE", kGup, kWrite, kPlain, kLocked | VmFlags::kWrite, kNothing, EFAULT, 1},
    {"sanitize_fault_flags: UNSHARE and WRITE", kGup, kWrite, kUnshare, kRwFlags, kNothing, EFAULT, 1},
    {"sanitize_fault_flags: UNSHARE, not is_cow_mapping", kGup, kRead, kUnshare, kRoFlags | kUs, kNothing, EFAULT, 1},
    {"follow_page_pte: present", kGup, kRead, kPlain, kRwFlags, kZeroPage, 0, 0},
    {"follow_page_pte: pte_protnone", kGup, kRead, kPlain, kRwFlags, kHint, 0, 1},
    {"follow_page_pte: pte_protnone, FOLL_FORCE", kGup, kRead, kForce, kNone, kHint, 0, 0},
    {"can_follow_write_pte: pte_write", kGup, kWrite, kPlain, kRwFlags, kOwn, 0, 0},
    {"can_follow_write_pte: no FOLL_FORCE", kGup, kWrite, kPlain, kRwFlags, kOwnReadOnly, 0, 1},
    {"can_follow_write_pte: VM_WRITE", kGup, kWrite, kForce, kRwFlags, kOwnReadOnly, 0, 1},
    {"can_follow_write_pte: PageAnonExclusive", kGup, kWrite, kForce, kRoFlags, kOwnReadOnly, 0, 0},
    {"can_follow_write_pte: not PageAnonExclusive", kGup, kWrite, kForce, kRoFlags, kSharedOwners, 0, 1},
    {"do_wp_page: wp_can_reuse_anon_folio, forced", kGup, kWrite, kForce, kRoFlags, kLastOwner, 0, 1},
    {"can_follow_write_pte: zero page", kGup, kWrite, kForce, kRoFlags, kZeroPage, 0, 1},
    {"can_follow_write_pte: not PageAnon", kGup, kWrite, kForce, kRoFlags, kFilePage, 0, 1},
    {"gup_must_unshare: PageAnonExclusive", kGup, kRead, kUnshare, kRwFlags, kOwnReadOnly, 0, 0},
    {"gup_must_unshare: pte_write", kGup, kRead, kUnshare, kRwFlags, kOwn, 0, 0},
    {"gup_must_unshare: zero page", kGup, kRead, kUnshare, kRwFlags, kZeroPage, 0, 1},
    {"gup_must_unshare: shared by fork", kGup, kRead, kUnshare, kRwFlags, kSharedOwners, 0, 1},
    {"do_wp_page: wp_can_reuse_anon_folio, UNSHARE", kGup, kRead, kUnshare, kRwFlags, kLastOwner, 0, 1},
    {"gup_must_unshare: not PageAnon", kGup, kRead, kUnshare, kRwFlags, kFilePage, 0, 1},
    {"follow_page_pte: not is_cow_mapping", kGup, kRead, kUnshare, kRoFlags | kUs, kFilePage, 0, 0},
    {"uaccess: present", kKernel, kRead, kPlain, kRwFlags, kZeroPage, 0, 0},
    {"uaccess: pte_write", kKernel, kWrite, kPlain, kRwFlags, kOwn, 0, 0},
    {"uaccess: write-protected", kKernel, kWrite, kPlain, kRwFlags, kZeroPage, 0, 1},
    {"uaccess: NUMA hint", kKernel, kRead, kPlain, kRwFlags, kHint, 0, 1},
    {"uaccess: bad_area_access_error", kKernel, kWrite, kPlain, kRoFlags, kZeroPage, EFAULT, 1},
};

class GupTest : public FaultTest {
 protected:
  void remake() {
    mm = AddressSpace::create(g.env);
    mm->observer = &observer;
    observer.outcomes.clear();
  }
  void poke(Gva at, Pte value) {
    const std::uint64_t raw = value.raw();
    std::memcpy(g.frames.memory().at(mm->tables().populate(at).address()), &raw, sizeof raw);
  }
  void prepare(const Row& row) {
    const bool of_file = row.tables == kFilePage;
    Vma& vma = add(kBase, 1, kRwFlags, of_file ? file(FileKind::kShmem, kPageSize) : nullptr);
    if (row.tables == kZeroPage || of_file) fault(kBase, 4);
    if (row.tables >= kOwn && !of_file) fault(kBase, 6);
    const Pte now = entry(kBase);
    if (row.tables >= kOwnReadOnly && row.tables <= kSharedOwners) poke(kBase, now.without(Pte::kWrite));
    if (row.tables == kHint) poke(kBase, now.with_protection(VmFlags().page_prot()));
    if (row.tables == kLastOwner || row.tables == kSharedOwners) g.frames.at(now.frame()).anon_exclusive = false;
    if (row.tables == kSharedOwners) g.frames.get(now.frame());
    vma.flags = VmFlags(row.vma);
    observer.outcomes.clear();
  }
  ScriptedHooks hooks;
};
INSTANTIATE_TEST_SUITE_P(Modes, GupTest, testing::ValuesIn(kPagingModes), test::mode_name);

TEST_P(GupTest, EveryRow) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.source);
    remake();
    prepare(row);
    const Pte before = entry(kBase);
    const auto done = fault_in_page(*mm, kBase, row.write, row.origin, row.gup);
    EXPECT_EQ(done ? 0 : done.error().value(), row.error);
    EXPECT_EQ(observer.outcomes.size(), row.faults);
    if (row.faults == 0) {
      EXPECT_EQ(entry(kBase), before);
    }
    if (row.tables == kSharedOwners) {
      EXPECT_NE(entry(kBase).frame(), before.frame()) << "the other owner keeps the page";
      g.frames.put(before.frame());
    }
    if (row.tables == kLastOwner) {
      EXPECT_EQ(entry(kBase).frame(), before.frame());
      EXPECT_EQ(entry(kBase).writable(), false);
      EXPECT_TRUE(g.frames.at(before.frame()).anon_exclusive);
    }
  }
}

TEST_P(GupTest, ErrorsOfTheHandlers) {
  struct Result {
    VmFault fault;
    bool memory_failure;
    int error;
    FaultResult result;
  };
  constexpr Result kResults[] = {
      {VmFault::kOom, false, ENOMEM, FaultResult::kOutOfMemory},
      {VmFault::kBadTable, false, EFAULT, FaultResult::kPgtableBad},
      {VmFault::kSigbus, true, EFAULT, FaultResult::kBusAdrErr},
      {VmFault::kSigsegv, false, EFAULT, FaultResult::kSegvMapErr},
      {VmFault::kHwpoison, false, EFAULT, FaultResult::kBusAdrErr},
      {VmFault::kHwpoison, true, EHWPOISON, FaultResult::kBusMceErrAr},
      {VmFault::poisoned_large(21), true, EHWPOISON, FaultResult::kBusMceErrAr},
  };
  for (const Result& row : kResults) {
    SCOPED_TRACE(row.fault.raw());
    g.env.memory_failure = row.memory_failure;
    remake();
    mm->fault_hooks = &hooks;
    hooks.rest = row.fault;
    add(kBase, 1, kRwFlags);
    const auto done = fault_in_page(*mm, kBase, kWrite, kGup);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().value(), row.error);
    ASSERT_EQ(observer.outcomes.size(), 1U);
    EXPECT_EQ(observer.outcomes[0].result, row.result);
  }
}

// As Linux counts mlock and MAP_POPULATE of a file that is not cached.
TEST_P(GupTest, ReadingTheFileIsNotMajor) {
  test::TestFile* raw = nullptr;
  const auto f = file(FileKind::kRegular, 2 * kPageSize, &raw);
  raw->cold = {0, 1};
  add(kBase, 2, kRoFlags, f);
  EXPECT_TRUE(fault_in_page(*mm, kBase, kRead, kGup, {.wait = GupWait::kAnew}));
  EXPECT_EQ(mm->counters.minor, 1u);
  EXPECT_EQ(mm->counters.major, 0u);
  EXPECT_EQ(mm->counters.vm_major, 1u);
  EXPECT_TRUE(fault_in_page(*mm, kBase + kPageSize, kRead, kKernel));
  EXPECT_EQ(mm->counters.major, 1u);
}

TEST_P(GupTest, RetriesAndGivesUp) {
  mm->fault_hooks = &hooks;
  mm->observer = nullptr;  // nobody need watch
  add(kBase, 2, kRwFlags);
  hooks.script = {VmFault::kRetry, VmFault::kRetry};
  EXPECT_TRUE(fault_in_page(*mm, kBase, kWrite, kGup));
  ASSERT_EQ(hooks.seen.size(), 3U);
  EXPECT_FALSE(hooks.seen[0].has(FaultFlags::kTried));
  EXPECT_TRUE(hooks.seen[1].has(FaultFlags::kTried));
  hooks.seen.clear();
  hooks.script = {VmFault::kRetry};
  EXPECT_TRUE(fault_in_page(*mm, kBase + kPageSize, kRead, kGup, {.wait = GupWait::kAnew}));
  ASSERT_EQ(hooks.seen.size(), 2U);
  EXPECT_FALSE(hooks.seen[1].has(FaultFlags::kTried));
  // A handler that says that all is well and maps nothing is not believed for ever.
  hooks.seen.clear();
  hooks.script.clear();
  hooks.rest = VmFault::kNopage;
  const auto never = fault_in_page(*mm, kBase + kPageSize, kWrite, kGup);
  ASSERT_FALSE(never);
  EXPECT_EQ(never.error().value(), EFAULT);
  EXPECT_EQ(hooks.seen.size(), 4U);
}

TEST_P(GupTest, WhereNothingIs) {
  for (const FaultOrigin origin : {kGup, kKernel}) {
    EXPECT_FALSE(fault_in_page(*mm, kBase, kRead, origin));
    EXPECT_FALSE(fault_in_page(*mm, mm->task_size(), kRead, origin));
    EXPECT_FALSE(fault_in_page(*mm, mm->task_size() - 1, kRead, origin));
  }
}

// Linux vma_permits_fault: a key is of this CPU and this process.
TEST_P(GupTest, KeysDoNotCountInAnotherProcess) {
  g.env.protection_keys = true;
  remake();
  Vma& vma = add(kBase, 1, kRwFlags);
  vma.flags = vma.flags.with_pkey(2);
  const auto look = [&](GupMode gup) {
    return handle_page_fault(
        *mm, {.address = kBase, .error = ErrorCode(0), .ip = Gva(0), .origin = kGup, .pkru = 3U << 4, .gup = gup});
  };
  EXPECT_EQ(look(kPlain).result, FaultResult::kSegvAccErr);
  EXPECT_FALSE(entry(kBase).present());
  EXPECT_TRUE(look(kRemote).resolved());
  EXPECT_TRUE(entry(kBase).present());
}

// What no ladder lets through is refused once more below it (sanitize_fault_flags and
// arch_vma_access_permitted in handle_mm_fault).
TEST_P(GupTest, TheHandlersCheckForThemselves) {
  g.env.protection_keys = true;
  const auto attempt = [&](std::uint32_t vma_flags, std::uint32_t flags, std::uint32_t pkru = 0) {
    remake();
    Vma& vma = add(kBase, 1, vma_flags);
    vma.flags = vma.flags.with_pkey(1);
    const FaultRequest request{.address = kBase, .error = ErrorCode(6), .ip = Gva(0), .origin = kGup, .pkru = pkru};
    FaultOutcome outcome;
    FaultRun run{.mm = *mm, .request = request, .log = nullptr, .outcome = outcome};
    return handle_mm_fault(run, vma, FaultFlags(flags)).any(VmFault::kSigsegv);
  };
  EXPECT_TRUE(attempt(kRoFlags | kUs, FaultFlags::kWrite));
  EXPECT_TRUE(attempt(kRwFlags, FaultFlags::kWrite, 3U << 2));
  EXPECT_FALSE(attempt(kRoFlags, FaultFlags::kWrite)) << "a private copy, made by force";
  EXPECT_FALSE(attempt(kRwFlags, FaultFlags::kWrite));
}

}  // namespace
}  // namespace faultline::mmu
