// execve and execveat: another static program, or a script's interpreter (Linux do_execveat_common).
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "vmm/linux_abi/exec.hpp"
#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/paths.hpp"
#include "vmm/linux_abi/script.hpp"

namespace faultline::vmm::linux_abi {
namespace {

constexpr std::uint64_t kMaxStringBytes = 128 * 1024;  // MAX_ARG_STRLEN
constexpr std::uint64_t kMaxBytes = 6ULL << 20;        // no stack limit allows more
constexpr unsigned kMaxInterpreters = 5;               // exec_binprm: scripts of scripts

// argv or envp; a null pointer is an empty list.
SysResult<std::vector<std::string>> strings_from_user(Task& task, std::uint64_t at) {
  std::vector<std::string> strings;
  if (at == 0) return strings;
  for (std::uint64_t bytes = 0;; at += sizeof(std::uint64_t)) {
    const auto pointer = mmu::get_user<std::uint64_t>(task.mm(), Gva(at));
    if (!pointer) return tl::unexpected(pointer.error());
    if (*pointer == 0) return strings;
    auto text = mmu::string_from_user(task.mm(), Gva(*pointer), kMaxStringBytes - 1);
    if (!text) return sys_error(text.error() == Errno(ENAMETOOLONG) ? E2BIG : text.error().value());
    bytes += text->size() + 1 + sizeof(std::uint64_t);
    if (bytes > kMaxBytes) return sys_error(E2BIG);
    strings.push_back(std::move(*text));
  }
}

SysResult<FileDescriptor> open_path(Task& task, int dirfd, const std::string& path, int at_flags) {
  const auto open_host = [](int at, const std::string& name, int nofollow) -> SysResult<FileDescriptor> {
    FileDescriptor fd(::openat(at, name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | nofollow));
    if (!fd) return sys_error(errno);
    return fd;
  };
  const auto descriptor = [](int host_fd) { return fmt::format("/proc/self/fd/{}", host_fd); };
  if (path.empty()) {
    if ((at_flags & AT_EMPTY_PATH) == 0) return sys_error(ENOENT);
    const auto file = task.files().get(dirfd);
    return file ? open_host(AT_FDCWD, descriptor((*file)->host_fd()), 0) : tl::unexpected(file.error());
  }
  // The program itself may have no name any more, or lie outside what the guest may open.
  if (task.file_system().absolute(task.files(), dirfd, path) == std::string("/proc/self/exe"))
    return open_host(AT_FDCWD, descriptor(task.config().program->get()), 0);
  const bool nofollow = (at_flags & AT_SYMLINK_NOFOLLOW) != 0;
  auto where = resolve_path(task, dirfd, path, nofollow ? LastLink::kNoFollow : LastLink::kFollow);
  if (!where) return tl::unexpected(where.error());
  return open_host(where->dirfd, where->name, where->nofollow() != 0 ? O_NOFOLLOW : 0);
}

// Linux do_open_execat: a regular file that may be executed and that nobody is writing.
SysResult<FileDescriptor> open_program(Task& task, int dirfd, const std::string& path, int at_flags) {
  auto fd = open_path(task, dirfd, path, at_flags);
  if (!fd) return fd;
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0) return sys_error(errno);
  if (!S_ISREG(st.st_mode)) return sys_error(EACCES);
  if (::syscall(SYS_faccessat2, fd->get(), "", X_OK, AT_EACCESS | AT_EMPTY_PATH) != 0) return sys_error(EACCES);
  const mmu::FileId id{st.st_dev, st.st_ino};
  for (const auto& [pid, other] : task.processes().all())
    if (!other->exit_status() && other->files().writes_to(id)) return sys_error(ETXTBSY);
  // What the guest wrote through a mapping is in the file before it is loaded.
  FileDescriptor copy(::fcntl(fd->get(), F_DUPFD_CLOEXEC, 0));
  if (!copy) return sys_error(errno);
  task.coherence().before_read(OpenFile(std::move(copy), O_RDONLY), 0, static_cast<std::uint64_t>(st.st_size));
  return fd;
}

bool is_elf(int host_fd) {
  std::array<char, 4> magic{};
  return ::pread(host_fd, magic.data(), magic.size(), 0) == 4 && std::string_view(magic.data(), 4) == "\177ELF";
}

// What scripts name, up to a program; argv as the interpreter gets it.
SysResult<FileDescriptor> follow_scripts(Task& task, FileDescriptor fd, const std::string& name,
                                         std::vector<std::string>& argv) {
  std::string script = name;
  for (unsigned depth = 0;; ++depth) {
    const auto line = read_script_line(fd.get());
    if (!line) return tl::unexpected(line.error());
    if (!*line) return fd;
    if (depth == kMaxInterpreters) return sys_error(ELOOP);
    const ScriptLine& l = **line;
    std::vector<std::string> head{l.interpreter};
    if (l.argument) head.push_back(*l.argument);
    head.push_back(script);
    if (!argv.empty()) argv.erase(argv.begin());
    argv.insert(argv.begin(), head.begin(), head.end());
    script = l.interpreter;
    auto next = open_program(task, AT_FDCWD, l.interpreter, 0);
    if (!next) return next;
    fd = std::move(*next);
  }
}

SyscallValue execute(Task& task, int dirfd, const std::string& path, std::uint64_t argv_at, std::uint64_t envp_at,
                     int at_flags) {
  auto fd = open_program(task, dirfd, path, at_flags);
  if (!fd) return propagate(fd);
  auto argv = strings_from_user(task, argv_at);
  if (!argv) return propagate(argv);
  auto envp = strings_from_user(task, envp_at);
  if (!envp) return propagate(envp);
  std::string name = path;
  if (dirfd != AT_FDCWD && (path.empty() || path.front() != '/'))
    name = path.empty() ? fmt::format("/dev/fd/{}", dirfd) : fmt::format("/dev/fd/{}/{}", dirfd, path);
  if (argv->empty()) argv->emplace_back();  // since 5.18 nobody starts with an argc of 0
  auto program = follow_scripts(task, std::move(*fd), name, *argv);
  if (!program) return propagate(program);

  const int host_fd = program->get();
  LoadRequest request{.path = task.file_system().describe(host_fd),
                      .exec_name = name,
                      .argv = std::move(*argv),
                      .envp = std::move(*envp),
                      .limits = task.mm().limits,
                      .hwcap = task.config().hwcap,
                      .hwcap2 = task.config().hwcap2};
  const bool elf = is_elf(host_fd);
  auto image = load_program(std::move(*program), request, task.mm().env(), task.vcpu());
  if (!image) {
    const int error = image.error().error;
    if (error != ENOEXEC || !elf) return sys_error(error);
    // An ELF file that this machine does not run: not for a shell to read as a script.
    task.processes().note(image.error().message);
    return sys_error(ELIBBAD);
  }
  task.report_syscall(0);  // its arguments are about to go
  if (!task.become(std::move(*image))) task.terminate({.code = 0, .signal = SIGKILL});
  return sys_error(kNoResult);
}

SyscallValue sys_execve(Task& task, const SyscallArgs& args) {
  const auto path = path_from_user(task, args.gva(0));
  if (!path) return propagate(path);
  return execute(task, AT_FDCWD, *path, args[1], args[2], 0);
}

SyscallValue sys_execveat(Task& task, const SyscallArgs& args) {
  if ((args.i32(4) & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) != 0) return sys_error(EINVAL);
  const auto path = path_from_user(task, args.gva(1));
  if (!path) return propagate(path);
  return execute(task, args.i32(0), *path, args[2], args[3], args.i32(4));
}

}  // namespace

std::span<const SyscallEntry> exec_syscalls() {
  static constexpr SyscallEntry kEntries[] = {{SYS_execve, sys_execve}, {SYS_execveat, sys_execveat}};
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi
