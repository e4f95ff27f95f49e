#include "vmm/host/readahead.hpp"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <fstream>

#include "mmu/ports/backing_file.hpp"

namespace faultline::vmm {

std::uint64_t readahead_pages(dev_t device) {
  const std::string number = fmt::format("{}:{}", major(device), minor(device));
  for (const std::string& path :
       {"/sys/class/bdi/" + number + "/read_ahead_kb", "/sys/dev/block/" + number + "/../queue/read_ahead_kb"}) {
    std::ifstream file(path);
    std::uint64_t kilobytes = 0;
    if (file >> kilobytes) return (kilobytes << 10) >> kPageShift;
  }
  return mmu::BackingFile::kDefaultReadahead;
}

}  // namespace faultline::vmm
