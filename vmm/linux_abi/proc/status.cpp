// /proc/PID/status. Follows proc_pid_status (fs/proc/array.c) and task_mem (fs/proc/task_mmu.c)
// of 6.18: its lines in its order.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "vmm/linux_abi/proc/process_text.hpp"

namespace faultline::vmm::linux_abi::proc {
namespace {

using Out = std::back_insert_iterator<std::string>;

// Blanks and control characters of a name as status prints them (string_escape_str).
std::string escaped(const std::string& name) {
  std::string out;
  for (const char c : name) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\\') {
      out += "\\\\";
    } else {
      out += c;
    }
  }
  return out;
}

// Linux fdtable sizes: 64 at first, then by powers of two from 256 on.
int descriptor_table_size(const FileTable& files) {
  const auto numbers = files.open_numbers();
  const int highest = numbers.empty() ? 0 : numbers.back();
  if (highest < 64) return 64;
  int size = 256;
  while (size <= highest) size *= 2;
  return size;
}

void identity(Out out, Task& task) {
  const TaskConfig& c = task.config();
  fmt::format_to(out, "Name:\t{}\nUmask:\t{:04o}\nState:\tR (running)\n", escaped(task.name), task.file_system().umask);
  fmt::format_to(out, "Tgid:\t{0}\nNgid:\t0\nPid:\t{0}\nPPid:\t{1}\nTracerPid:\t0\n", c.pid, task.parent_pid());
  fmt::format_to(out, "Uid:\t{0}\t{1}\t{1}\t{1}\nGid:\t{2}\t{3}\t{3}\t{3}\n", c.uid, c.euid, c.gid, c.egid);
  fmt::format_to(out, "FDSize:\t{}\n", descriptor_table_size(task.files()));
  std::array<gid_t, 256> groups{};
  const int count = std::max(::getgroups(static_cast<int>(groups.size()), groups.data()), 0);
  fmt::format_to(out, "Groups:\t{} \n", fmt::join(groups.begin(), groups.begin() + count, " "));
  fmt::format_to(out, "NStgid:\t{0}\nNSpid:\t{0}\nNSpgid:\t{1}\nNSsid:\t{2}\nKthread:\t0\n", c.pid, task.kin.group,
                 task.kin.session);
}

void memory(Out out, const mmu::AddressSpace& mm) {
  const MemoryUse use = memory_use(mm);
  const auto line = [&](std::string_view label, std::uint64_t pages) {
    fmt::format_to(out, "{}\t{:>8} kB\n", label, pages * (kPageSize / 1024));
  };
  line("VmPeak:", use.peak);
  line("VmSize:", use.size);
  line("VmLck:", use.locked);
  line("VmPin:", 0);
  line("VmHWM:", use.peak_resident);
  line("VmRSS:", use.resident);
  line("RssAnon:", use.anon);
  line("RssFile:", use.file);
  line("RssShmem:", use.shmem);
  line("VmData:", use.data);
  line("VmStk:", use.stack);
  line("VmExe:", use.text);
  line("VmLib:", use.libraries);
  line("VmPTE:", mm.tables().tables());
  line("VmSwap:", use.swap);
  line("HugetlbPages:", 0);
}

void signals(Out out, const Task& task) {
  const SignalSets sets = signal_sets(task);
  fmt::format_to(out, "SigQ:\t{}/{}\nSigPnd:\t{:016x}\nShdPnd:\t{:016x}\n", __builtin_popcountll(sets.pending),
                 task.limits[RLIMIT_SIGPENDING].rlim_cur, 0, sets.pending);
  fmt::format_to(out, "SigBlk:\t{:016x}\nSigIgn:\t{:016x}\nSigCgt:\t{:016x}\n", sets.blocked, sets.ignored,
                 sets.caught);
}

// Credentials and placement that the guest has of the process that runs it: the same lines of
// the host's own status, which nobody but the host's kernel can tell.
void of_the_host(std::string& out) {
  static constexpr std::array<std::string_view, 9> kLines = {
      "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:", "Seccomp_filters:", "Spec"};
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    const bool wanted = std::ranges::any_of(kLines, [&](std::string_view l) { return line.starts_with(l); });
    if (wanted) (out += line) += '\n';
  }
  out += "Cpus_allowed:\t1\nCpus_allowed_list:\t0\n";
  status.clear();
  status.seekg(0);
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Mems_allowed")) (out += line) += '\n';
  }
}

}  // namespace

std::string status_text(Task& task) {
  std::string text;
  const Out out = std::back_inserter(text);
  identity(out, task);
  memory(out, task.mm());
  fmt::format_to(out, "CoreDumping:\t0\nTHP_enabled:\t1\nuntag_mask:\t0xffffffffffffffff\nThreads:\t1\n");
  signals(out, task);
  of_the_host(text);
  text += "voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n";
  return text;
}

}  // namespace faultline::vmm::linux_abi::proc
