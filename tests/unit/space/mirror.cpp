#include "tests/unit/space/mirror.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <csignal>

#include "mmu/space/fork.hpp"

namespace faultline::mmu::testing {

namespace {

std::vector<int> descriptors(const std::vector<MirrorFile>& files) {
  std::vector<int> result;
  for (const MirrorFile& f : files) result.push_back(f.descriptor);
  return result;
}

template <class T>
std::int64_t as_result(const SysResult<T>& result) {
  if (!result) return -result.error().value();
  if constexpr (std::is_same_v<T, Gva>) {
    return static_cast<std::int64_t>(result->raw());
  } else {
    return 0;
  }
}

const char* name_of(long number) {
  switch (number) {
    case Request::kRead: return "read byte";
    case Request::kWrite: return "write byte";
    case Request::kLimit: return "setrlimit";
    case Request::kDropRights: return "capset";
    case Request::kFork: return "fork";
    case SYS_mmap: return "mmap";
    case SYS_munmap: return "munmap";
    case SYS_mprotect: return "mprotect";
    case SYS_mremap: return "mremap";
    case SYS_madvise: return "madvise";
    case SYS_pkey_mprotect: return "pkey_mprotect";
    case SYS_pkey_alloc: return "pkey_alloc";
    case SYS_pkey_free: return "pkey_free";
    case Request::kMseal: return "mseal";
    case SYS_mlock: return "mlock";
    case SYS_mlock2: return "mlock2";
    case SYS_munlock: return "munlock";
    case SYS_mlockall: return "mlockall";
    case SYS_munlockall: return "munlockall";
    case SYS_msync: return "msync";
    case SYS_mincore: return "mincore";
    default: return "?";
  }
}

struct Resident {
  std::uint64_t all = 0, anonymous = 0;
};
Resident resident(const AddressSpace& mm, const Vma& vma) {
  Resident r;
  for (Gva va = vma.start; va < vma.end; va = va + kPageSize) {
    const PteSlot slot = mm.tables().find(va);
    const Pte entry = slot.valid() ? slot.load() : Pte();
    if (!entry.maps_frame(1) || entry.special()) continue;
    ++r.all;
    if (mm.frames().at(entry.frame()).kind == FrameKind::kAnon) ++r.anonymous;
  }
  return r;
}

std::string line(std::uint64_t base, std::uint64_t start, std::uint64_t end, VmFlags flags, std::uint64_t rss,
                 std::uint64_t anonymous) {
  return fmt::format("  {}-{} {} flags {:#x} rss {} anon {}\n", (start - base) >> kPageShift,
                     (end - base) >> kPageShift, flags.text(), flags.raw(), rss, anonymous);
}

}  // namespace

std::string describe(const Request& request) {
  return fmt::format("{}({:#x}, {:#x}, {:#x}, {:#x}, {:#x}, {:#x})", name_of(request.number), request.args[0],
                     request.args[1], request.args[2], request.args[3], request.args[4], request.args[5]);
}

Mirror::Mirror(Window window, std::vector<MirrorFile> files, World& world)
    : window_(window),
      files_(std::move(files)),
      world_(world),
      native_(window, descriptors(files_)),
      mm_(AddressSpace::create(world.env)) {
  const std::shared_ptr<FileMapping> block = world.file(FileKind::kShmem, 0);
  const auto add = [&](std::uint64_t from, std::uint64_t to) {
    mm_->vmas.insert(Vma{.start = Gva(from),
                         .end = Gva(to),
                         .flags = VmFlags(VmFlags::kShared | VmFlags::kMayShare | VmFlags::kMayRead |
                                          VmFlags::kMayWrite | VmFlags::kMayExec),
                         .pgoff = Pgoff(0),
                         .file = block,
                         .name = "block"});
  };
  const std::uint64_t low = NativeProcess::min_address();
  mm_->limits.mmap_min_addr = low;
  add(low, window.start);
  add(window.end, NativeProcess::kTaskSize);
  mm_->total_vm = ((window.start - low) + (NativeProcess::kTaskSize - window.end)) >> kPageShift;
  start_.total = mm_->total_vm;
  // What the child may do, and what the machine has.
  const bool root = geteuid() == 0;
  mm_->limits.may_lock_without_limit = root;
  mm_->limits.may_map_low = root;
  struct sysinfo machine {};
  sysinfo(&machine);
  mm_->limits.commit_pages = (machine.totalram + machine.totalswap) / kPageSize * machine.mem_unit;
}

std::int64_t Mirror::touch(std::uint64_t address, bool write) {
  const PteSlot slot = mm_->tables().find(Gva(address));
  const Pte entry = slot.valid() ? slot.load() : Pte();
  if (entry.present() && (!write || entry.writable())) return 0;
  const std::uint32_t error =
      ErrorCode::kUser | (write ? ErrorCode::kWrite : 0U) | (entry.present() ? ErrorCode::kPresent : 0U);
  const FaultOutcome outcome =
      handle_page_fault(*mm_, {.address = Gva(address), .error = ErrorCode(error), .ip = Gva(0)});
  switch (outcome.result) {
    case FaultResult::kResolved: return 0;
    case FaultResult::kBusMceErrAr:
    case FaultResult::kBusAdrErr: return -SIGBUS;
    case FaultResult::kSegvPkuErr:
    case FaultResult::kSegvMapErr:
    case FaultResult::kSegvAccErr: return -SIGSEGV;
    case FaultResult::kOutOfMemory:
    case FaultResult::kPgtableBad:
    case FaultResult::kInterrupted:
    case FaultResult::kVsyscall:
    case FaultResult::kOops: return -SIGKILL;
  }
  return -SIGKILL;
}

SysResult<Gva> Mirror::mmap_here(const Request& r) {
  const auto& a = r.args;
  MmapRequest request{
      .address = a[0], .length = a[1], .prot = static_cast<int>(a[2]), .flags = static_cast<int>(a[3]), .offset = a[5]};
  if ((a[3] & MAP_ANONYMOUS) == 0) {
    const MirrorFile& file = files_[a[4]];
    request.file = file.mapping;
    request.file_readable = file.readable;
    request.file_writable = file.writable;
    request.name = "file";
  }
  return do_mmap(*mm_, request);
}

void Mirror::set_limit(std::uint64_t resource, std::uint64_t bytes) {
  if (resource == RLIMIT_AS) mm_->limits.address_space = bytes + start_.total * kPageSize;
  if (resource == RLIMIT_DATA) mm_->limits.data = bytes;
  if (resource == RLIMIT_MEMLOCK) mm_->limits.memlock = bytes;
}

std::int64_t Mirror::fork(bool parent_unmaps) {
  auto child = fork_address_space(*mm_);
  if (!child) return -child.error().value();
  if (parent_unmaps) static_cast<void>(do_munmap(*mm_, window_.start, window_.end - window_.start));
  parents_.push_back(std::exchange(mm_, std::move(*child)));
  return 0;
}

std::optional<std::string> Mirror::check() const {
  std::vector<const AddressSpace*> spaces{mm_.get()};
  for (const auto& parent : parents_) spaces.push_back(parent.get());
  return check_invariants(world_.env, spaces);
}

Reply Mirror::run(const Request& r) {
  const auto& a = r.args;
  const auto flags = [&](std::size_t i) { return static_cast<int>(a[i]); };
  Reply reply;
  switch (r.number) {
    case Request::kRead: reply.result = touch(a[0], false); break;
    case Request::kWrite: reply.result = touch(a[0], true); break;
    case Request::kLimit: set_limit(a[0], a[1]); break;
    case Request::kDropRights: mm_->limits.may_lock_without_limit = mm_->limits.may_map_low = false; break;
    case Request::kFork: reply.result = fork(a[0] != 0); break;
    case SYS_mmap: reply.result = as_result(mmap_here(r)); break;
    case SYS_munmap: reply.result = as_result(do_munmap(*mm_, a[0], a[1])); break;
    case SYS_mprotect: reply.result = as_result(do_mprotect(*mm_, a[0], a[1], flags(2))); break;
    case SYS_mremap: reply.result = as_result(do_mremap(*mm_, a[0], a[1], a[2], flags(3), a[4])); break;
    case SYS_madvise: reply.result = as_result(do_madvise(*mm_, a[0], a[1], flags(2))); break;
    case SYS_pkey_mprotect: reply.result = as_result(do_mprotect(*mm_, a[0], a[1], flags(2), flags(3))); break;
    case SYS_pkey_alloc: reply.result = as_result(do_pkey_alloc(*mm_, a[0], a[1])); break;
    case SYS_pkey_free: reply.result = as_result(do_pkey_free(*mm_, flags(0))); break;
    case Request::kMseal: reply.result = as_result(do_mseal(*mm_, a[0], a[1], a[2])); break;
    case SYS_mlock: reply.result = as_result(do_mlock(*mm_, a[0], a[1], false)); break;
    case SYS_mlock2: reply.result = as_result(do_mlock(*mm_, a[0], a[1], a[2] == 1)); break;
    case SYS_munlock: reply.result = as_result(do_munlock(*mm_, a[0], a[1])); break;
    case SYS_mlockall: reply.result = as_result(do_mlockall(*mm_, flags(0))); break;
    case SYS_munlockall: reply.result = as_result(do_munlockall(*mm_)); break;
    case SYS_msync: reply.result = as_result(do_msync(*mm_, a[0], a[1], flags(2))); break;
    case SYS_mincore: {
      const auto vector = std::as_writable_bytes(std::span(reply.vector));
      reply.result = as_result(do_mincore(*mm_, a[0], a[1], vector));
      break;
    }
    default: reply.result = -ENOSYS;
  }
  return reply;
}

std::string Mirror::ours() const {
  std::string text;
  for (const auto& [start, vma] : mm_->vmas) {
    if (start.raw() < window_.start || start.raw() >= window_.end) continue;
    const Resident r = resident(*mm_, vma);
    text += line(window_.start, vma.start.raw(), vma.end.raw(), vma.flags, r.all, r.anonymous);
  }
  return text;
}

std::string Mirror::theirs() const {
  std::string text;
  for (const NativeVma& vma : native_.vmas())
    text += line(window_.start, vma.start, vma.end, vma.flags, vma.rss, vma.anonymous);
  return text;
}

std::optional<std::string> Mirror::compare_vmas() const {
  const std::vector<NativeVma> native = native_.vmas();
  std::map<std::uint64_t, const FileMapping*> by_inode;
  std::map<const FileMapping*, std::uint64_t> by_file;
  std::size_t i = 0;
  for (const auto& [start, vma] : mm_->vmas) {
    if (start.raw() < window_.start || start.raw() >= window_.end) continue;
    if (i == native.size()) return "a VMA more than the kernel has";
    const NativeVma& n = native[i++];
    if (n.start != vma.start.raw() || n.end != vma.end.raw()) return "bounds differ";
    // Not every 6.18 shows "gu".
    const VmFlags shown = vma.flags.without(VmFlags::kMaybeGuard);
    if (n.flags != shown) return fmt::format("flags differ by {:#x}", n.flags.raw() ^ shown.raw());
    const Resident r = resident(*mm_, vma);
    if (n.rss != r.all || n.anonymous != r.anonymous) return "resident pages differ";
    if ((n.inode != 0) != !vma.anonymous()) return "file or not differs";
    if (n.inode == 0) continue;
    if (n.offset != vma.pgoff.raw() << kPageShift) return "file offset differs";
    // Equal files natively are equal files here, and the other way round.
    if (by_inode.emplace(n.inode, vma.file.get()).first->second != vma.file.get()) return "file identity differs";
    if (by_file.emplace(vma.file.get(), n.inode).first->second != n.inode) return "file identity differs";
  }
  if (i != native.size()) return "a VMA less than the kernel has";
  return std::nullopt;
}

std::optional<std::string> Mirror::compare_counters() const {
  const NativeCounters n = native_.counters();
  if (n.total != mm_->total_vm - start_.total)
    return fmt::format("total_vm: kernel {}, here {}", n.total, mm_->total_vm - start_.total);
  if (n.data != mm_->data_vm) return fmt::format("data_vm: kernel {}, here {}", n.data, mm_->data_vm);
  if (n.stack != mm_->stack_vm) return fmt::format("stack_vm: kernel {}, here {}", n.stack, mm_->stack_vm);
  if (n.locked != mm_->locked_vm) return fmt::format("locked_vm: kernel {}, here {}", n.locked, mm_->locked_vm);
  // A forked child has fewer at first for what lies outside the window.
  const std::uint64_t tables = mm_->tables().tables();
  if (parents_.empty() && n.tables != tables) return fmt::format("page tables: kernel {}, here {}", n.tables, tables);
  return std::nullopt;
}

std::optional<std::string> Mirror::step(const Request& request) {
  history_.push_back(describe(request));
  const std::string before = ours();
  const Reply native = native_.call(request);
  const Reply here = run(request);
  ++(native.result < 0 ? failed : succeeded);
  std::optional<std::string> difference;
  if (native.result != here.result)
    difference = fmt::format("the kernel returns {}, we {}", native.result, here.result);
  if (!difference && request.number == SYS_mincore && native.result == 0 && native.vector != here.vector) {
    difference = "mincore vectors differ: ";
    for (std::size_t i = 0; i < native.vector.size(); ++i)
      *difference += fmt::format("{}{} ", native.vector[i] & 1, here.vector[i]);
  }
  if (!difference) difference = compare_vmas();
  if (!difference) difference = compare_counters();
  if (!difference) difference = check();
  if (difference)
    *difference += fmt::format("\nafter {}\nbefore\n{}here\n{}kernel\n{}", describe(request), before, ours(), theirs());
  return difference;
}

std::string Mirror::history() const {
  std::string text;
  const std::size_t first = history_.size() > 25 ? history_.size() - 25 : 0;
  for (std::size_t i = first; i < history_.size(); ++i) text += fmt::format("{:5} {}\n", i, history_[i]);
  return text;
}

}  // namespace faultline::mmu::testing
