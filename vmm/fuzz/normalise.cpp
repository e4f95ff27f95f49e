#include "vmm/fuzz/normalise.hpp"

#include <utility>

namespace faultline::vmm::fuzz {

namespace {

bool goes_on(const SeenVma& a, const SeenVma& b) {
  if (a.end != b.start || a.rights != b.rights || a.file != b.file) return false;
  return a.file == FileOperand::kNone || a.offset + (a.end - a.start) == b.offset;
}

}  // namespace

void normalise(std::vector<SeenVma>& vmas) {
  std::vector<SeenVma> joined;
  joined.reserve(vmas.size());
  for (SeenVma vma : vmas) {
    if (vma.file == FileOperand::kNone) vma.offset = 0;
    if (!joined.empty() && goes_on(joined.back(), vma))
      joined.back().end = vma.end;
    else
      joined.push_back(vma);
  }
  vmas = std::move(joined);
}

}  // namespace faultline::vmm::fuzz
