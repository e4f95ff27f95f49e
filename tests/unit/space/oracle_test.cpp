// Random sequences of memory system calls, made by the kernel and by an AddressSpace: results,
// VMAs with all their flags, resident pages and counters are equal after every single call.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <random>

#include "tests/support/recurring.hpp"
#include "tests/unit/space/mirror_files.hpp"

namespace faultline::mmu {
namespace {

using testing::Mirror;
using testing::MirrorFile;
using testing::Request;
using testing::Window;
using testing::World;

constexpr std::uint64_t kStart = 0x2000'0000'0000;
constexpr std::uint64_t kFilePages = testing::kMirrorFilePages;
constexpr std::uint64_t kTable = 512;  // pages of a page table

constexpr int kMadvice[] = {MADV_NORMAL,
                            MADV_RANDOM,
                            MADV_SEQUENTIAL,
                            MADV_WILLNEED,
                            MADV_DONTNEED,
                            MADV_DONTNEED,
                            MADV_DONTNEED,
                            MADV_FREE,
                            MADV_DONTFORK,
                            MADV_DOFORK,
                            MADV_MERGEABLE,
                            MADV_UNMERGEABLE,
                            MADV_HUGEPAGE,
                            MADV_NOHUGEPAGE,
                            MADV_DONTDUMP,
                            MADV_DODUMP,
                            MADV_WIPEONFORK,
                            MADV_KEEPONFORK,
                            MADV_COLD,
                            22 /* POPULATE_READ */,
                            23 /* POPULATE_WRITE */,
                            24 /* DONTNEED_LOCKED */,
                            102 /* GUARD_INSTALL */,
                            102,
                            103 /* GUARD_REMOVE */};

// What kinds of calls a run makes, in shares.
struct Mix {
  std::uint64_t pages;    // of the window
  std::uint64_t longest;  // of one call, pages
  bool stacks = false;    // MAP_GROWSDOWN
  bool locks = true;
  bool free_placement = true;  // mmap and mremap without an address
  bool forks = false;          // the calls go on in the child
  bool borders = false;        // everything lies where page tables meet
};

class Generator {
 public:
  Generator(unsigned seed, Mix mix) : random_(seed), mix_(mix) {}

  Request next() {
    if (mix_.forks && below(50) == 0) return {Request::kFork, {below(2)}};
    switch (below(mix_.locks ? 24 : 20)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4: return mmap_anonymous();
      case 5:
      case 6: return mmap_file();
      case 7:
      case 8: return {SYS_munmap, {address(), length()}};
      case 9:
      case 10:
      case 11: return {SYS_mprotect, {address(), length(), protection()}};
      case 12:
      case 13: return mremap();
      case 14: return {SYS_madvise, {address(), length(), static_cast<std::uint64_t>(pick(kMadvice))}};
      case 15: return {SYS_msync, {address(), length(), below(8)}};
      case 16: return {SYS_mincore, {address(), length(), 0}};
      case 17: return {Request::kRead, {address() + below(kPageSize)}};
      case 18:
      case 19: return {Request::kWrite, {address() + below(kPageSize)}};
      case 20: return {SYS_mlock, {address() + below(2), length()}};
      case 21: return {SYS_mlock2, {address(), length(), below(2)}};
      case 22: return {SYS_munlock, {address(), length()}};
      default: return below(8) == 0 ? all_locks() : Request{SYS_munlock, {address(), length()}};
    }
  }

