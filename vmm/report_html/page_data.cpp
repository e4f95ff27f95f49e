// Everything but faults: processes, VMAs, exits, system calls, signals, counters.
#include "vmm/report_html/page_data.hpp"

#include "vmm/linux_abi/syscall.hpp"

namespace faultline::vmm::report_html {

namespace {

// True when there is room for one more row; counts it as left out otherwise.
bool room(std::size_t rows, std::size_t limit, std::uint64_t& left_out) {
  if (rows < limit) return true;
  ++left_out;
  return false;
}

std::uint64_t difference(std::uint64_t later, std::uint64_t earlier) { return later > earlier ? later - earlier : 0; }

}  // namespace

PageData::PageData(const recording::RunInfo& info, Limits limits) : info_(info), limits_(limits) {}

void PageData::add(const recording::Event& event) {
  if (first_event_ == 0) first_event_ = event.number;
  last_event_ = event.number;
  last_time_ = std::max(last_time_, event.time_ns);
  std::visit([&](const auto& body) { take(event, body); }, event.body);
}

void PageData::take(const recording::Event& event, const recording::Exit& exit) {
  if (!room(exits_.reason.rows(), limits_.exits, left_out_.exits)) return;
  exits_.entered.add(exit.entered_ns);
  exits_.left.add(exit.left_ns);
  exits_.reason.add(texts_.id(recording::name(exit.reason)));
  exits_.space.add(space_of(event.process));
}

void PageData::take(const recording::Event& event, const recording::Syscall& call) {
  if (!room(syscalls_.name.rows(), limits_.syscalls, left_out_.syscalls)) return;
  syscalls_.event.add(event.number);
  syscalls_.time.add(call.started_ns);
  syscalls_.duration.add(clamp32(difference(call.ended_ns, call.started_ns)));
  const std::string_view name = linux_abi::syscall_name(call.number);
  syscalls_.name.add(texts_.id(name.empty() ? "system call " + std::to_string(call.number) : std::string(name)));
  // The page tells success from an errno; what else a call returns it does not show.
  const bool failed = call.result < 0 && call.result >= -4095;
  syscalls_.result.add(failed ? static_cast<std::uint32_t>(-call.result) : 0);
  syscalls_.space.add(space_of(event.process));
  syscalls_.blocked.add(call.blocked ? 1 : 0);
}

void PageData::take(const recording::Event& event, const recording::Signal& signal) {
  if (!room(signals_.number.rows(), limits_.signals, left_out_.signals)) return;
  signals_.event.add(event.number);
  signals_.time.add(event.time_ns);
  signals_.address.add(signal.address.raw());
  signals_.number.add(static_cast<std::uint32_t>(signal.number));
  signals_.name.add(texts_.id(signal_name(signal.number)));
  signals_.code.add(texts_.id(si_code_name(signal.number, signal.code)));
  signals_.action.add(texts_.id(recording::name(signal.action)));
  signals_.space.add(space_of(event.process));
}

void PageData::take(const recording::Event& event, const recording::Counters& counters) {
  if (!room(counters_.space.rows(), limits_.counters, left_out_.counters)) return;
  counters_.time.add(event.time_ns);
  counters_.rss.add(counters.rss_pages);
  counters_.tables.add(counters.table_pages);
  counters_.free.add(counters.free_frames);
  counters_.space.add(space_of(event.process));
}

void PageData::take(const recording::Event&, const recording::End& end) { end_ = end; }

void PageData::take(const recording::Event& event, const recording::ProcessChange& change) {
  const auto now = current_.find(event.process);
  switch (change.event) {
    case recording::ProcessEvent::kStart:
    case recording::ProcessEvent::kFork: take_space(event, change, change.parent); return;
    case recording::ProcessEvent::kExec:
      if (now != current_.end() && spaces_[now->second].root == change.root.raw()) {
        spaces_[now->second].program = texts_.id(change.program);
      } else {
        take_space(event, change, now == current_.end() ? 0 : spaces_[now->second].parent);
      }
      return;
    case recording::ProcessEvent::kExit: {
      if (now == current_.end()) return;
      const std::uint32_t index = now->second;
      if (spaces_[index].process == event.process) spaces_[index].status = change.status;
      leave_space(event.process, event.number);
      // What else is said of it is said of what it was.
      if (spaces_[index].users == 0) current_[event.process] = index;
      return;
    }
  }
}

void PageData::take(const recording::Event& event, const recording::VmaChange& change) {
  const std::uint32_t index = space_of(event.process);
  Space& space = spaces_[index];
  for (const Gva start : change.removed) close_vma(space, start.raw(), event.number);
  for (const VmaInfo& vma : change.added) {
    close_vma(space, vma.start.raw(), event.number);
    if (!room(vma_rows_.size(), limits_.vmas, left_out_.vmas)) continue;
    space.vmas[vma.start.raw()] = vma_rows_.size();
    vma_rows_.push_back({index, vma_id(vma), texts_.id(change.operation), event.number, 0});
  }
}

void PageData::take(const recording::Event& event, const recording::TableEdits& edits) {
  add_edits(event.number, space_at(edits.root.raw(), event.number), edits.edits);
}

std::uint32_t PageData::add_edits(std::uint64_t event, std::uint32_t space, std::span<const mmu::PteEdit> edits) {
  std::uint32_t added = 0;
  for (const mmu::PteEdit& edit : edits) {
    if (!room(edits_.level.rows(), limits_.edits, left_out_.edits)) continue;
    edits_.event.add(event);
    edits_.space.add(space);
    edits_.level.add(edit.level);
    edits_.address.add(edit.address.raw());
    edits_.slot.add(edit.slot.raw());
    edits_.before.add(edit.before.raw());
    edits_.after.add(edit.after.raw());
    ++added;
  }
  return added;
}

// The space of a process that no event announced, as in a ring whose start is gone, is made here.
std::uint32_t PageData::space_of(std::uint32_t process) {
  if (const auto found = current_.find(process); found != current_.end()) return found->second;
  const std::uint32_t index = new_space(0, first_event_);
  spaces_[index].process = process;
  ++spaces_[index].users;
  return current_[process] = index;
}

// The walk says whose tables they are: a child's, while its parent makes it.
std::uint32_t PageData::space_of(const FaultRecord& record, std::uint64_t event) {
  if (record.before.count == 0) return space_of(record.process);
  const std::uint64_t root = record.before.steps[0].slot.page_base().raw();
  const auto now = current_.find(record.process);
  if (now != current_.end() && spaces_[now->second].root == 0 && !root_space_.contains(root)) {
    spaces_[now->second].root = root;
    root_space_[root] = now->second;
  }
  const std::uint32_t index = space_at(root, event);
  if (now == current_.end()) {
    current_[record.process] = index;
    ++spaces_[index].users;
    if (spaces_[index].process == 0) spaces_[index].process = record.process;
  }
  return index;
}

std::uint32_t PageData::space_at(std::uint64_t root, std::uint64_t event) {
  const auto found = root_space_.find(root);
  return found != root_space_.end() ? found->second : root_space_[root] = new_space(root, event);
}

std::uint32_t PageData::new_space(std::uint64_t root, std::uint64_t event) {
  // When there are too many, the last one stands for all that follow.
  if (room(spaces_.size(), limits_.spaces, left_out_.spaces)) {
    spaces_.emplace_back();
    spaces_.back().root = root;
    spaces_.back().from = event;
  }
  return static_cast<std::uint32_t>(spaces_.size() - 1);
}

void PageData::take_space(const recording::Event& event, const recording::ProcessChange& change, std::uint32_t parent) {
  const auto now = current_.find(event.process);
  // What was seen of it before it was announced, as while it was loaded, is its beginning.
  const bool begun = now != current_.end() && spaces_[now->second].users != 0 &&
                     (spaces_[now->second].root == change.root.raw() || spaces_[now->second].root == 0);
  if (!begun) leave_space(event.process, event.number);
  const std::uint32_t index = begun ? now->second : space_at(change.root.raw(), event.number);
  current_[event.process] = index;
  root_space_[change.root.raw()] = index;
  Space& space = spaces_[index];
  if (!begun) ++space.users;
  space.root = change.root.raw();
  if (space.process != 0 && space.process != event.process) return;  // vfork: the child is in its parent's
  space.process = event.process;
  space.parent = parent;
  space.program = texts_.id(change.program);
  // A child has its parent's program until it says otherwise.
  if (const auto from = current_.find(parent); change.program.empty() && from != current_.end())
    space.program = spaces_[from->second].program;
}

void PageData::leave_space(std::uint32_t process, std::uint64_t event) {
  const auto now = current_.find(process);
  if (now == current_.end()) return;
  const std::uint32_t index = now->second;
  current_.erase(now);
  Space& space = spaces_[index];
  if (space.users == 0 || --space.users != 0) return;
  space.to = event;
  if (const auto at = root_space_.find(space.root); at != root_space_.end() && at->second == index)
    root_space_.erase(at);
}

void PageData::close_vma(Space& space, std::uint64_t start, std::uint64_t event) {
  const auto at = space.vmas.find(start);
  if (at == space.vmas.end()) return;
  vma_rows_[at->second].to = event;
  space.vmas.erase(at);
}

std::uint32_t PageData::vma_id(const VmaInfo& vma) {
  const std::uint32_t name = texts_.id(vma.name.view());
  const auto [at, added] =
      vma_ids_.try_emplace({vma.start.raw(), vma.end.raw(), vma.flags.raw(), vma.pgoff.raw(), name},
                           static_cast<std::uint32_t>(vma_name_.rows()));
  if (added) {
    vma_start_.add(vma.start.raw());
    vma_end_.add(vma.end.raw());
    vma_pgoff_.add(vma.pgoff.raw());
    vma_flags_.add(texts_.id(vma.flags.text()));
    vma_bits_.add(vma.flags.raw());
    vma_name_.add(name);
  }
  return at->second;
}

}  // namespace faultline::vmm::report_html
