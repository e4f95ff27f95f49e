// The code that the guest runs, as bytes.
#include "vmm/conform/compiler.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "vmm/conform/section_parts.hpp"

namespace faultline::vmm::conform {
namespace {

Case keyed(bool pke, std::uint32_t pkru) {
  Case c;
  c.form = kRead8;
  open_paths(c, 1, 1);
  c.controls.pke = pke;
  c.controls.pkru = pkru;
  return c;
}

// PKRU keeps what a case left in it while others run without keys.
TEST(CompilerTest, KeysAreLoadedByEachCaseThatHasOthersThanTheOneBefore) {
  std::vector<std::byte> area(64 << 10);
  Compiler compiler(area, model::Paging::kFourLevel);
  unsigned index = 0;
  for (const Case& c : {keyed(true, 0xc), keyed(false, 0), keyed(true, 0)}) compiler.add(c, index++);
  compiler.finish();
  constexpr std::array kWrpkru{std::byte{0x0f}, std::byte{0x01}, std::byte{0xef}};
  unsigned loads = 0;
  for (auto at = area.begin(); (at = std::search(at, area.end(), kWrpkru.begin(), kWrpkru.end())) != area.end(); ++at)
    ++loads;
  EXPECT_EQ(loads, 2U);
}

}  // namespace
}  // namespace faultline::vmm::conform
