// What differs between the host kernel and the guest counts when it recurs. Our side is
// deterministic; the host's is not: it evicts cached pages when it likes, and a fault there passes
// over a page that somebody else has locked for the moment (filemap_map_pages).
#pragma once

#include <cstdio>

namespace faultline::test {

// Makes the comparison until it finds nothing, `times` times at most, each time from fresh state.
// Returns its last finding; each one that did not recur is printed. `compare` returns something
// that is false when nothing differs; `text` makes a string of it.
template <class Compare, class Text>
auto recurring(int times, Compare compare, Text text) {
  auto finding = compare();
  for (int i = 1; i < times && finding; ++i) {
    std::printf("differs (time %d of %d, made again to see whether it recurs): %s\n", i, times, text(finding).c_str());
    finding = compare();
  }
  return finding;
}

}  // namespace faultline::test
