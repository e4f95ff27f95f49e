#include "tests/unit/space/native.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

namespace faultline::mmu::testing {

namespace {

constexpr std::uint64_t kPage = 4096;

// The child allocates nothing: its address space is full.
sigjmp_buf touch_failed;
std::array<std::uint8_t, 64> mincore_vector;

void on_signal(int signal) { siglongjmp(touch_failed, signal); }

std::int64_t touch(std::uint64_t address, bool write) {
  if (const int signal = sigsetjmp(touch_failed, 1); signal != 0) return -signal;
  // Assembly, so that no sanitizer looks at it.
  if (write) {
    asm volatile("lock; orb $0, (%0)" ::"r"(address) : "memory");
  } else {
    asm volatile("movb (%0), %%al" ::"r"(address) : "al", "memory");
  }
  return 0;
}

Reply execute(Request request, const std::vector<int>& files) {
  Reply reply;
  auto& a = request.args;
  if (request.number == Request::kRead || request.number == Request::kWrite) {
    reply.result = touch(a[0], request.number == Request::kWrite);
    return reply;
  }
  if (request.number == Request::kLimit) {
    const struct rlimit limit { .rlim_cur = a[1], .rlim_max = a[1] };
    reply.result = syscall(SYS_setrlimit, a[0], &limit);
    return reply;
  }
  if (request.number == Request::kDropRights) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct none[2]{};
    reply.result = syscall(SYS_capset, &header, none);
    return reply;
  }
  if (request.number == SYS_mmap && (a[3] & MAP_ANONYMOUS) == 0) a[4] = static_cast<std::uint64_t>(files[a[4]]);
  if (request.number == SYS_mincore) {
    mincore_vector.fill(0);
    a[2] = reinterpret_cast<std::uint64_t>(mincore_vector.data());
  }
  const long result = syscall(request.number, a[0], a[1], a[2], a[3], a[4], a[5]);
  reply.result = result == -1 ? -errno : result;
  reply.vector = mincore_vector;
  return reply;
}

// The child is who returns, once the parent did its part: that keeps its memory or gives it up,
// and waits.
std::int64_t fork_here(bool unmap, Window window) {
  int ready[2];
  char byte = 0;
  if (pipe(ready) != 0) return -errno;
  const long child = syscall(SYS_fork);
  if (child < 0) return -errno;
  if (child == 0) {
    const bool told = read(ready[0], &byte, 1) == 1;
    close(ready[0]);
    close(ready[1]);
    return told ? syscall(SYS_getpid) : -EPIPE;
  }
  if (unmap) syscall(SYS_munmap, window.start, window.end - window.start);
  if (write(ready[1], &byte, 1) != 1) _exit(1);
  close(ready[0]);
  close(ready[1]);
  waitpid(static_cast<pid_t>(child), nullptr, 0);
  _exit(0);
}

[[noreturn]] void serve(int in, int out, const std::vector<int>& files, Window window) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGSEGV, &action, nullptr);
  sigaction(SIGBUS, &action, nullptr);
  // What calls and touches need of the process's own memory has its page tables from the start.
  touch(window.start, false);
  execute({.number = SYS_mincore, .args = {window.start, kPage}}, files);
  Request request;
  while (read(in, &request, sizeof request) == sizeof request) {
    Reply reply;
    if (request.number == Request::kFork) {
      reply.result = fork_here(request.args[0] != 0, window);
    } else {
      reply = execute(request, files);
    }
    if (write(out, &reply, sizeof reply) != sizeof reply) break;
  }
  _exit(0);
}

std::uint32_t flag_of(std::string_view name) {
  static constexpr std::pair<std::string_view, std::uint32_t> kNames[] = {
      {"rd", VmFlags::kRead},       {"wr", VmFlags::kWrite},       {"ex", VmFlags::kExec},
      {"sh", VmFlags::kShared},     {"mr", VmFlags::kMayRead},     {"mw", VmFlags::kMayWrite},
      {"me", VmFlags::kMayExec},    {"ms", VmFlags::kMayShare},    {"gd", VmFlags::kGrowsDown},
      {"lo", VmFlags::kLocked},     {"lf", VmFlags::kLockOnFault}, {"dc", VmFlags::kDontCopy},
      {"wf", VmFlags::kWipeOnFork}, {"sr", VmFlags::kSeqRead},     {"rr", VmFlags::kRandRead},
      {"nr", VmFlags::kNoReserve},  {"ac", VmFlags::kAccount},     {"hg", VmFlags::kHugePage},
      {"nh", VmFlags::kNoHugePage}, {"dd", VmFlags::kDontDump},    {"mg", VmFlags::kMergeable},
      {"sl", VmFlags::kSealed},     {"dp", VmFlags::kDroppable}};
  for (const auto& [text, bit] : kNames)
    if (text == name) return bit;
  return 0;
}

// "7f00-7f10 rw-p 00000000 00:01 42 path"; false for the lines between.
bool parse_header(const std::string& line, NativeVma& vma) {
  char rights[8];
  unsigned device_major, device_minor;
  return std::sscanf(line.c_str(), "%lx-%lx %4s %lx %x:%x %lu", &vma.start, &vma.end, rights, &vma.offset,
                     &device_major, &device_minor, &vma.inode) == 7;
}

