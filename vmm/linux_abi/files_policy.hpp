// Which of the host's files a guest may reach.
#pragma once

#include <memory>

#include "mmu/base/result.hpp"
#include "vmm/host/handles.hpp"

namespace faultline::vmm::linux_abi {

enum class FilesMode : std::uint8_t {
  kHost,  // what the invoking user sees, as with qemu-user
  kRoot,  // a folder is the root; openat2(RESOLVE_IN_ROOT) keeps the guest inside
  kNone,  // no paths at all: lookups give ENOENT, creation EACCES
};

struct FilesPolicy {
  FilesMode mode = FilesMode::kHost;
  std::shared_ptr<const FileDescriptor> root;  // O_PATH descriptor of the folder, kRoot only
  bool read_only = false;                      // changes give EROFS

  // `--root DIR`. Error: one line naming the folder.
  static Result<FilesPolicy> rooted_at(const std::string& folder, bool read_only);
};

}  // namespace faultline::vmm::linux_abi
