// Paths of the guest, turned into host objects under a policy. The one place where a path that
// the guest wrote meets the host.
//
// Every lookup is one openat2: RESOLVE_NO_MAGICLINKS always (a /proc/PID/fd link would reach a
// descriptor of ours), RESOLVE_IN_ROOT under --root. The host's processes under /proc do not
// exist for the guest, and the rest of /proc cannot be written; pseudo_files.hpp serves the guest's.
#pragma once

#include <fcntl.h>

#include <cstdint>
#include <memory>
#include <string>

#include "mmu/base/result.hpp"
#include "vmm/host/handles.hpp"
#include "vmm/linux_abi/files_policy.hpp"

namespace faultline::vmm::linux_abi {

class FileTable;

// Arguments for a host *at() call that cannot leave the policy. `name` is a last component that
// the call does not follow, or a /proc/self/fd path to `hold`, which it does.
struct HostPath {
  FileDescriptor hold;
  int dirfd = AT_FDCWD;
  std::string name;

  // What the host call must be told: a last component is never followed, the /proc path always
  // is, even where the guest asked for no following ("link/" leads to what is behind the link).
  [[nodiscard]] int nofollow() const { return dirfd == AT_FDCWD ? 0 : AT_SYMLINK_NOFOLLOW; }
};

enum class LastLink : std::uint8_t {
  kFollow,    // the object that the path leads to
  kNoFollow,  // a symbolic link in last place is itself the object
  kParent,    // the last component may not exist: create, unlink, rename
};

// A copy is what a forked process has: its own working directory and umask from then on.
class FileSystem {
 public:
  // The guest's working directory starts as the caller's (or the root of --root).
  static Result<FileSystem> create(FilesPolicy policy);

  [[nodiscard]] const FilesPolicy& policy() const { return policy_; }

  // Resolves `path` relative to guest descriptor `dirfd` (AT_FDCWD: the working directory).
  SysResult<HostPath> resolve(const FileTable& files, int dirfd, const std::string& path, LastLink last) const;
  // open(2) itself, O_CREAT and all, under the guest's umask.
  SysResult<FileDescriptor> open(const FileTable& files, int dirfd, const std::string& path, int flags,
                                 std::uint32_t mode) const;
  // EROFS under --read-only; EACCES when there are no files.
  [[nodiscard]] SysResult<void> may_change() const;

  SysResult<void> chdir(const FileTable& files, const std::string& path);
  SysResult<void> fchdir(int host_fd);
  // As getcwd(2) reports it. ENOENT when it was removed.
  [[nodiscard]] SysResult<std::string> cwd() const;
  // The absolute guest path behind a host descriptor; ENOENT when it has none.
  [[nodiscard]] SysResult<std::string> guest_path(int host_fd) const;
  // What /proc/PID/maps would print for it: the path, or what there is instead of one.
  [[nodiscard]] std::string describe(int host_fd) const;
  // `path` made absolute, "." and ".." and double slashes folded without looking at links;
  // what the served pseudo-files are recognised by. ENOENT, EBADF.
  [[nodiscard]] SysResult<std::string> absolute(const FileTable& files, int dirfd, const std::string& path) const;

  std::uint32_t umask = 022;

 private:
  FileSystem(FilesPolicy policy, FileDescriptor cwd)
      : policy_(std::move(policy)), cwd_(std::make_shared<const FileDescriptor>(std::move(cwd))) {}
  SysResult<FileDescriptor> lookup(const FileTable& files, int dirfd, const std::string& path, int flags,
                                   std::uint32_t mode) const;
  SysResult<FileDescriptor> open_read_only(const FileTable& files, int dirfd, const std::string& path, int flags) const;
  SysResult<HostPath> resolve_parent(const FileTable& files, int dirfd, const std::string& path) const;
  [[nodiscard]] SysResult<int> base_of(const FileTable& files, int dirfd) const;

  FilesPolicy policy_;
  std::shared_ptr<const FileDescriptor> cwd_;  // O_PATH; invalid under kNone; copies of a fork share it
};

// True when the descriptor is on a procfs.
bool is_proc(int host_fd);
// True when it is an entry of a process of the host under /proc, this very one included. What
// speaks of the namespace alone is not hidden.
bool is_hidden_proc_entry(int host_fd);

// The guest's umask for one host call. The host has one umask a process: nothing else in the
// harness creates files meanwhile.
class UmaskGuard {
 public:
  explicit UmaskGuard(std::uint32_t mask);
  ~UmaskGuard();
  UmaskGuard(const UmaskGuard&) = delete;
  UmaskGuard& operator=(const UmaskGuard&) = delete;

 private:
  std::uint32_t saved_;
};

}  // namespace faultline::vmm::linux_abi