 private:
  std::uint64_t below(std::uint64_t n) { return std::uint64_t{random_()} % n; }
  template <class T, std::size_t N>
  T pick(const T (&from)[N]) {
    return from[below(N)];
  }
  std::uint64_t address() {
    if (!mix_.borders) return kStart + below(mix_.pages) * kPageSize;
    return kStart + ((1 + below(mix_.pages / kTable - 1)) * kTable + below(24) - 12) * kPageSize;
  }
  // The same place of some table.
  std::uint64_t same_place(std::uint64_t address) {
    return kStart + (address - kStart) % (kTable * kPageSize) + below(mix_.pages / kTable) * kTable * kPageSize;
  }
  // Seldom not a whole number of pages, or nothing.
  std::uint64_t length() {
    const std::uint64_t bytes = (1 + below(mix_.longest)) * kPageSize;
    return below(16) == 0 ? bytes - below(kPageSize + 1) : bytes;
  }
  std::uint64_t protection() {
    constexpr int kProts[] = {PROT_NONE,
                              PROT_READ,
                              PROT_READ | PROT_WRITE,
                              PROT_READ | PROT_WRITE,
                              PROT_READ | PROT_EXEC,
                              PROT_WRITE,
                              PROT_EXEC,
                              PROT_READ | PROT_WRITE | PROT_EXEC};
    return static_cast<std::uint64_t>(pick(kProts));
  }
  // Where a mapping goes: exact, exact if free, a hint, or anywhere.
  std::uint64_t where_flags() {
    const std::uint64_t n = below(10);
    if (n < 5) return MAP_FIXED;
    return n < 8 || !mix_.free_placement ? MAP_FIXED_NOREPLACE : 0;
  }
  Request mmap_anonymous() {
    std::uint64_t flags = MAP_ANONYMOUS | where_flags() | (below(8) == 0 ? MAP_SHARED : MAP_PRIVATE);
    if (below(8) == 0) flags |= MAP_NORESERVE;
    if (below(8) == 0) flags |= MAP_POPULATE;
    if (below(16) == 0) flags |= MAP_STACK;
    if (mix_.stacks && below(3) == 0) flags |= MAP_GROWSDOWN;
    if (mix_.locks && below(16) == 0) flags |= MAP_LOCKED;
    const bool anywhere = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == 0 && below(2) == 0;
    return {SYS_mmap, {anywhere ? 0 : address(), length(), protection(), flags, 0, 0}};
  }
  Request mmap_file() {
    std::uint64_t flags = where_flags() | (below(2) == 0 ? MAP_SHARED : MAP_PRIVATE);
    if (below(8) == 0) flags |= MAP_POPULATE;
    return {SYS_mmap, {address(), length(), protection(), flags, below(4), below(kFilePages + 4) * kPageSize}};
  }
  Request mremap() {
    std::uint64_t flags = below(8) == 0 ? 0 : MREMAP_MAYMOVE;
    const std::uint64_t kind = below(8);
    if (kind < 3) flags |= MREMAP_FIXED;
    if (kind == 3 && mix_.free_placement) flags |= 4;  // MREMAP_DONTUNMAP
    if (kind == 4) flags |= MREMAP_FIXED | 4;
    if (!mix_.free_placement && (flags & MREMAP_FIXED) == 0) flags &= ~std::uint64_t{MREMAP_MAYMOVE};
    const std::uint64_t old_length = below(12) == 0 ? 0 : length();
    const std::uint64_t new_length = below(2) == 0 ? old_length : length();
    const std::uint64_t from = address();
    const std::uint64_t to = mix_.borders && below(2) == 0 ? same_place(from) : address();
    return {SYS_mremap, {from, old_length, new_length, flags, to, 0}};
  }
  Request all_locks() {
    if (below(2) == 0) return {SYS_munlockall, {}};
    return {SYS_mlockall, {std::uint64_t{MCL_FUTURE} | (below(2) == 0 ? MCL_ONFAULT : 0)}};
  }

