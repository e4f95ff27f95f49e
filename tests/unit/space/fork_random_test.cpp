// A family of address spaces that fork, end, map, move, advise and write at random, against a
// model that knows of no pages: what each byte must read as, for each of them.
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "tests/unit/space/fork_fixture.hpp"
#include "tests/unit/space/mirror_files.hpp"

namespace faultline::mmu {
namespace {

using testing::access_in;
using testing::entry_in;

constexpr std::uint64_t kWindow = 80;  // pages, over two page tables
constexpr std::uint64_t kFamily = 6;   // address spaces at most
constexpr std::uint64_t kFilePages = 16;

enum class Kind : std::uint8_t { kHole, kPrivate, kShared, kFile };

// One page as user code sees it.
struct Cell {
  Kind kind = Kind::kHole;
  bool writable = false, wiped_by_fork = false, not_forked = false;
  std::uint8_t value = 0;                // private and file pages
  std::uint8_t fresh = 0;                // what it reads as after MADV_DONTNEED
  std::shared_ptr<std::uint8_t> shared;  // shared pages: the same for all
  [[nodiscard]] std::uint8_t expected() const { return kind == Kind::kShared ? *shared : value; }
};
using Model = std::vector<Cell>;

struct Member {
  std::shared_ptr<AddressSpace> mm;
  Model model = Model(kWindow);
};

class Family : public testing::SpaceTest, public ::testing::WithParamInterface<unsigned> {
 protected:
  void SetUp() override {
    file = world.file(FileKind::kRegular, kFilePages * kPageSize);
    family.push_back({AddressSpace::create(world.env), Model(kWindow)});
  }
  void TearDown() override {
    family.clear();
    EXPECT_FALSE(world.sink.freed_before_flush);
    EXPECT_EQ(world.frames.used_frames(), world.baseline + file->cached_pages()) << "frames leaked";
    EXPECT_TRUE(file->mappings().empty());
  }

  std::uint64_t below(std::uint64_t n) { return std::uint64_t{random()} % n; }
  // The window lies across the boundary of two page tables.
  static std::uint64_t at(std::uint64_t cell) { return page(512 - kWindow / 2 + cell); }

  struct Range {
    std::uint64_t first, count;
    [[nodiscard]] std::uint64_t end() const { return first + count; }
  };
  Range range() {
    const std::uint64_t first = below(kWindow);
    return {first, 1 + below(std::min<std::uint64_t>(12, kWindow - first))};
  }
  static bool all(const Model& model, Range r, auto condition) {
    for (std::uint64_t i = r.first; i < r.end(); ++i)
      if (!condition(model[i])) return false;
    return true;
  }
  static bool mapped(const Cell& cell) { return cell.kind != Kind::kHole; }

