#include "tools/guest.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "mmu/space/uaccess.hpp"
#include "tools/complain.hpp"
#include "tools/host_signals.hpp"
#include "vmm/record/report.hpp"
#include "vmm/record/symbols.hpp"
#include "vmm/run/exit_status.hpp"

extern char** environ;

namespace faultline::tools {

namespace {

std::vector<std::string> guest_environment(const GuestOptions& options) {
  std::vector<std::string> env;
  if (!options.clear_environment)
    for (char** e = environ; *e != nullptr; ++e) env.emplace_back(*e);
  for (const std::string& setting : options.environment) {
    std::string entry = setting;
    if (entry.find('=') == std::string::npos) {
      const char* value = std::getenv(entry.c_str());
      if (value == nullptr) continue;
      entry += std::string("=") + value;
    }
    const std::string prefix = entry.substr(0, entry.find('=') + 1);
    std::erase_if(env, [&prefix](const std::string& e) { return e.starts_with(prefix); });
    env.push_back(std::move(entry));
  }
  return env;
}

// Effective capabilities of this process, as a bit mask; 0 when they cannot be read.
std::uint64_t effective_capabilities() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("CapEff:")) return std::strtoull(line.c_str() + 7, nullptr, 16);
  return 0;
}

// A number under /proc/sys/vm, or `otherwise` where it cannot be read.
std::uint64_t vm_setting(const char* name, std::uint64_t otherwise) {
  std::ifstream file(std::string("/proc/sys/vm/") + name);
  std::uint64_t value = 0;
  return file >> value ? value : otherwise;
}

// RAM and swap of the host in pages: what one mapping may ask for under vm.overcommit_memory=0.
std::uint64_t commit_limit() {
  struct sysinfo info {};
  if (vm_setting("overcommit_memory", 0) == 1 || ::sysinfo(&info) != 0) return ~0ULL;
  return (info.totalram + info.totalswap) * info.mem_unit >> kPageShift;
}

mmu::Overcommit overcommit_mode() {
  switch (vm_setting("overcommit_memory", 0)) {
    case 1: return mmu::Overcommit::kAlways;
    case 2: return mmu::Overcommit::kNever;
    default: return mmu::Overcommit::kHeuristic;
  }
}

// What the host has promised to others and may promise in all, where it counts that.
std::optional<mmu::CommitAccount> host_commit() {
  if (overcommit_mode() != mmu::Overcommit::kNever) return std::nullopt;
  mmu::CommitAccount commit;
  std::ifstream meminfo("/proc/meminfo");
  std::string key, unit;
  for (std::uint64_t kilobytes = 0; meminfo >> key >> kilobytes; std::getline(meminfo, unit)) {
    if (key == "CommitLimit:") commit.limit = kilobytes * 1024 >> kPageShift;
    if (key == "Committed_AS:") commit.committed = kilobytes * 1024 >> kPageShift;
  }
  return commit;
}

