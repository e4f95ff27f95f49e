#include "tests/differential/judge/user_fault.hpp"

#include <algorithm>
#include <sstream>

namespace faultline::test {
namespace {

constexpr std::uint64_t kUpperHalf = 0xffff800000000000;
constexpr std::uint64_t kPresent = 1;

// P for an address of the kernel half tells what the kernel of the host maps there: noise. What the program gets to
// see of it, P forced on in the signal, is in its output.
UserFault comparable(UserFault fault) {
  if (fault.address >= kUpperHalf) fault.error |= kPresent;
  return fault;
}

bool same(const UserFault& a, const UserFault& b) { return comparable(a) == comparable(b); }

void list(std::ostream& out, const std::vector<UserFault>& faults, std::size_t at) {
  const std::size_t from = at < 2 ? 0 : at - 2;
  for (std::size_t i = from; i < std::min(faults.size(), at + 4); ++i) {
    out << (i == at ? "   > " : "     ") << i << ": " << to_string(faults[i]) << "\n";
  }
  if (at >= faults.size()) out << "   > ends after " << faults.size() << "\n";
}

}  // namespace

std::string to_string(const UserFault& fault) {
  std::ostringstream out;
  out << std::hex << "address 0x" << fault.address << " error 0x" << fault.error << " ip 0x" << fault.ip;
  return out.str();
}

std::string first_difference(const FaultHistory& native, const FaultHistory& guest) {
  std::ostringstream out;
  for (std::size_t p = 0; p < std::min(native.size(), guest.size()); ++p) {
    const auto [x, y] = std::mismatch(native[p].begin(), native[p].end(), guest[p].begin(), guest[p].end(), same);
    if (x == native[p].end() && y == guest[p].end()) continue;
    const auto at = static_cast<std::size_t>(x - native[p].begin());
    out << "process " << p << ", fault " << at << " of " << native[p].size() << " natively and " << guest[p].size()
        << " in the guest\n  natively\n";
    list(out, native[p], at);
    out << "  in the guest\n";
    list(out, guest[p], at);
    return out.str();
  }
  if (native.size() != guest.size()) {
    out << native.size() << " processes faulted natively, " << guest.size() << " in the guest\n";
  }
  return out.str();
}

}  // namespace faultline::test
