#include "vmm/linux_abi/exec.hpp"

#include <cpuid.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "vmm/linux_abi/elf_image.hpp"
#include "vmm/linux_abi/host_file.hpp"
#include "vmm/linux_abi/signal_frame.hpp"

namespace faultline::vmm::linux_abi {
namespace {

struct ProgramFile {
  FileDescriptor fd;
  std::string name;  // as it was found: AT_EXECFN
};

tl::unexpected<LoadError> refused(const std::string& name, int error) {
  if (error == ENOENT || error == ENOTDIR)
    return tl::unexpected(LoadError{LoadError::kNotFound, fmt::format("{}: not found", name), error});
  return cannot_execute(fmt::format("{}: {}", name, std::strerror(error)), error);
}

// Opens one candidate and sees whether it may be executed (Linux do_open_execat).
LoadResult<ProgramFile> open_candidate(const FileSystem& fs, const std::string& name) {
  const FileTable none;
  auto fd = fs.open(none, AT_FDCWD, name, O_RDONLY | O_NONBLOCK, 0);
  if (!fd) return refused(name, fd.error().value());
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0) return refused(name, errno);
  if (S_ISDIR(st.st_mode)) return cannot_execute(fmt::format("{}: is a directory", name));
  if (!S_ISREG(st.st_mode)) return cannot_execute(fmt::format("{}: is not a regular file", name));
  if (::syscall(SYS_faccessat2, fd->get(), "", X_OK, AT_EACCESS | AT_EMPTY_PATH) != 0)
    return cannot_execute(fmt::format("{}: permission denied (not executable)", name));
  return ProgramFile{std::move(*fd), name};
}

// As execvp: a name with a slash is a path, others are searched for.
LoadResult<ProgramFile> find_program(const FileSystem& fs, const std::string& name, const std::string& search_path) {
  if (name.empty()) return refused("(empty name)", ENOENT);
  if (name.find('/') != std::string::npos) return open_candidate(fs, name);
  std::optional<LoadError> denied;
  for (std::size_t at = 0; at <= search_path.size();) {
    const std::size_t end = std::min(search_path.find(':', at), search_path.size());
    const std::string folder = search_path.substr(at, end - at);
    at = end + 1;
    auto found = open_candidate(fs, (folder.empty() ? "." : folder) + "/" + name);
    if (found) return found;
    if (found.error().exit_status != LoadError::kNotFound && !denied) denied = found.error();
  }
  if (denied) return tl::unexpected(*denied);
  return tl::unexpected(LoadError{LoadError::kNotFound, fmt::format("{}: not found in PATH", name), ENOENT});
}

mmu::Limits host_limits() {
  mmu::Limits limits;
  const auto get = [](auto resource, std::uint64_t& to) {
    rlimit r{};
    if (::getrlimit(resource, &r) == 0) to = r.rlim_cur;
  };
  get(RLIMIT_AS, limits.address_space);
  get(RLIMIT_DATA, limits.data);
  get(RLIMIT_STACK, limits.stack);
  get(RLIMIT_MEMLOCK, limits.memlock);
  limits.may_lock_without_limit = ::geteuid() == 0;
  return limits;
}

// CPUID.1:EDX of the host, which is what Linux tells in AT_HWCAP.
std::uint64_t host_hwcap() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 ? edx : 0;
}

LoadResult<ProcessFacts> process_facts(const LoadRequest& request, const Vcpu& vcpu) {
  ProcessFacts facts;
  facts.hwcap = request.hwcap != 0 ? request.hwcap : host_hwcap();
  facts.hwcap2 = request.hwcap2;
  facts.minsigstksz = min_signal_stack(vcpu.xsave_size());
  facts.uid = ::getuid();
  facts.euid = ::geteuid();
  facts.gid = ::getgid();
  facts.egid = ::getegid();
  if (::getrandom(facts.random.data(), facts.random.size(), 0) != static_cast<ssize_t>(facts.random.size()))
    return cannot_execute(fmt::format("no randomness: {}", std::strerror(errno)), EIO);
  return facts;
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1, 15); }

}  // namespace

