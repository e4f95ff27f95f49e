#include "mmu/arch/error_code.hpp"

namespace faultline::mmu {

std::string ErrorCode::spelled_out() const {
  std::string s = user() ? "user " : "supervisor ";
  s += fetch() ? "instruction fetch" : write() ? "write" : "read";
  if (reserved()) return s + ", reserved bit set in an entry";
  if (protection_key()) return s + ", protection key denies it";
  return s + (present() ? ", protection violation" : ", page not present");
}

std::string ErrorCode::bit_names() const {
  struct Name {
    std::uint32_t bit;
    const char* text;
  };
  static constexpr Name kNames[] = {{kPresent, "P"}, {kWrite, "W"},          {kUser, "U"},         {kReserved, "RSVD"},
                                    {kFetch, "I"},   {kProtectionKey, "PK"}, {kShadowStack, "SS"}, {kSgx, "SGX"}};
  std::string s;
  for (const Name& n : kNames) {
    if ((bits_ & n.bit) == 0) continue;
    if (!s.empty()) s += ' ';
    s += n.text;
  }
  return s.empty() ? "-" : s;
}

}  // namespace faultline::mmu
