// A second task from a first one (Linux copy_process), and another program in one (Linux
// begin_new_exec, start_thread).
#include <sched.h>

#include "mmu/space/fork.hpp"
#include "mmu/space/uaccess.hpp"
#include "vmm/linux_abi/exec.hpp"
#include "vmm/linux_abi/process_table.hpp"

namespace faultline::vmm::linux_abi {

namespace {
constexpr std::uint64_t kCloneClearSighand = 0x100000000;  // CLONE_CLEAR_SIGHAND

TaskConfig child_config(const Task& parent, int pid) {
  TaskConfig config = parent.config();
  config.pid = pid;
  config.ppid = 1;  // who outlives its parent belongs to init
  return config;
}
}  // namespace

// What every child has of its parent; clone() does what depends on the flags.
Task::Task(TaskConfig config, Task& parent)
    : limits(parent.limits),
      name(parent.name),
      oom_score_adj(parent.oom_score_adj),
      config_(std::move(config)),
      vcpu_(parent.vcpu_),
      processes_(parent.processes_),
      coherence_(parent.coherence_),
      signals_(parent.signals_),
      hook_(parent.hook_),
      current_(parent.current_) {
  signals_.pending.clear();
  signals_.saved_mask.reset();
  kin.group = parent.kin.group;
  kin.session = parent.kin.session;
}

SysResult<std::unique_ptr<Task>> Task::clone(const CloneRequest& request, int pid) {
  const auto has = [&request](std::uint64_t flag) { return (request.flags & flag) != 0; };
  auto context = CpuContext::of(vcpu_);
  if (!context) return sys_error(EIO);
  std::unique_ptr<Task> child(new Task(child_config(*this, pid), *this));
  if (has(CLONE_VM)) {
    child->mm_ = mm_;
    child->minor_before_ = 0 - mm_->counters.minor;
    child->major_before_ = 0 - mm_->counters.major;
  } else {
    auto copy = mmu::fork_address_space(*mm_);
    if (!copy) return tl::unexpected(copy.error());
    child->mm_ = std::move(*copy);
    child->mm_->observer = mm_->observer;
    child->rseq = rseq;
  }
  child->file_system_ = has(CLONE_FS) ? file_system_ : std::make_shared<FileSystem>(*file_system_);
  child->files_ = has(CLONE_FILES) ? files_ : files_->duplicate();
  if (has(kCloneClearSighand)) child->signals_.actions.clear();
  if (has(CLONE_CHILD_CLEARTID)) child->clear_child_tid = request.child_tid.raw();
  child->kin.exit_signal = request.exit_signal;
  if (has(CLONE_VFORK)) child->kin.vfork_parent = this;

  child->context_ = std::move(*context);
  child->context_.regs[UserRegs::kRax] = 0;
  if (request.stack != 0) child->context_.regs[UserRegs::kRsp] = request.stack;
  if (has(CLONE_SETTLS)) child->context_.bases.fs = request.tls;
  return child;
}

void Task::settle_vfork_faults() {
  Task* parent = kin.vfork_parent;
  if (parent == nullptr || !mm_ || parent->mm_ != mm_) return;
  parent->minor_before_ -= minor_before_ + mm_->counters.minor;
  parent->major_before_ -= major_before_ + mm_->counters.major;
}

Result<void> Task::become(ProgramImage image) {
  settle_vfork_faults();
  last_use_.max_rss_kib = resource_use().max_rss_kib;
  minor_before_ += mm_->counters.minor;
  major_before_ += mm_->counters.major;
  image.mm->observer = mm_->observer;
  if (clear_child_tid != 0 && kin.vfork_parent != nullptr)  // somebody else still has that memory
    static_cast<void>(mmu::put_user(*mm_, Gva(clear_child_tid), std::uint32_t{0}));
  if (auto set = image.enter(vcpu_); !set) return set;
  mm_ = std::move(image.mm);
  ProcessTable::release_vfork(*this);

  config_.program_path = std::move(image.path);
  config_.program = std::move(image.program);
  config_.load_bias = image.load_bias;
  name = image.name;
  if (files_.use_count() > 1) files_ = files_->duplicate();  // Linux unshare_files
  files_->close_on_exec();
  signals_.reset_handlers();
  signals_.alternate = KernelStack{};
  clear_child_tid = robust_list = 0;
  rseq = {};
  kin.executed = true;
  kin.exit_signal = SIGCHLD;
  return {};
}

}  // namespace faultline::vmm::linux_abi
