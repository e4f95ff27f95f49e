// What this machine reads ahead of a file on one of its devices.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace faultline::vmm {

// Pages that Linux reads ahead at once of files on `device` (st_dev): read_ahead_kb of sysfs, for a
// partition that of its disk. Linux's default where sysfs does not tell.
[[nodiscard]] std::uint64_t readahead_pages(dev_t device);

}  // namespace faultline::vmm
