#include "tests/web/made_up.hpp"

#include <array>

namespace faultline::test {

using mmu::ErrorCode;
using mmu::FaultStep;
using mmu::Pte;
using mmu::VmFlags;
using namespace vmm::recording;

namespace {

constexpr std::uint32_t kProcess = 4711;
constexpr std::uint64_t kText = 0x400000, kData = 0x600000, kHeap = 0x1000000, kFile = 0x7f0000000000,
                        kStack = 0x7ffffff00000;
constexpr std::uint32_t kPrivate = VmFlags::kMayRead | VmFlags::kMayWrite | VmFlags::kMayExec;
constexpr std::uint64_t kHeapPages = 40000, kFilePages = 60000, kDataPages = 4096;
constexpr std::uint64_t kPageFlags = Pte::kPresent | Pte::kUser | Pte::kAccessed;

vmm::VmaInfo area(std::uint64_t start, std::uint64_t pages, std::uint32_t flags, std::string_view name) {
  vmm::VmaInfo info;
  info.start = Gva(start);
  info.end = Gva(start + pages * kPageSize);
  info.flags = VmFlags(flags);
  info.pgoff = Pgoff(start / kPageSize);
  info.name.assign(name);
  return info;
}

}  // namespace

// What one fault is to look like.
struct MadeUp::Plan {
  Gva address;
  std::uint32_t error = 0;
  std::optional<vmm::VmaInfo> vma;
  std::array<FaultStep, 4> steps{};
  std::size_t step_count = 0;
  std::uint64_t leaf = 0;   // flags of the page's new entry; 0: none
  unsigned neighbours = 0;  // pages that are mapped beside it
  bool copy = false;
  int signal = 0;
  std::uint64_t cost = 1000;
  void path(std::initializer_list<FaultStep> list) {
    for (const FaultStep step : list) steps[step_count++] = step;
  }
};

RunInfo MadeUp::info() const {
  RunInfo info;
  info.faultline_version = "0.1.0";
  info.backend = "kvm-pvm";
  info.linux_behaviour = "6.18";
  info.host_kernel = "6.12.33";
  info.cpu = "A processor";
  info.command = {options_.program, "--rows", "all"};
  info.memory_bytes = 512ULL << 20;
  info.started_unix_ns = 1'795'219'200'000'000'000;
  return info;
}

void MadeUp::emit(Body body, std::uint64_t time) { take_(Event{++number_, time, kProcess, std::move(body)}); }

std::uint64_t MadeUp::random(std::uint64_t below) {
  seed_ = seed_ * 6364136223846793005ULL + 1442695040888963407ULL;
  return (seed_ >> 33) % below;
}

void MadeUp::exit(std::uint64_t entered, std::uint64_t left, ExitReason reason) {
  Exit exit;
  exit.reason = reason;
  exit.entered_ns = entered;
  exit.left_ns = left;
  emit(exit, left);
}

void MadeUp::start() {
  emit(ProcessChange{ProcessEvent::kStart, 1, Gpa(0x50000), options_.program, 0}, 1000);
  VmaChange change;
  change.operation = "exec";
  change.added = {area(kText, 256, VmFlags::kRead | VmFlags::kExec | kPrivate, options_.program),
                  area(kData, kDataPages, VmFlags::kRead | VmFlags::kWrite | kPrivate, options_.program),
                  area(kHeap, kHeapPages, VmFlags::kRead | VmFlags::kWrite | kPrivate, "[heap]"),
                  area(kFile, kFilePages, VmFlags::kRead | kPrivate, options_.file),
                  area(kFile + (kFilePages << 12), 16, kPrivate, ""),
                  area(kStack, 34, VmFlags::kRead | VmFlags::kWrite | VmFlags::kGrowsDown | kPrivate, "[stack]")};
  emit(change, 1500);
  clock_ = 2000;
}

void MadeUp::system_call(std::uint64_t number, std::uint64_t ns) {
  const std::uint64_t entered = clock_, left = entered + 300 + random(5000);
  exit(entered, left, ExitReason::kSyscall);
  Syscall call;
  call.number = number;
  call.started_ns = left + 100;
  call.ended_ns = left + 100 + ns;
  call.result = random(20) == 0 ? -2 : 64;
  emit(call, call.started_ns);
  clock_ = call.ended_ns + 200;
}

void MadeUp::run() {
  start();
  const std::array areas = {area(kText, 256, VmFlags::kRead | VmFlags::kExec | kPrivate, options_.program),
                            area(kData, kDataPages, VmFlags::kRead | VmFlags::kWrite | kPrivate, options_.program),
                            area(kHeap, kHeapPages, VmFlags::kRead | VmFlags::kWrite | kPrivate, "[heap]"),
                            area(kFile, kFilePages, VmFlags::kRead | kPrivate, options_.file),
                            area(kStack, 34, VmFlags::kRead | VmFlags::kWrite | kPrivate, "[stack]")};
  for (std::uint64_t n = 0; n + 1 < options_.faults; ++n) {
    Plan plan;
    plan.cost = 600 + random(900) + (random(50) == 0 ? random(200000) : 0);
    const std::uint64_t chance = random(100);
    const std::uint64_t offset = random(512) * 8;
    if (chance < 50) {
      plan.vma = areas[2];
      plan.address = Gva(kHeap + (n * 7 % kHeapPages << 12) + offset);
      plan.error = ErrorCode::kUser | ErrorCode::kWrite;
      plan.path({FaultStep::kVmaLocked, FaultStep::kAnonymousPage});
      plan.leaf = kPageFlags | Pte::kWrite | Pte::kDirty | Pte::kNoExecute;
    } else if (chance < 75) {
      plan.vma = areas[3];
      plan.address = Gva(kFile + (n * 13 % (kFilePages - 16) << 12) + offset);
      plan.error = ErrorCode::kUser;
      plan.path({FaultStep::kVmaLocked, FaultStep::kReadFault, FaultStep::kFaultAround});
      plan.leaf = kPageFlags | Pte::kNoExecute;
      plan.neighbours = 15;
    } else if (chance < 80) {
      plan.vma = areas[0];
      plan.address = Gva(kText + (random(256) << 12) + offset);
      plan.error = ErrorCode::kUser | ErrorCode::kFetch;
      plan.path({FaultStep::kVmaLocked, FaultStep::kReadFault, FaultStep::kFaultAround});
      plan.leaf = kPageFlags;
    } else if (chance < 97) {
      plan.vma = areas[1];
      plan.address = Gva(kData + (random(kDataPages) << 12) + offset);
      plan.leaf = kPageFlags | Pte::kWrite | Pte::kDirty | Pte::kNoExecute;
      plan.copy = true;
      const Pte now = entry(plan.address.page_base(), 1);
      if (now.writable()) {
        // Another thread was here first.
        plan.error = ErrorCode::kUser | ErrorCode::kWrite | ErrorCode::kPresent;
        plan.path({FaultStep::kVmaLocked, FaultStep::kSpurious});
        plan.leaf = 0;
      } else if (now.present()) {
        plan.error = ErrorCode::kUser | ErrorCode::kWrite | ErrorCode::kPresent;
        plan.path({FaultStep::kVmaFound, FaultStep::kWriteProtect, FaultStep::kCopy});
      } else if (random(2) == 0) {
        plan.error = ErrorCode::kUser;
        plan.path({FaultStep::kVmaLocked, FaultStep::kAnonymousZero});
        plan.leaf = kPageFlags | Pte::kSpecial | Pte::kNoExecute;
        plan.copy = false;
      } else {
        plan.error = ErrorCode::kUser | ErrorCode::kWrite;
        plan.path({FaultStep::kVmaLocked, FaultStep::kCowFault});
      }
    } else {
      system_call(chance == 97 ? 0 : 257, 2000 + random(20000));
      plan.vma = areas[4];
      plan.address = Gva(kStack + (random(34) << 12) + offset);
      plan.error = ErrorCode::kUser | ErrorCode::kWrite;
      plan.path({FaultStep::kVmaLocked, FaultStep::kAnonymousPage});
      plan.leaf = kPageFlags | Pte::kWrite | Pte::kDirty | Pte::kNoExecute;
    }
    fault(plan);
    if (n % 64 == 0) emit(Counters{resident_, tables_.size(), 120000 - resident_, sequence_, 0}, clock_);
  }
  Plan last;
  last.address = Gva(0x8);
  last.error = ErrorCode::kUser;
  last.path({FaultStep::kVmaFound, FaultStep::kNoVma});
  last.signal = 11;
  fault(last);
  emit(Signal{11, 1, Gva(0x8), SignalAction::kKilled}, clock_);
  emit(ProcessChange{ProcessEvent::kExit, 0, Gpa(), "", 139}, clock_ + 1000);
  emit(End{"killed by SIGSEGV", 139}, clock_ + 2000);
}

Gpa MadeUp::slot(Gva address, mmu::Level level) {
  const std::uint64_t base = level == 4 ? 0 : address.raw() & ~(mmu::level_span(level + 1) - 1);
  std::uint64_t& table = tables_[{level, base}];
  if (table == 0) table = level == 4 ? 0x50 : next_frame_++;
  return Gpa(Gfn(table)) + 8 * mmu::table_index(address, level);
}

Pte& MadeUp::entry(Gva address, mmu::Level level) {
  return entries_[{level, address.raw() & ~(mmu::level_span(level) - 1)}];
}

mmu::Walk MadeUp::walk(Gva address) {
  mmu::Walk walk;
  walk.address = address;
  for (mmu::Level level = 4; level >= 1; --level) {
    const Pte here = entry(address, level);
    walk.steps[walk.count++] = {level, slot(address, level), here, {here.writable(), here.user(), !here.no_execute()}};
    walk.end = here.present() ? mmu::WalkEnd::kMapped : mmu::WalkEnd::kNotPresent;
    if (!here.present()) break;
  }
  return walk;
}

void MadeUp::map(Fault& fault, Gva page, Pte leaf) {
  for (mmu::Level level = 4; level >= 1; --level) {
    Pte& here = entry(page, level);
    if (level > 1 && here.present()) continue;
    const Gpa at = slot(page, level);
    const Pte after = level > 1 ? Pte::make(Gfn(slot(page, level - 1).page()), Pte::kTableFlags) : leaf;
    const Gva first(page.raw() & ~(mmu::level_span(level) - 1));
    if (level == 1 && !here.present()) ++resident_;
    fault.record.edits.add({first, level, at, here, after});
    fault.all_edits.push_back({first, level, at, here, after});
    here = after;
  }
}

void MadeUp::fault(const Plan& plan) {
  const std::uint64_t entered = clock_, left = entered + 200 + random(4000);
  exit(entered, left, ExitReason::kPageFault);
  Fault fault;
  vmm::FaultRecord& r = fault.record;
  r.backend.assign("kvm-pvm");
  r.process = kProcess;
  r.sequence = ++sequence_;
  r.ip = Gva(kText + 0x1230 + random(40) * 5);
  r.address = plan.address;
  r.error = ErrorCode(plan.error);
  const bool write = r.error.write();
  r.instruction.status = vmm::decode::DecodeStatus::kDecoded;
  r.instruction.length = r.instruction.fetched = 3;
  r.instruction.bytes = {0xc6, 0x02, 0x01};
  r.instruction.text.assign(write             ? "mov byte ptr [rdx], 1"
                            : r.error.fetch() ? "ret"
                                              : "mov rax, qword ptr [rdi + rcx*8]");
  r.instruction.cross_checked = true;
  vmm::decode::MemOperand fetch;
  fetch.role = vmm::decode::OperandRole::kFetch;
  fetch.width = 3;
  r.instruction.add_operand(fetch);
  vmm::decode::MemOperand operand;
  operand.access = write ? vmm::decode::Access::kWrite : vmm::decode::Access::kRead;
  operand.width = write ? 1 : 8;
  r.instruction.add_operand(operand);
  r.verdict.operand = r.error.fetch() ? 0 : 1;
  r.verdict.explanation = vmm::decode::Explanation::kOperand;
  r.verdict.place = vmm::decode::Cr2Place::kFirstByte;
  r.verdict.access = vmm::decode::Agreement::kAgrees;
  r.before = walk(plan.address);
  r.blame = mmu::blame(r.before, r.error);
  r.vma = plan.vma;
  for (std::size_t n = 0; n < plan.step_count; ++n) r.path.add(plan.steps[n]);
  if (plan.leaf != 0) {
    const Gva page = plan.address.page_base();
    const Gfn old = entry(page, 1).frame(), fresh(next_frame_++);
    r.edits.add_allocated(fresh);
    if (plan.copy && entry(page, 1).present()) r.edits.add_copied(old, fresh);
    map(fault, page, Pte::make(fresh, plan.leaf));
    for (unsigned n = 1; n <= plan.neighbours; ++n) {
      const Gva beside = page + n * kPageSize;
      if (!entry(beside, 1).present()) map(fault, beside, Pte::make(Gfn(next_frame_++), plan.leaf));
    }
  }
  if (plan.signal != 0) {
    r.end = vmm::FaultEnd::kSignal;
    r.signal = plan.signal;
    r.si_code = 1;
    r.signal_address = plan.address;
  }
  r.times = {left - entered, plan.cost / 8, plan.cost / 4, plan.cost / 2, plan.cost / 8};
  fault.ended_ns = left + plan.cost;
  emit(fault, left);
  clock_ = left + plan.cost;
}

}  // namespace faultline::test
