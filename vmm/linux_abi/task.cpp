#include "vmm/linux_abi/task.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "vmm/linux_abi/process_table.hpp"

namespace faultline::vmm::linux_abi {

Task::Task(TaskConfig config, std::shared_ptr<mmu::AddressSpace> mm, Vcpu& vcpu, FileSystem file_system,
           ProcessTable& processes)
    : config_(std::move(config)),
      mm_(std::move(mm)),
      vcpu_(vcpu),
      processes_(processes),
      file_system_(std::make_shared<FileSystem>(std::move(file_system))),
      files_(std::make_shared<FileTable>(&processes.locks)),
      coherence_(mm_->env().cache) {
  const std::size_t slash = config_.program_path.rfind('/');
  name = config_.program_path.substr(slash == std::string::npos ? 0 : slash + 1, 15);
  kin.group = kin.session = config_.pid;
  init_limits();
  if (!config_.inherit_stdio) return;
  for (int fd : {0, 1, 2}) {
    FileDescriptor copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    const int flags = copy ? ::fcntl(copy.get(), F_GETFL) : -1;
    // Closed when we were started: closed for the guest. Whoever holds its place has it as O_PATH.
    if (flags < 0 || (flags & O_PATH) != 0) continue;
    static_cast<void>(files_->install_at(fd, std::make_shared<OpenFile>(std::move(copy), flags), false));
  }
}

// The host process's limits; what the address space was given holds for memory.
void Task::init_limits() {
  for (unsigned r = 0; r < limits.size(); ++r)
    static_cast<void>(::getrlimit(static_cast<__rlimit_resource>(r), &limits[r]));
  const auto set = [this](unsigned resource, std::uint64_t soft) {
    limits[resource].rlim_cur = soft;
    limits[resource].rlim_max = std::max<std::uint64_t>(limits[resource].rlim_max, soft);
  };
  set(RLIMIT_AS, mm_->limits.address_space);
  set(RLIMIT_DATA, mm_->limits.data);
  set(RLIMIT_STACK, mm_->limits.stack);
  set(RLIMIT_MEMLOCK, mm_->limits.memlock);
  constexpr rlim_t kMaxDescriptors = 1U << 20;  // fs.nr_open's default
  files_->set_limit(static_cast<int>(std::min(limits[RLIMIT_NOFILE].rlim_cur, kMaxDescriptors)));
}

void Task::apply_memory_limits() {
  mm_->limits.address_space = limits[RLIMIT_AS].rlim_cur;
  mm_->limits.data = limits[RLIMIT_DATA].rlim_cur;
  mm_->limits.stack = limits[RLIMIT_STACK].rlim_cur;
  mm_->limits.memlock = limits[RLIMIT_MEMLOCK].rlim_cur;
}

Task::~Task() = default;

const SyscallStatistics& Task::statistics() const { return processes_.statistics; }

void Task::add_syscall_hook(SyscallHook hook) {
  if (!hook_) return set_syscall_hook(std::move(hook));
  hook_ = [first = std::move(hook_), second = std::move(hook)](const Task& task, const SyscallRecord& record) {
    first(task, record);
    second(task, record);
  };
}

void Task::on_syscall() {
  const UserRegs& regs = vcpu_.regs();
  current_.number = regs[UserRegs::kRax];
  current_.raw = {regs[UserRegs::kRdi], regs[UserRegs::kRsi], regs[UserRegs::kRdx],
                  regs[UserRegs::kR10], regs[UserRegs::kR8],  regs[UserRegs::kR9]};
  if (!restarting_) {
    wait_ = WaitState{};
    ++processes_.statistics.total;
    ++processes_.statistics.counts[current_.number];
  }
  restarting_ = false;
  serve();
}

void Task::retry_syscall() {
  FL_CHECK(blocked_);
  blocked_ = woken_ = false;
  wait_.begin_round();
  serve();
}

void Task::serve() {
  restart_ = 0;
  const SyscallHandler handler = find_handler(current_.number);
  if (handler == nullptr) {
    ++processes_.statistics.unserved[current_.number];
    finish_syscall(sys_error(ENOSYS), false);
  } else {
    finish_syscall(handler(*this, current_), true);
  }
}

void Task::finish_syscall(const SyscallValue& value, bool served) {
  const int error = value ? 0 : value.error().value();
  if (error == kBlocked) {
    blocked_ = true;
    return;
  }
  const bool restart = error == kRestartSys || error == kRestartNoIntr || error == kRestartNoHand;
  if (restart) {
    restart_ = error;
    vcpu_.edit_regs()[UserRegs::kRax] = static_cast<std::uint64_t>(std::int64_t{-EINTR});
    return;
  }
  const std::int64_t result = value ? static_cast<std::int64_t>(*value) : -std::int64_t{error};
  if (error != kNoResult) vcpu_.edit_regs()[UserRegs::kRax] = static_cast<std::uint64_t>(result);
  if (hook_ && !std::exchange(reported_, false)) {
    const std::int64_t shown = error == kNoResult ? static_cast<std::int64_t>(vcpu_.regs()[UserRegs::kRax]) : result;
    hook_(*this, SyscallRecord{current_, shown, served});
  }
}

void Task::report_syscall(std::int64_t result) {
  if (!hook_) return;
  hook_(*this, SyscallRecord{current_, result, true});
  reported_ = true;
}

// Linux handle_signal and arch_do_signal_or_restart: whether an interrupted call is made
// again. `handler`: the action that runs now, null when none does.
void Task::resolve_restart(const KernelSigaction* handler) {
  if (restart_ == 0) return;
  const bool again = handler == nullptr || restart_ == kRestartNoIntr ||
                     (restart_ == kRestartSys && (handler->flags & SA_RESTART) != 0);
  restart_ = 0;
  if (!again) {
    if (hook_) hook_(*this, SyscallRecord{current_, -EINTR, true});
    return;
  }
  constexpr std::uint64_t kSyscallBytes = 2;  // 0f 05
  UserRegs& regs = vcpu_.edit_regs();
  regs[UserRegs::kRax] = current_.number;
  regs.rip -= kSyscallBytes;
  restarting_ = handler == nullptr;
}

void Task::terminate(ExitStatus status) {
  if (exit_) return;
  exit_ = status;
  blocked_ = woken_ = false;
  job.stopped = false;
}

bool Task::executes(mmu::FileId file) const {
  struct stat st {};
  return config_.program && ::fstat(config_.program->get(), &st) == 0 && file == mmu::FileId{st.st_dev, st.st_ino};
}

ResourceUse Task::resource_use() const {
  if (!mm_ || !files_) return last_use_;
  ResourceUse use{.user_ns = user_ns, .system_ns = system_ns};
  use.minor = minor_before_ + mm_->counters.minor;
  use.major = major_before_ + mm_->counters.major;
  const std::uint64_t peak = std::max(mm_->rss.high_water, mm_->rss.total());
  use.max_rss_kib = std::max(last_use_.max_rss_kib, peak * (kPageSize / 1024));
  return use;
}

void Task::release(bool keep_memory) {
  last_use_ = resource_use();
  wait_ = WaitState{};
  files_.reset();
  file_system_.reset();
  context_ = {};
  if (keep_memory) return;
  config_.program.reset();
  mm_.reset();
}

}  // namespace faultline::vmm::linux_abi