void parse_detail(const std::string& line, NativeVma& vma) {
  std::istringstream words(line);
  std::string key;
  words >> key;
  std::uint64_t kilobytes = 0;
  if (key == "Rss:" && words >> kilobytes) vma.rss = kilobytes * 1024 / kPage;
  if (key == "Anonymous:" && words >> kilobytes) vma.anonymous = kilobytes * 1024 / kPage;
  if (key != "VmFlags:") return;
  std::uint32_t bits = 0;
  for (std::string flag; words >> flag;) bits |= flag_of(flag);
  vma.flags = VmFlags(bits);
}

std::string proc_path(pid_t pid, const char* name) { return "/proc/" + std::to_string(pid) + "/" + name; }

}  // namespace

NativeProcess::NativeProcess(Window window, std::vector<int> files) : window_(window) {
  int down[2], up[2];
  if (pipe(down) != 0 || pipe(up) != 0) {
    why_ = "no pipes";
    return;
  }
  const int blocker = static_cast<int>(syscall(SYS_memfd_create, "block", 0));
  blocker_index_ = files.size();
  files.push_back(blocker);
  child_ = fork();
  if (child_ == 0) {
    close(down[1]);
    close(up[0]);
    serve(down[0], up[1], files, window);
  }
  first_child_ = child_;
  close(down[0]);
  close(up[1]);
  to_child_ = down[1];
  from_child_ = up[0];
  ready_ = child_ > 0 && blocker >= 0 && block_everything_else();
  if (!ready_ && why_.empty()) why_ = "no child";
  start_ = read_counters();
  close(blocker);
}

NativeProcess::~NativeProcess() {
  close(to_child_);
  close(from_child_);
  if (child_ > 0) {
    kill(child_, SIGKILL);
    waitpid(first_child_, nullptr, 0);  // the line of parents ends one after the other
  }
}

Reply NativeProcess::call(const Request& original) {
  Request request = original;
  if (request.number == Request::kLimit) {
    const std::uint64_t used = request.args[0] == RLIMIT_AS     ? start_.total
                               : request.args[0] == RLIMIT_DATA ? start_.data
                                                                : start_.locked;
    request.args[1] += used * kPage;
  }
  Reply reply;
  reply.result = -100000;
  if (write(to_child_, &request, sizeof request) != sizeof request) return reply;
  if (read(from_child_, &reply, sizeof reply) != sizeof reply) reply.result = -100001;
  if (request.number == Request::kFork && reply.result > 0) {
    child_ = static_cast<pid_t>(reply.result);
    reply.result = 0;
  }
  return reply;
}

bool NativeProcess::block_everything_else() {
  std::ifstream maps(proc_path(child_, "maps"));
  std::vector<NativeVma> taken(1);
  taken[0].start = window_.start;
  taken[0].end = window_.end;
  for (std::string line; std::getline(maps, line);) {
    NativeVma vma;
    if (!parse_header(line, vma) || vma.start >= kTaskSize) continue;
    if (vma.end > window_.start && vma.start < window_.end) {
      why_ = "the window is in use";
      return false;
    }
    // The stack keeps a little room to grow.
    if (line.find("[stack]") != std::string::npos) vma.start -= 16 * kPage;
    taken.push_back(vma);
  }
  std::sort(taken.begin(), taken.end(), [](const auto& a, const auto& b) { return a.start < b.start; });
  std::uint64_t at = min_address();
  const auto block = [&](std::uint64_t from, std::uint64_t to) {
    if (from >= to) return true;
    // The blocker is the last file.
    const Request request{.number = SYS_mmap,
                          .args = {from, to - from, PROT_NONE, MAP_SHARED | MAP_FIXED_NOREPLACE, blocker_index_, 0}};
    return call(request).result == static_cast<std::int64_t>(from);
  };
  for (const NativeVma& vma : taken) {
    if (!block(at, vma.start)) {
      why_ = "cannot block the rest of the address space";
      return false;
    }
    at = std::max(at, vma.end);
  }
  return block(at, kTaskSize);
}

std::uint64_t NativeProcess::min_address() {
  std::ifstream file("/proc/sys/vm/mmap_min_addr");
  std::uint64_t bytes = 0;
  return file >> bytes && bytes != 0 ? bytes : kPage;
}

std::vector<NativeVma> NativeProcess::vmas() const {
  std::ifstream smaps(proc_path(child_, "smaps"));
  std::vector<NativeVma> result;
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    NativeVma vma;
    if (parse_header(line, vma)) {
      if (vma.start >= window_.end) break;
      inside = vma.start >= window_.start;
      if (inside) result.push_back(vma);
    } else if (inside) {
      parse_detail(line, result.back());
    }
  }
  return result;
}

NativeCounters NativeProcess::read_counters() const {
  std::ifstream status(proc_path(child_, "status"));
  NativeCounters c;
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string key;
    std::uint64_t kilobytes = 0;
    if (!(words >> key >> kilobytes)) continue;
    const std::uint64_t pages = kilobytes * 1024 / kPage;
    if (key == "VmSize:") c.total = pages;
    if (key == "VmData:") c.data = pages;
    if (key == "VmStk:") c.stack = pages;
    if (key == "VmLck:") c.locked = pages;
    if (key == "VmPTE:") c.tables = pages;
  }
  return c;
}

NativeCounters NativeProcess::counters() const {
  const NativeCounters now = read_counters();
  return {.total = now.total - start_.total,
          .data = now.data - start_.data,
          .stack = now.stack - start_.stack,
          .locked = now.locked - start_.locked,
          .tables = now.tables - start_.tables};
}

}  // namespace faultline::mmu::testing