  std::mt19937 random_;
  Mix mix_;
};

struct Sequence {
  unsigned seed;
  Mix mix;
  int steps;
  std::span<const Request> before = {};
};

// Where the two first differ, if they do.
std::optional<std::string> make_calls(Mirror& mirror, const Sequence& sequence) {
  for (const Request& request : sequence.before)
    if (auto difference = mirror.step(request)) return difference;
  Generator generator(sequence.seed, sequence.mix);
  for (int i = 0; i < sequence.steps; ++i) {
    if (const auto difference = mirror.step(generator.next()))
      return "step " + std::to_string(i) + ": " + *difference + "\n" + mirror.history();
  }
  // Both outcomes were met often: the sequence tests something.
  EXPECT_GT(mirror.succeeded, static_cast<std::uint64_t>(sequence.steps) / 10);
  EXPECT_GT(mirror.failed, static_cast<std::uint64_t>(sequence.steps) / 20);
  return std::nullopt;
}

std::optional<std::string> compare_once(const Sequence& sequence, std::string& why_not) {
  World world;
  const std::vector<MirrorFile> files = testing::make_mirror_files(world);
  const Window window{kStart, kStart + sequence.mix.pages * kPageSize};
  {
    Mirror mirror(window, files, world);
    testing::close_mirror_files(files);
    if (!mirror.ready()) {
      why_not = mirror.why();
      return std::nullopt;
    }
    if (auto difference = make_calls(mirror, sequence)) return difference;
  }
  EXPECT_FALSE(world.sink.freed_before_flush);
  std::uint64_t cached = 0;
  for (const auto& [id, file] : world.cache.mappings()) cached += file->cached_pages();
  EXPECT_EQ(world.frames.used_frames(), world.baseline + cached) << "frames leaked";
  return std::nullopt;
}

void run(unsigned seed, Mix mix, int steps, std::span<const Request> before = {}) {
  const Sequence sequence{seed, mix, steps, before};
  std::string why_not;
  const auto difference = test::recurring(
      3, [&] { return compare_once(sequence, why_not); }, [](const auto& found) { return *found; });
  if (!why_not.empty()) GTEST_SKIP() << why_not;
  EXPECT_FALSE(difference) << *difference;
}

class Oracle : public ::testing::TestWithParam<unsigned> {};

// Crowded: every call meets several VMAs.
TEST_P(Oracle, Crowded) { run(GetParam(), {.pages = 48, .longest = 8, .locks = false, .free_placement = false}, 1500); }
TEST_P(Oracle, CrowdedWithLocks) { run(100 + GetParam(), {.pages = 48, .longest = 8}, 1500); }
TEST_P(Oracle, WithStacks) { run(200 + GetParam(), {.pages = 1200, .longest = 64, .stacks = true}, 1000); }
// Page tables come and go as the kernel's do, and what is mapped around a fault with them.
TEST_P(Oracle, AcrossTables) {
  run(600 + GetParam(), {.pages = 4 * kTable, .longest = 16, .locks = false, .free_placement = false, .borders = true},
      1000);
}
// Children of children: their VMAs merge otherwise, and their first pages are their parents'.
TEST_P(Oracle, Forked) {
  run(400 + GetParam(), {.pages = 48, .longest = 8, .locks = false, .free_placement = false, .forks = true}, 900);
}
TEST_P(Oracle, ForkedWithLocks) { run(500 + GetParam(), {.pages = 64, .longest = 8, .forks = true}, 600); }
// Every limit is met often, by a process without rights.
TEST_P(Oracle, WithLimits) {
  constexpr Request kLimits[] = {{Request::kDropRights, {}},
                                 {Request::kLimit, {RLIMIT_AS, 40 * kPageSize}},
                                 {Request::kLimit, {RLIMIT_DATA, 12 * kPageSize}},
                                 {Request::kLimit, {RLIMIT_MEMLOCK, 8 * kPageSize}}};
  run(300 + GetParam(), {.pages = 64, .longest = 12}, 1500, kLimits);
}
INSTANTIATE_TEST_SUITE_P(Seeds, Oracle, ::testing::Range(1U, 1 + testing::oracle_seeds(4)));

}  // namespace
}  // namespace faultline::mmu
