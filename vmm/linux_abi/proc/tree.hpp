// The tree of /proc that the guest sees: which names there are, and what stands behind each.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "vmm/linux_abi/proc/subject.hpp"
#include "vmm/linux_abi/virtual_file.hpp"

namespace faultline::vmm::linux_abi::proc {

enum class NodeKind : std::uint8_t {
  kFile,
  kDirectory,
  kSelf,        // a link to the reader's PID
  kThreadSelf,  // a link to the reader's PID/task/TID
  kExe,
  kCwd,
  kRoot,
  kDescriptor,  // fd/N
};

struct Entry;

// What a path under /proc names.
struct Node {
  NodeKind kind = NodeKind::kFile;
  int pid = 0;                   // 0: of the whole system
  int fd = -1;                   // kDescriptor
  const Entry* entry = nullptr;  // kFile, kDirectory
  std::string path;              // absolute
};

// `path`: absolute and folded. Nothing: not one of ours; the host's may be looked at.
std::optional<Node> find_node(Task& reader, const std::string& path);

VirtualAttributes attributes_of(Task& reader, const Node& node);
// Precondition: a file or directory. ESRCH when its process is gone.
SysResult<std::shared_ptr<VirtualFile>> make_file(Task& reader, const Node& node);

}  // namespace faultline::vmm::linux_abi::proc
