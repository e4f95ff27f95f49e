#include "vmm/linux_abi/task.hpp"

#include <fcntl.h>

#include <algorithm>

#include "mmu/space/uaccess.hpp"

namespace faultline::vmm::linux_abi {

Task::Task(TaskConfig config, std::shared_ptr<mmu::AddressSpace> mm, Vcpu& vcpu, FileSystem file_system)
    : config_(std::move(config)),
      mm_(std::move(mm)),
      vcpu_(vcpu),
      file_system_(std::move(file_system)),
      coherence_(mm_) {
  const std::size_t slash = config_.program_path.rfind('/');
  name = config_.program_path.substr(slash == std::string::npos ? 0 : slash + 1, 15);
  init_limits();
  if (!config_.inherit_stdio) return;
  for (int fd : {0, 1, 2}) {
    OwnedFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    const int flags = copy ? ::fcntl(copy.get(), F_GETFL) : -1;
    if (flags < 0) continue;  // closed when we were started: closed for the guest
    static_cast<void>(files_.install_at(fd, std::make_shared<OpenFile>(std::move(copy), flags), false));
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
  files_.set_limit(static_cast<int>(std::min(limits[RLIMIT_NOFILE].rlim_cur, kMaxDescriptors)));
}

Task::~Task() {
  if (!exit_) terminate({});
}

void Task::on_syscall() {
  const UserRegs& regs = vcpu_.regs();
  current_.number = regs[UserRegs::kRax];
  current_.raw = {regs[UserRegs::kRdi], regs[UserRegs::kRsi], regs[UserRegs::kRdx],
                  regs[UserRegs::kR10], regs[UserRegs::kR8],  regs[UserRegs::kR9]};
  restart_ = 0;
  if (!restarting_) {
    wait_ = WaitState{};
    ++statistics_.total;
    ++statistics_.counts[current_.number];
  }
  restarting_ = false;

  const SyscallHandler handler = find_handler(current_.number);
  if (handler == nullptr) {
    ++statistics_.unserved[current_.number];
    finish_syscall(sys_error(ENOSYS), false);
  } else {
    finish_syscall(handler(*this, current_), true);
  }
}

void Task::finish_syscall(const SyscallValue& value, bool served) {
  const int error = value ? 0 : value.error().value();
  const bool restart = error == kRestartSys || error == kRestartNoIntr || error == kRestartNoHand;
  if (restart) {
    restart_ = error;
    vcpu_.edit_regs()[UserRegs::kRax] = static_cast<std::uint64_t>(std::int64_t{-EINTR});
    return;
  }
  const std::int64_t result = value ? static_cast<std::int64_t>(*value) : -std::int64_t{error};
  if (error != kNoResult) vcpu_.edit_regs()[UserRegs::kRax] = static_cast<std::uint64_t>(result);
  if (hook_) {
    const std::int64_t shown = error == kNoResult ? static_cast<std::int64_t>(vcpu_.regs()[UserRegs::kRax]) : result;
    hook_(*this, SyscallRecord{current_, shown, served});
  }
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
  // The guest is gone; an error has nobody left to go to but fsync's earlier callers.
  static_cast<void>(coherence_.write_back_all());
}

}  // namespace faultline::vmm::linux_abi