  void map_new(Member& m, Range r) {
    const auto kind = static_cast<Kind>(1 + below(3));
    const std::uint64_t first_page = below(kFilePages - r.count + 1);
    const int how = kind == Kind::kShared ? MAP_SHARED : MAP_PRIVATE;
    ASSERT_TRUE(do_mmap(*m.mm, {.address = at(r.first),
                                .length = r.count * kPageSize,
                                .prot = kRw,
                                .flags = how | MAP_FIXED | (kind == Kind::kFile ? 0 : MAP_ANONYMOUS),
                                .offset = kind == Kind::kFile ? first_page * kPageSize : 0,
                                .file = kind == Kind::kFile ? file : nullptr}));
    for (std::uint64_t i = 0; i < r.count; ++i) {
      Cell& cell = m.model[r.first + i];
      cell = Cell();
      cell.kind = kind;
      cell.writable = true;
      if (kind == Kind::kShared) cell.shared = std::make_shared<std::uint8_t>(std::uint8_t{0});
      if (kind == Kind::kFile) cell.value = cell.fresh = static_cast<std::uint8_t>(first_page + i + 1);
    }
  }
  void unmap(Member& m, Range r) {
    ASSERT_TRUE(do_munmap(*m.mm, at(r.first), r.count * kPageSize));
    for (std::uint64_t i = r.first; i < r.end(); ++i) m.model[i] = {};
  }
  void protect(Member& m, Range r) {
    if (!all(m.model, r, mapped)) return;
    const bool writable = below(2) == 0;
    ASSERT_TRUE(do_mprotect(*m.mm, at(r.first), r.count * kPageSize, writable ? kRw : PROT_READ));
    for (std::uint64_t i = r.first; i < r.end(); ++i) m.model[i].writable = writable;
  }
  void move(Member& m, Range r) {
    const std::uint64_t target = below(kWindow - r.count + 1);
    if (!all(m.model, r, mapped) || (target < r.end() && r.first < target + r.count)) return;
    ASSERT_TRUE(do_mremap(*m.mm, at(r.first), r.count * kPageSize, r.count * kPageSize, MREMAP_MAYMOVE | MREMAP_FIXED,
                          at(target)));
    for (std::uint64_t i = 0; i < r.count; ++i) {
      m.model[target + i] = m.model[r.first + i];
      m.model[r.first + i] = {};
    }
  }
  void drop(Member& m, Range r) {
    if (!all(m.model, r, mapped)) return;
    ASSERT_TRUE(do_madvise(*m.mm, at(r.first), r.count * kPageSize, MADV_DONTNEED));
    for (std::uint64_t i = r.first; i < r.end(); ++i) m.model[i].value = m.model[i].fresh;
  }
  void advise_fork(Member& m, Range r) {
    const bool wipe = below(2) == 0, on = below(2) == 0;
    if (wipe && !all(m.model, r, [](const Cell& c) { return c.kind == Kind::kPrivate; })) return;
    if (!all(m.model, r, mapped)) return;
    const int advice = wipe ? (on ? MADV_WIPEONFORK : MADV_KEEPONFORK) : (on ? MADV_DONTFORK : MADV_DOFORK);
    ASSERT_TRUE(do_madvise(*m.mm, at(r.first), r.count * kPageSize, advice));
    for (std::uint64_t i = r.first; i < r.end(); ++i) (wipe ? m.model[i].wiped_by_fork : m.model[i].not_forked) = on;
  }
  void touch(Member& m, std::uint64_t cell, bool write) {
    Cell& c = m.model[cell];
    const bool allowed = mapped(c) && (c.writable || !write);
    ASSERT_EQ(access_in(*m.mm, at(cell), write).resolved(), allowed);
    if (!allowed) return;
    std::byte& byte = *world.frames.memory().at(Gpa(entry_in(*m.mm, at(cell)).frame()));
    ASSERT_EQ(byte, std::byte{c.expected()});
    if (!write) return;
    ASSERT_TRUE(entry_in(*m.mm, at(cell)).writable());
    byte = static_cast<std::byte>(1 + below(255));
    (c.kind == Kind::kShared ? *c.shared : c.value) = static_cast<std::uint8_t>(byte);
  }
  void fork(const Member& m) {
    if (family.size() == kFamily) return;
    const std::uint64_t used = world.frames.used_frames();
    if (below(4) == 0) world.frames.fail_nth(1 + below(4));
    auto child = fork_address_space(*m.mm);
    world.frames.fail_nth(0);
    if (!child) {
      ++failed_forks;
      ASSERT_EQ(world.frames.used_frames(), used);
      return;
    }
    Member next{.mm = std::move(*child), .model = m.model};
    for (Cell& cell : next.model) {
      if (cell.not_forked) cell = {};
      if (cell.wiped_by_fork) cell.value = 0;
    }
    family.push_back(std::move(next));
    ++forks;
  }
  void one_step() {
    Member& m = family[below(family.size())];
    switch (below(24)) {
      case 0:
      case 1: map_new(m, range()); break;
      case 2: unmap(m, range()); break;
      case 3:
      case 4: protect(m, range()); break;
      case 5:
      case 6: move(m, range()); break;
      case 7: drop(m, range()); break;
      case 8: advise_fork(m, range()); break;
      case 9:
      case 10: fork(m); break;
      case 11:
        if (family.size() > 1) family.erase(family.begin() + static_cast<std::ptrdiff_t>(below(family.size())));
        break;
      case 12:
      case 13:
      case 14:
      case 15: touch(m, below(kWindow), false); break;
      default: touch(m, below(kWindow), true);
    }
  }

  // Everything that is there, without faulting anything in.
  void compare() const {
    for (const Member& m : family) {
      for (std::uint64_t i = 0; i < kWindow; ++i) {
        const Cell& cell = m.model[i];
        const Pte entry = entry_in(*m.mm, at(i));
        ASSERT_EQ(m.mm->vmas.lookup(Gva(at(i))) != nullptr, mapped(cell)) << "page " << i;
        if (!entry.none()) {
          ASSERT_EQ(*world.frames.memory().at(Gpa(entry.frame())), std::byte{cell.expected()}) << "page " << i;
        } else if (cell.kind != Kind::kShared) {
          ASSERT_EQ(cell.value, cell.fresh) << "page " << i << " is lost";
        }
      }
    }
  }
  void check() const override {
    std::vector<const AddressSpace*> spaces;
    for (const Member& m : family) spaces.push_back(m.mm.get());
    const auto wrong = check_invariants(world.env, spaces);
    ASSERT_FALSE(wrong) << *wrong;
  }

  std::mt19937 random{GetParam()};
  std::shared_ptr<FileMapping> file;
  std::vector<Member> family;
  unsigned forks = 0, failed_forks = 0;
};

TEST_P(Family, EveryByteOfEveryMember) {
  for (int step = 0; step < 1500; ++step) {
    one_step();
    check();
    if (step % 16 == 0) compare();
    if (HasFatalFailure()) {
      ADD_FAILURE() << "step " << step;
      return;
    }
  }
  compare();
  EXPECT_GT(forks, 30U);
  EXPECT_GT(failed_forks, 3U);
}
INSTANTIATE_TEST_SUITE_P(Seeds, Family, ::testing::Range(1U, 1 + testing::oracle_seeds(3)));

}  // namespace
}  // namespace faultline::mmu
