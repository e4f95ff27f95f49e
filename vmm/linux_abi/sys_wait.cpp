// Waiting for children (Linux kernel_wait4, kernel_waitid, do_wait).
#include <sys/syscall.h>
#include <sys/wait.h>

#include <climits>

#include "vmm/linux_abi/families.hpp"
#include "vmm/linux_abi/process_table.hpp"
#include "vmm/linux_abi/wait.hpp"

namespace faultline::vmm::linux_abi {
namespace {

constexpr int kNoThread = 0x20000000, kAll = 0x40000000, kClone = static_cast<int>(0x80000000U);  // __WNOTHREAD...

struct Request {
  enum class Who : std::uint8_t { kAny, kPid, kGroup };
  Who who = Who::kAny;
  int id = 0;
  int options = 0;  // of waitid: WEXITED and friends

  // Linux eligible_child.
  [[nodiscard]] bool matches(const Task& child) const {
    if (who == Who::kPid && child.pid() != id) return false;
    if (who == Who::kGroup && child.kin.group != id) return false;
    const bool clone_child = child.kin.exit_signal != SIGCHLD;
    return (options & kAll) != 0 || clone_child == ((options & kClone) != 0);
  }
};

struct News {
  int pid = 0;  // 0: WNOHANG, and nothing happened
  std::uint32_t uid = 0;
  int code = 0;    // CLD_EXITED, ...
  int status = 0;  // exit code or signal
  ResourceUse use;
};

// What `child` has to tell that `options` ask for. Takes it away unless WNOWAIT; the child of a
// taken end is gone then.
std::optional<News> take_news(Task& task, Task& child, int options) {
  News news{.pid = child.pid(), .uid = child.config().uid, .use = child.resource_use()};
  const bool take = (options & WNOWAIT) == 0;
  if (child.exit_status()) {
    if ((options & WEXITED) == 0) return std::nullopt;
    const ExitStatus end = *child.exit_status();
    news.code = end.signal != 0 ? CLD_KILLED : CLD_EXITED;
    news.status = end.signal != 0 ? end.signal : end.code;
    news.use.add(child.children_use);
    if (take) {
      task.children_use.add(news.use);
      task.processes().reap(child);
    }
    return news;
  }
  using Kind = JobState::News;
  const bool stopped = child.job.news == Kind::kStopped && (options & WSTOPPED) != 0;
  const bool continued = child.job.news == Kind::kContinued && (options & WCONTINUED) != 0;
  if (!stopped && !continued) return std::nullopt;
  news.code = stopped ? CLD_STOPPED : CLD_CONTINUED;
  news.status = child.job.signal;
  if (take) child.job.news = Kind::kNone;
  return news;
}

SysResult<News> do_wait(Task& task, const Request& request) {
  bool any = false;
  const std::vector<Task*> children = task.kin.children;
  for (Task* child : children) {
    if (!request.matches(*child)) continue;
    any = true;
    if (auto news = take_news(task, *child, request.options)) return *news;
  }
  if (!any) return sys_error(ECHILD);
  if ((request.options & WNOHANG) != 0) return News{};
  return tl::unexpected(wait_on(task).error());
}

// The status word of wait4, in which a stop and a continuation are told apart from an end.
int status_word(const News& news) {
  switch (news.code) {
    case CLD_EXITED: return news.status << 8;
    case CLD_STOPPED: return news.status << 8 | 0x7f;
    case CLD_CONTINUED: return 0xffff;
    default: return news.status;
  }
}

SyscallValue sys_wait4(Task& task, const SyscallArgs& args) {
  const int pid = args.i32(0), options = args.i32(2);
  if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED | kNoThread | kClone | kAll)) != 0) return sys_error(EINVAL);
  if (pid == INT_MIN) return sys_error(ESRCH);
  Request request{.options = options | WEXITED};
  if (pid > 0) {
    request.who = Request::Who::kPid;
    request.id = pid;
  } else if (pid != -1) {
    request.who = Request::Who::kGroup;
    request.id = pid == 0 ? task.kin.group : -pid;
  }
  const auto news = do_wait(task, request);
  if (!news) return propagate(news);
  if (news->pid == 0) return 0;
  if (args[1] != 0) {
    if (auto written = put(task, args.gva(1), status_word(*news)); !written) return written;
  }
  if (args[3] != 0) {
    if (auto written = put(task, args.gva(3), to_rusage(news->use)); !written) return written;
  }
  return static_cast<std::uint64_t>(news->pid);
}

SysResult<Request> waitid_request(const Task& task, const SyscallArgs& args) {
  const int id = args.i32(1), options = args.i32(3);
  if ((options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | kNoThread | kClone | kAll)) != 0)
    return sys_error(EINVAL);
  if ((options & (WEXITED | WSTOPPED | WCONTINUED)) == 0) return sys_error(EINVAL);
  Request request{.id = id, .options = options};
  switch (args.i32(0)) {
    case P_ALL: break;
    case P_PID:
      if (id <= 0) return sys_error(EINVAL);
      request.who = Request::Who::kPid;
      break;
    case P_PGID:
      if (id < 0) return sys_error(EINVAL);
      request.who = Request::Who::kGroup;
      if (id == 0) request.id = task.kin.group;
      break;
    default: return sys_error(EINVAL);
  }
  return request;
}

SyscallValue sys_waitid(Task& task, const SyscallArgs& args) {
  const auto request = waitid_request(task, args);
  if (!request) return propagate(request);
  const auto news = do_wait(task, *request);
  if (!news) return propagate(news);
  if (news->pid != 0 && args[4] != 0) {
    if (auto written = put(task, args.gva(4), to_rusage(news->use)); !written) return written;
  }
  if (args[2] == 0) return 0;
  // Only these fields are written: signo, errno, code; pid, uid, status behind a hole.
  struct Head {
    std::int32_t signo, error, code;
  } head{news->pid != 0 ? SIGCHLD : 0, 0, news->code};
  struct Child {
    std::int32_t pid;
    std::uint32_t uid;
    std::int32_t status;
  } child{news->pid, news->uid, news->status};
  constexpr std::uint64_t kChildAt = 16;
  if (auto written = put(task, args.gva(2), head); !written) return written;
  return put(task, Gva(args[2] + kChildAt), child);
}

}  // namespace

std::span<const SyscallEntry> wait_syscalls() {
  static constexpr SyscallEntry kEntries[] = {{SYS_wait4, sys_wait4}, {SYS_waitid, sys_waitid}};
  return kEntries;
}

}  // namespace faultline::vmm::linux_abi
