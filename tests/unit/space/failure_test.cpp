// Memory runs out, or the file fails, at every single request of a long mixed sequence: calls
// fail or succeed, nothing leaks, and every invariant holds.
#include <random>

#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

class Failure : public testing::SpaceTest, public ::testing::WithParamInterface<unsigned> {
 protected:
  void one_call(std::mt19937& random, const std::shared_ptr<FileMapping>& file) {
    const auto below = [&](std::uint64_t n) { return std::uint64_t{random()} % n; };
    // Spread over several page tables.
    const auto address = [&] { return page(below(8) * 512 + below(16)); };
    const std::uint64_t length = (1 + below(12)) * kPageSize;
    constexpr int kAdvice[] = {MADV_DONTNEED, MADV_FREE, MADV_COLD, MADV_PAGEOUT, MADV_REMOVE, 22, 24, 102, 103};
    switch (below(13)) {
      case 0: static_cast<void>(map(address(), length, kRw, kAnon | MAP_FIXED | MAP_POPULATE)); break;
      case 1:
        static_cast<void>(do_mmap(*mm, {.address = address(),
                                        .length = length,
                                        .prot = kRw,
                                        .flags = (below(2) == 0 ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED | MAP_POPULATE,
                                        .file = file}));
        break;
      case 2: static_cast<void>(map(address(), length, kRw, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED)); break;
      case 3: static_cast<void>(do_munmap(*mm, address(), length)); break;
      case 4: static_cast<void>(do_mprotect(*mm, address(), length, below(2) == 0 ? PROT_READ : kRw)); break;
      case 5:
        static_cast<void>(do_mremap(*mm, address(), length, length, MREMAP_MAYMOVE | MREMAP_FIXED, address()));
        break;
      case 6: static_cast<void>(do_mlock(*mm, address(), length, false)); break;
      case 7: static_cast<void>(do_madvise(*mm, address(), length, 23)); break;
      case 8: static_cast<void>(do_munlock(*mm, address(), length)); break;
      case 9: static_cast<void>(do_msync(*mm, address(), length, MS_SYNC)); break;
      case 10:
      case 11: static_cast<void>(do_madvise(*mm, address(), length, kAdvice[below(std::size(kAdvice))])); break;
      default: static_cast<void>(access(address(), below(2) == 0));
    }
  }
};

TEST_P(Failure, EveryAllocationOnce) {
  std::mt19937 random(GetParam());
  const auto file = world.file(FileKind::kShmem, 16 * kPageSize);
  for (int i = 0; i < 1500; ++i) {
    world.frames.fail_nth(1 + random() % 4);
    one_call(random, file);
    world.frames.fail_nth(0);
    check();
    if (HasFatalFailure()) return;
  }
  ASSERT_TRUE(do_munmap(*mm, 0x10000, 0x7000'0000'0000));
  EXPECT_EQ(mm->tables().tables(), 0U);
  EXPECT_EQ(mm->rss.total(), 0U);
}
INSTANTIATE_TEST_SUITE_P(Seeds, Failure, ::testing::Range(1U, 5U));

// The file's calls instead: reading, page_mkwrite, writing back, punching holes.
TEST_P(Failure, EveryCallOfTheFileOnce) {
  std::mt19937 random(100 + GetParam());
  const auto file = world.file(FileKind::kRegular, 16 * kPageSize);
  auto& backing = dynamic_cast<testing::MemoryFile&>(file->file());
  for (int i = 0; i < 1500; ++i) {
    backing.fail_nth(1 + random() % 3);
    one_call(random, file);
    check();
    if (HasFatalFailure()) return;
  }
}

// The same with a sink that keeps table pages back until it dropped everything.
TEST_P(Failure, WithTablesHeldBack) {
  world.sink.reusable = false;
  std::mt19937 random(50 + GetParam());
  const auto file = world.file(FileKind::kShmem, 16 * kPageSize);
  for (int i = 0; i < 800; ++i) {
    if (i % 3 == 0) world.frames.fail_nth(1 + random() % 4);
    one_call(random, file);
    world.frames.fail_nth(0);
    check();
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace faultline::mmu
