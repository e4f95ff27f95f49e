// What operations change: processes, VMAs, and the whole of it for a keyframe.
#include <algorithm>

#include "vmm/run/run_recorder.hpp"

namespace faultline::vmm {

using recording::ProcessChange;
using recording::ProcessEvent;
using recording::TableEdits;
using recording::VmaChange;

namespace {

// `list` in parts that one event holds.
template <class T, class Use>
void in_parts(const std::vector<T>& list, std::size_t most, Use use) {
  for (std::size_t at = 0; at < list.size(); at += most) {
    const auto from = list.begin() + static_cast<std::ptrdiff_t>(at);
    use(std::vector<T>(from, from + static_cast<std::ptrdiff_t>(std::min(most, list.size() - at))));
  }
}

// Every entry of the user half below the table, as edits that would make it.
void collect(const mmu::PhysMemory& memory, Gfn table, mmu::Level level, unsigned entries, std::uint64_t base,
             std::vector<mmu::PteEdit>& to) {
  for (unsigned i = 0; i < entries; ++i) {
    const mmu::PteSlot slot(memory, table, i);
    const mmu::Pte entry = slot.load();
    if (entry.none()) continue;
    const std::uint64_t address = base + i * mmu::level_span(level);
    to.push_back({Gva(address), level, slot.address(), mmu::Pte(), entry});
    if (entry.kind(level) == mmu::PteKind::kTable)
      collect(memory, entry.frame(level), level - 1, mmu::kEntriesPerTable, address, to);
  }
}

}  // namespace

void RunRecorder::settle(linux_abi::Task& task, std::string_view operation) {
  if (!active_) return;
  note_processes(task);
  if (task.has_mm()) note_vmas(number_of(task), task.mm(), operation);
  flush_edits();
}

// Children that were not there before, and another program in the task itself.
void RunRecorder::note_processes(linux_abi::Task& task) {
  if (process_table_->started() != known_started_) {
    known_started_ = process_table_->started();
    for (const auto& [pid, other] : process_table_->all()) {
      const auto number = static_cast<std::uint32_t>(pid);
      const auto known = processes_.find(number);
      if ((known != processes_.end() && !known->second.status) || !other->has_mm()) continue;
      Process& child = processes_[number] = Process{};
      child.root = Gpa(other->mm().tables().root());
      child.parent = static_cast<std::uint32_t>(other->parent_pid());
      child.program = other->config().program_path;
      write(number, now(), ProcessChange{ProcessEvent::kFork, child.parent, child.root, child.program, 0});
      note_vmas(number, other->mm(), "fork");
    }
  }
  if (!task.has_mm()) return;
  Process& process = processes_[number_of(task)];
  const Gpa root(task.mm().tables().root());
  if (root == process.root) return;
  const Gpa old = std::exchange(process.root, root);
  process.program = task.config().program_path;
  write(number_of(task), now(), ProcessChange{ProcessEvent::kExec, process.parent, root, process.program, 0});
  if (!in_use(old)) vmas_.forget(old);
}

bool RunRecorder::in_use(Gpa root) const {
  const auto lives_there = [root](const auto& entry) { return entry.second.root == root && !entry.second.status; };
  const auto current = processes_.find(current_);  // nearly always: every fault asks
  return (current != processes_.end() && lives_there(*current)) || std::ranges::any_of(processes_, lives_there);
}

void RunRecorder::note_vmas(std::uint32_t pid, const mmu::AddressSpace& mm, std::string_view operation,
                            std::optional<std::uint64_t> at_ns) {
  if (!active_) return;
  const VmaTracker::Difference change = vmas_.update(mm);
  if (change.empty()) return;
  const bool whole = operation == "exec" || operation == "execve" || operation == "execveat" || operation == "fork";
  write_vma_change(pid, at_ns ? *at_ns : now(),
                   {.operation = std::string(operation),
                    .start = whole ? Gva() : change.start,
                    .end = whole ? Gva() : change.end,
                    .removed = change.removed,
                    .added = change.added});
}

void RunRecorder::write_vma_change(std::uint32_t pid, std::uint64_t time_ns, const VmaChange& change) {
  const std::size_t most = recording::kMaxVmasInEvent;
  if (change.removed.size() <= most && change.added.size() <= most) return write(pid, time_ns, change);
  VmaChange part{change.operation, change.start, change.end, {}, {}};
  in_parts(change.removed, most, [&](std::vector<Gva> removed) {
    part.removed = std::move(removed);
    write(pid, time_ns, part);
  });
  part.removed.clear();
  in_parts(change.added, most, [&](std::vector<VmaInfo> added) {
    part.added = std::move(added);
    write(pid, time_ns, part);
  });
}

// The memory of the first process stays as it was: reports and `walk` show it.
void RunRecorder::process_ended(std::uint32_t pid, int shell_status) {
  if (!active_) return;
  Process& process = processes_[pid];
  process.status = shell_status;
  if (process.parent != 0 && !in_use(process.root))
    write_vma_change(pid, now(),
                     {.operation = "exit", .start = {}, .end = {}, .removed = vmas_.forget(process.root), .added = {}});
  flush_edits();
  write(pid, now(), ProcessChange{ProcessEvent::kExit, process.parent, process.root, process.program, shell_status});
}

void RunRecorder::write_keyframe() {
  faults_->finish();
  const std::uint64_t time = now();
  std::map<Gpa, bool> told;
  for (const auto& [pid, process] : processes_) {
    const auto tell = [&, number = pid](const recording::Body& body) { writer_->keyframe_event(time, number, body); };
    ProcessChange change{process.parent == 0 ? ProcessEvent::kStart : ProcessEvent::kFork, process.parent, process.root,
                         process.program, 0};
    tell(change);
    const bool first = pid == static_cast<std::uint32_t>(process_table_->first().pid());
    const linux_abi::Task* task = first ? &process_table_->first() : process_table_->find(static_cast<int>(pid));
    const bool has_memory = task != nullptr && task->has_mm() && (first || !process.status);
    if (has_memory && !std::exchange(told[process.root], true)) {
      in_parts(vmas_.all(process.root), recording::kMaxVmasInEvent, [&](std::vector<VmaInfo> vmas) {
        tell(VmaChange{"", {}, {}, {}, std::move(vmas)});
      });
      std::vector<mmu::PteEdit> entries;
      const mmu::PageTables& tables = task->mm().tables();
      collect(tables.memory(), tables.root(), mmu::levels(tables.mode()), mmu::kEntriesPerTable / 2, 0, entries);
      in_parts(entries, recording::kMaxEditsInEvent, [&, root = process.root](std::vector<mmu::PteEdit> part) {
        tell(TableEdits{root, std::move(part)});
      });
    }
    recording::Counters counters = process.counters;
    counters.faults = process.faults;
    counters.syscalls = process.syscalls;
    tell(counters);
    if (!process.status) continue;
    change.event = ProcessEvent::kExit;
    change.status = *process.status;
    tell(change);
  }
  writer_->keyframe_event(time, current_, recording::Switch{});
  writer_->end_keyframe();
}

}  // namespace faultline::vmm