Result<void> ProgramImage::enter(Vcpu& vcpu) const {
  UserRegs& regs = vcpu.edit_regs();
  regs = UserRegs{};
  regs.rip = entry;
  regs[UserRegs::kRsp] = rsp;
  if (auto set = vcpu.set_xsave(initial_xsave(vcpu)); !set) return set;
  if (auto done = vcpu.switch_process(Gpa(mm->tables().root()), {}); !done) return tl::unexpected(done.error());
  return {};
}

LoadResult<ProgramImage> load_program(FileDescriptor file, const LoadRequest& request, const mmu::MmuEnv& env,
                                      const Vcpu& vcpu) {
  const auto elf = parse_elf(file.get(), request.exec_name);
  if (!elf) return tl::unexpected(elf.error());
  ProgramImage image;
  image.mm = mmu::AddressSpace::create(env);
  if (!image.mm) return cannot_execute("guest memory is too small for a page table", ENOMEM);
  image.mm->limits = request.limits;
  auto host_file = HostFile::create(file.get(), false);
  if (!host_file) return refused(request.exec_name, host_file.error().value());
  const auto loaded = map_elf(*image.mm, *elf, env.cache.open(std::move(*host_file)), request.path);
  if (!loaded) return tl::unexpected(loaded.error());
  const auto facts = process_facts(request, vcpu);
  if (!facts) return tl::unexpected(facts.error());
  const auto stack = build_initial_stack(*image.mm, *loaded, request.argv, request.envp, request.exec_name, *facts);
  if (!stack) return tl::unexpected(stack.error());
  image.entry = loaded->entry;
  image.rsp = stack->rsp;
  image.load_bias = loaded->load_bias;
  image.path = request.path;
  image.name = base_name(request.exec_name);
  image.program = std::make_shared<const FileDescriptor>(std::move(file));
  return image;
}

LoadResult<Task*> exec_program(const ExecRequest& request, const mmu::MmuEnv& env, Vcpu& vcpu,
                               ProcessTable& processes) {
  auto fs = FileSystem::create(request.files);
  if (!fs) return cannot_execute(fs.error().message);
  // Without files the program itself still comes from the host.
  auto host_fs = request.files.mode == FilesMode::kNone ? FileSystem::create({}) : FileSystem::create(request.files);
  if (!host_fs) return cannot_execute(host_fs.error().message);
  auto program = find_program(*host_fs, request.program, request.search_path);
  if (!program) return tl::unexpected(program.error());
  LoadRequest load{.path = host_fs->describe(program->fd.get()),
                   .exec_name = program->name,
                   .argv = request.argv,
                   .envp = request.envp,
                   .limits = request.limits.value_or(host_limits()),
                   .hwcap = request.hwcap,
                   .hwcap2 = request.hwcap2};
  auto image = load_program(std::move(program->fd), load, env, vcpu);
  if (!image) return tl::unexpected(image.error());
  if (auto ready = image->enter(vcpu); !ready) return cannot_execute(ready.error().message);

  TaskConfig config;
  config.pid = ::getpid();
  config.ppid = ::getppid();
  config.uid = ::getuid();
  config.euid = ::geteuid();
  config.gid = ::getgid();
  config.egid = ::getegid();
  config.program_path = image->path;
  config.program = image->program;
  config.load_bias = image->load_bias;
  config.memory_bytes = env.frames.total_frames() * kPageSize;
  config.hwcap = request.hwcap;
  config.hwcap2 = request.hwcap2;
  auto task = std::make_unique<Task>(std::move(config), std::move(image->mm), vcpu, std::move(*fs), processes);
  task->name = image->name;
  return &processes.add_first(std::move(task));
}

}  // namespace faultline::vmm::linux_abi
