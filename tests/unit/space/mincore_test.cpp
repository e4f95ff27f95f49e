#include "tests/unit/space/fixture.hpp"

namespace faultline::mmu {
namespace {

class Mincore : public testing::SpaceTest {
 protected:
  std::string ask(std::uint64_t address, std::uint64_t pages) {
    std::vector<std::byte> vector(pages, std::byte{9});
    const auto result = do_mincore(*mm, address, pages * kPageSize, vector);
    if (!result) return std::to_string(result.error().value());
    std::string text;
    for (const std::byte b : vector) text += b == std::byte{1} ? '1' : b == std::byte{0} ? '0' : '?';
    return text;
  }
};

TEST_F(Mincore, TellsWhatIsInMemory) {
  map_at(page(0), 4);
  write_at(page(1));
  read_at(page(2));
  EXPECT_EQ(ask(page(0), 4), "0110");
  ASSERT_TRUE(do_mprotect(*mm, page(0), 4 * kPageSize, PROT_NONE));
  EXPECT_EQ(ask(page(0), 4), "0110");
  EXPECT_EQ(ask(page(3), 2), std::to_string(ENOMEM));
  map_file_at(page(8), 3, world.file(FileKind::kRegular, 2 * kPageSize), PROT_READ, MAP_PRIVATE);
  EXPECT_EQ(ask(page(8), 3), "110");  // cached by the host
  map_at(page(12), 2, kRw, MAP_SHARED | MAP_ANONYMOUS);
  write_at(page(13));
  EXPECT_EQ(ask(page(12), 2), "01");
}

}  // namespace
}  // namespace faultline::mmu
