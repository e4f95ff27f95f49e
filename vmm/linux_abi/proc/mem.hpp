// /proc/PID/mem: the process's memory as a file, protections of its mappings no obstacle.
#pragma once

#include <memory>

#include "vmm/linux_abi/proc/subject.hpp"
#include "vmm/linux_abi/virtual_file.hpp"

namespace faultline::vmm::linux_abi::proc {

std::unique_ptr<VirtualFile> make_mem(VirtualAttributes attributes, std::string path, Subject subject);

}  // namespace faultline::vmm::linux_abi::proc
