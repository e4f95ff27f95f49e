// The walk back: every entry that maps a frame, wherever it is, and no other.
#include "mmu/backing/rmap.hpp"

#include <set>

#include "mmu/space/zap.hpp"
#include "tests/unit/space/fork_fixture.hpp"

namespace faultline::mmu {
namespace {

using testing::access_in;
using testing::entry_in;
using Places = std::set<std::pair<const AddressSpace*, std::uint64_t>>;

class ReverseMap : public testing::ForkTest {
 protected:
  Places places(Gfn frame) const {
    Places found;
    rmap_walk(world.frames, frame, [&](const MappedAt& at) {
      EXPECT_TRUE(found.emplace(&at.mm, at.address.raw()).second);
      EXPECT_EQ(at.slot.load().frame(), frame);
      EXPECT_TRUE(at.vma.contains(at.address));
    });
    return found;
  }
};

TEST_F(ReverseMap, AnonymousPageOfSeveralProcesses) {
  map_at(page(0), 2);
  touch(*mm, 0, 2, true);
  AddressSpace& child = fork();
  AddressSpace& grandchild = fork(child);
  const Gfn frame = entry_at(page(0)).frame();
  EXPECT_EQ(places(frame), (Places{{mm.get(), page(0)}, {&child, page(0)}, {&grandchild, page(0)}}));
  touch(child, 0, 1, true, FaultStep::kCopy);
  EXPECT_EQ(places(frame), (Places{{mm.get(), page(0)}, {&grandchild, page(0)}}));
  EXPECT_EQ(places(entry_in(child, page(0)).frame()), (Places{{&child, page(0)}}));
}

TEST_F(ReverseMap, UnreadablePageIsMapped) {
  map_at(page(0), 1);
  touch(*mm, 0, 1, true);
  const Gfn frame = entry_at(page(0)).frame();
  ASSERT_TRUE(do_mprotect(*mm, page(0), kPageSize, PROT_NONE));
  EXPECT_EQ(places(frame), (Places{{mm.get(), page(0)}}));
}

TEST_F(ReverseMap, FilePageMappedTwiceInOneAndOnceInAnother) {
  const auto file = world.file(FileKind::kShmem, 8 * kPageSize);
  map_file_at(page(0), 4, file, kRw, MAP_SHARED);
  map_file_at(page(10), 2, file, PROT_READ, MAP_PRIVATE, 2);
  map_file_at(page(20), 2, file, PROT_READ, MAP_SHARED, 4);  // other pages
  AddressSpace& child = fork();
  access_in(*mm, page(3), true);
  access_in(*mm, page(11), false);
  access_in(child, page(3), false);
  const Gfn frame = file->find(Pgoff(3)).value();
  EXPECT_EQ(places(frame), (Places{{mm.get(), page(3)}, {mm.get(), page(11)}, {&child, page(3)}}));
  EXPECT_EQ(rmap(world.frames, frame).size(), 3U);
}

// Many processes have the area, one has the page: it is not looked for in the others
// (folio_move_anon_rmap, and the anon_vma of its own that each child has).
TEST_F(ReverseMap, OwnPagesAreLookedForInFewPlaces) {
  map_at(page(0), 1);
  touch(*mm, 0, 1, true);
  for (int i = 0; i < 8; ++i) fork();
  AddressSpace& last = *children.back();
  touch(last, 0, 1, true, FaultStep::kCopy);
  EXPECT_EQ(reverse_map(frame_in(last, page(0)))->size(), 1U);
  EXPECT_EQ(reverse_map(frame_in(*mm, page(0)))->size(), 9U);
}

// What truncation and write-back do reaches every process.
TEST_F(ReverseMap, TruncationUnmapsEverywhere) {
  const auto file = world.file(FileKind::kRegular, 4 * kPageSize);
  map_file_at(page(0), 4, file, kRw, MAP_SHARED);
  map_file_at(page(10), 4, file, kRw, MAP_PRIVATE);
  AddressSpace& child = fork();
  for (AddressSpace* space : {mm.get(), &child})
    for (std::uint64_t i = 0; i < 4; ++i) {
      access_in(*space, page(i), false);
      access_in(*space, page(10 + i), true);
    }
  check_all();
  unmap_file_range(*file, Pgoff(2), Pgoff(~0ULL >> kPageShift), PrivateCopies::kKeep);
  check_all();
  for (const AddressSpace* space :
       {static_cast<const AddressSpace*>(mm.get()), static_cast<const AddressSpace*>(&child)}) {
    EXPECT_TRUE(entry_in(*space, page(1)).present());
    EXPECT_TRUE(entry_in(*space, page(2)).none());
    EXPECT_TRUE(entry_in(*space, page(12)).present());
  }
  unmap_file_range(*file, Pgoff(2), Pgoff(~0ULL >> kPageShift), PrivateCopies::kZapToo);
  file->truncate(2 * kPageSize);
  check_all();
  EXPECT_TRUE(entry_in(child, page(12)).none());
  EXPECT_TRUE(entry_in(child, page(11)).present());
}

TEST_F(ReverseMap, WriteBackProtectsEverywhere) {
  const auto file = world.file(FileKind::kRegular, 2 * kPageSize);
  map_file_at(page(0), 2, file, kRw, MAP_SHARED);
  AddressSpace& child = fork();
  access_in(*mm, page(0), true);
  access_in(child, page(0), true);
  world.frames.at(file->find(Pgoff(0)).value()).dirty = false;
  collect_dirty(*file, Pgoff(0), Pgoff(1));
  EXPECT_TRUE(world.frames.at(file->find(Pgoff(0)).value()).dirty);
  for (const AddressSpace* space :
       {static_cast<const AddressSpace*>(mm.get()), static_cast<const AddressSpace*>(&child)}) {
    EXPECT_FALSE(entry_in(*space, page(0)).writable());
    EXPECT_FALSE(entry_in(*space, page(0)).dirty());
  }
}

}  // namespace
}  // namespace faultline::mmu