// mmap_min_addr in effect, which a security module may hold above vm.mmap_min_addr: where the kernel moves a hint that
// is too low. The setting when something is mapped there already.
std::uint64_t lowest_mapping(std::uint64_t fallback) {
  constexpr std::uint64_t kHighest = 1ULL << 20;
  void* at = ::mmap(reinterpret_cast<void*>(kPageSize), kPageSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return fallback;
  ::munmap(at, kPageSize);
  const auto address = reinterpret_cast<std::uint64_t>(at);
  return address <= kHighest ? address : fallback;
}

// The invoking user's limits, as execve hands them on, and the host's settings: the guest meets
// what the program would meet natively.
mmu::Limits inherited_limits() {
  mmu::Limits limits;
  const auto take = [](int resource, std::uint64_t& to) {
    rlimit value{};
    if (::getrlimit(resource, &value) == 0) to = value.rlim_cur;
  };
  take(RLIMIT_AS, limits.address_space);
  take(RLIMIT_DATA, limits.data);
  take(RLIMIT_STACK, limits.stack);
  take(RLIMIT_MEMLOCK, limits.memlock);
  const std::uint64_t capabilities = effective_capabilities();
  limits.may_lock_without_limit = (capabilities >> CAP_IPC_LOCK & 1) != 0;
  limits.may_map_low = (capabilities >> CAP_SYS_RAWIO & 1) != 0;
  limits.commit_pages = commit_limit();
  limits.overcommit = overcommit_mode();
  if ((capabilities >> CAP_SYS_ADMIN & 1) == 0)
    limits.admin_reserve_pages = vm_setting("admin_reserve_kbytes", 0) * 1024 >> kPageShift;
  limits.user_reserve_pages = vm_setting("user_reserve_kbytes", 0) * 1024 >> kPageShift;
  limits.mmap_min_addr = lowest_mapping(vm_setting("mmap_min_addr", limits.mmap_min_addr));
  limits.max_map_count = vm_setting("max_map_count", limits.max_map_count);
  return limits;
}

void forward_signal(void* runner, int signal, bool from_terminal) {
  static_cast<vmm::Runner*>(runner)->request_signal(signal, signal == SIGINT && from_terminal);
}

// Of the file that was loaded: its name may mean another one by now, or one outside the guest's root.
vmm::SymbolTable load_symbols(const vmm::linux_abi::TaskConfig& config) {
  if (!config.program) return {};
  auto table = vmm::SymbolTable::from_file(config.program->get(), config.load_bias);
  return table ? std::move(*table) : vmm::SymbolTable();
}

// How the first process's program was named on the command line; another's is known by its path.
std::string program_of(vmm::Session& session, const vmm::linux_abi::Task& task) {
  const bool as_started = &task == &session.task() && !task.kin.executed;
  return as_started ? session.config().exec.program : task.config().program_path;
}

// The kernel-style report for whatever ended a process. Its memory must still be there.
std::string make_report(vmm::Session& session, vmm::linux_abi::Task& task, vmm::ReportInput input) {
  const vmm::SymbolTable symbols = load_symbols(task.config());
  mmu::AddressSpace& mm = task.mm();
  input.backend = session.machine().backend();
  input.vcpu = session.vcpu().index();
  input.process = static_cast<std::uint32_t>(task.pid());
  input.program = program_of(session, task);
  input.fs_base = session.vcpu().fs_base().value_or(0);
  input.gs_base = session.vcpu().gs_base().value_or(0);
  input.mode = mm.mode();
  input.peek = [&mm](Gva at, std::span<std::byte> to) { return mmu::peek_user(mm, to, at); };
  input.walk = [&mm](Gva at) { return mm.tables().walk(at); };
  input.symbols = &symbols;
  input.vmas = vmm::describe_vmas(mm.vmas);
  fmt::memory_buffer out;
  vmm::append_report(out, input);
  return fmt::to_string(out);
}

void publish(const std::string& report, const GuestOptions& options, vmm::FaultLog* log) {
  if (!options.quiet) std::fputs(report.c_str(), stderr);
  if (log != nullptr) log->write_report(report);
}

void report_trap(vmm::Session& session, vmm::linux_abi::Task& task, const vmm::LastTrap& trap,
                 const GuestOptions& options, vmm::FaultLog* log) {
  if (trap.fault == mmu::FaultResult::kOutOfMemory) {
    complain(fmt::format("{}: out of guest memory ({} MiB): raise --memory", program_of(session, task),
                         options.machine.memory_bytes >> 20));
    return;
  }
  vmm::ReportInput input;
  std::visit([&input](const auto& event) { input.event = event; }, trap.event);
  input.regs = trap.regs;
  input.signal = trap.signal.signo();
  input.si_code = trap.signal.info.si_code;
  publish(make_report(session, task, std::move(input)), options, log);
}

int conclude(vmm::Session& session, const vmm::TaskExited& end, const GuestOptions& options, vmm::FaultLog* log) {
  if (const auto& trap = session.runner().fatal_trap()) report_trap(session, session.task(), *trap, options, log);
  return end.status.shell_status();
}

int conclude(vmm::Session& session, const vmm::LimitReached& end, const GuestOptions&, vmm::FaultLog*) {
  complain(fmt::format("{}: stopped by the {}: {}", session.config().exec.program, vmm::name(end.kind), end.detail));
  return vmm::kExitLimit;
}

int conclude(vmm::Session& session, const vmm::VcpuDied& end, const GuestOptions& options, vmm::FaultLog* log) {
  complain(fmt::format("{}: the vCPU died: {}", session.config().exec.program, end.event.summary));
  vmm::ReportInput input;
  input.event = end.event;
  input.regs = session.vcpu().regs();
  publish(make_report(session, session.task(), std::move(input)), options, log);
  return vmm::kExitVcpuDied;
}

}  // namespace

vmm::Colour colour_for(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  const bool wanted = ::isatty(fd) == 1 && (no_color == nullptr || *no_color == '\0');
  return wanted ? vmm::Colour::kAlways : vmm::Colour::kNever;
}

tl::expected<std::unique_ptr<vmm::Session>, int> make_session(const GuestOptions& options,
                                                              vmm::FaultRecorder::Consumer on_fault,
                                                              std::optional<vmm::RecordOptions> record) {
  // A closed pipe or a file that may not grow is the guest's signal or a log's error, never our death.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  vmm::SessionConfig config;
  config.machine = options.machine;
  config.limits = options.limits;
  config.max_processes = options.max_processes;
  config.behaviour = LinuxBehaviour::of(options.linux_version);
  config.on_fault = std::move(on_fault);
  config.record = std::move(record);
  config.exec.program = options.command.front();
  config.exec.argv = options.command;
  config.exec.envp = guest_environment(options);
  const char* path = std::getenv("PATH");
  config.exec.search_path = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  config.exec.limits = inherited_limits();
  config.commit = host_commit();
  config.exec.files.read_only = options.read_only;
  if (options.no_files) config.exec.files.mode = vmm::linux_abi::FilesMode::kNone;
  if (!options.root.empty()) {
    auto policy = vmm::linux_abi::FilesPolicy::rooted_at(options.root, options.read_only);
    if (!policy) {
      complain(policy.error().message);
      return tl::unexpected(vmm::kExitUsage);
    }
    config.exec.files = std::move(*policy);
  }
  auto session = vmm::Session::create(std::move(config));
  if (!session) {
    complain(session.error().message);
    return tl::unexpected(session.error().exit_status);
  }
  return std::move(*session);
}

int run_session(vmm::Session& session, const GuestOptions& options, vmm::FaultLog* log) {
  session.runner().set_on_fatal(
      [&](vmm::linux_abi::Task& task, const vmm::LastTrap& trap) { report_trap(session, task, trap, options, log); });
  const auto end = [&session] {
    const HostSignals forwarding(&session.runner(), forward_signal);
    return session.run();
  }();
  if (!end) {
    complain(end.error().message);
    return vmm::kExitHarness;
  }
  const int status = std::visit([&](const auto& e) { return conclude(session, e, options, log); }, *end);
  if (!session.task().exit_status()) session.task().terminate({.code = status});
  session.runner().set_on_fatal({});
  return status;
}

}  // namespace faultline::tools
