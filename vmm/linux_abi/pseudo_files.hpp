// The entries of /proc/self (and /dev/stdin and friends) that are served to the guest. They
// are recognised by their absolute name; every other entry of the harness's own process does
// not exist for the guest.
#pragma once

#include <optional>
#include <string>

#include "vmm/linux_abi/owned_fd.hpp"
#include "vmm/linux_abi/task.hpp"

namespace faultline::vmm::linux_abi {

enum class PseudoKind : std::uint8_t { kExe, kCwd, kRoot, kDescriptor, kMaps };
struct PseudoFile {
  PseudoKind kind;
  int fd = -1;  // kDescriptor: the guest's number
};

// What an absolute, folded path names, if it is one of them.
std::optional<PseudoFile> pseudo_file(const Task& task, const std::string& absolute);
// Where the link leads, as readlink(2) tells. EINVAL for what is no link.
SysResult<std::string> pseudo_link(Task& task, const PseudoFile& file);
// /proc/PID/maps, from the VMAs.
std::string maps_text(const mmu::AddressSpace& mm);
// A file of this text, opened for reading.
SysResult<OwnedFd> text_file(const std::string& text);

}  // namespace faultline::vmm::linux_abi
