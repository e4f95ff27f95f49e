#include "vmm/recording/state.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "mmu/pgtable/walk_with.hpp"

namespace faultline::vmm::recording {

namespace {

void apply_edits(TableEntries& entries, std::span<const mmu::PteEdit> edits) {
  for (const mmu::PteEdit& e : edits) {
    if (e.after.none()) {
      entries.erase(e.slot.raw());
    } else {
      entries.insert_or_assign(e.slot.raw(), TableEntry{e.address, e.level, e.after});
    }
  }
}

bool alive(const ProcessState& process) { return !process.status; }

// Every process whose tables these are (vfork: two), or those that no process has yet or any more.
void apply_to_root(MachineState& machine, Gpa root, std::span<const mmu::PteEdit> edits) {
  bool owned = false;
  for (auto& [pid, process] : machine.processes) {
    if (process.root != root || process.memory_gone) continue;
    apply_edits(process.entries, edits);
    owned = true;
  }
  if (owned || edits.empty()) return;
  TableEntries& entries = machine.unowned[root.raw()];
  apply_edits(entries, edits);
  if (entries.empty()) machine.unowned.erase(root.raw());
}

const ProcessState* owner(const MachineState& machine, Gpa root, std::uint32_t other_than) {
  for (const auto& [pid, process] : machine.processes)
    if (pid != other_than && process.root == root && alive(process)) return &process;
  return nullptr;
}

// The process has the tables at `root` from now on: those of its parent, as vfork's child, or new ones.
void take_root(MachineState& machine, ProcessState& process, Gpa root) {
  process.root = root;
  process.memory_gone = false;
  process.entries.clear();
  process.vmas.clear();
  if (const ProcessState* shared = owner(machine, root, process.process)) {
    process.entries = shared->entries;
    process.vmas = shared->vmas;
    return;
  }
  const auto waiting = machine.unowned.find(root.raw());
  if (waiting == machine.unowned.end()) return;
  process.entries = std::move(waiting->second);
  machine.unowned.erase(waiting);
}

void apply_event(MachineState& machine, const Event& event, const ProcessChange& change) {
  ProcessState& process = machine.processes[event.process];
  switch (change.event) {
    case ProcessEvent::kStart:
    case ProcessEvent::kFork:
      process = ProcessState{};
      process.process = event.process;
      process.parent = change.parent;
      process.program = change.program;
      take_root(machine, process, change.root);
      if (change.event == ProcessEvent::kStart) machine.running = event.process;
      return;
    case ProcessEvent::kExec: {
      process.program = change.program;
      if (process.root == change.root) return;
      // What the old tables still had goes entry by entry.
      if (!process.entries.empty() && owner(machine, process.root, event.process) == nullptr)
        machine.unowned[process.root.raw()] = std::move(process.entries);
      take_root(machine, process, change.root);
      return;
    }
    case ProcessEvent::kExit:
      process.status = change.status;
      // The first process's memory stays as it was.
      if (process.parent == 0) return;
      process.memory_gone = true;
      process.entries.clear();
      process.vmas.clear();
      return;
  }
}

void apply_event(MachineState& machine, const Event& event, const VmaChange& change) {
  const Gpa root = machine.processes[event.process].root;
  for (auto& [pid, process] : machine.processes) {
    if (pid != event.process && (process.root != root || process.memory_gone)) continue;
    for (const Gva start : change.removed) process.vmas.erase(start);
    for (const VmaInfo& vma : change.added) process.vmas.insert_or_assign(vma.start, vma);
  }
}

void apply_event(MachineState& machine, const Event&, const TableEdits& edits) {
  apply_to_root(machine, edits.root, edits.edits);
}

// Its walk says whose tables they are: a child's, while its parent makes it.
void apply_event(MachineState& machine, const Event& event, const Fault& fault) {
  ProcessState& process = machine.processes[event.process];
  ++process.faults;
  const mmu::Walk& walk = fault.record.before;
  apply_to_root(machine, walk.count != 0 ? walk.steps[0].slot.page_base() : process.root, fault.all_edits);
}

void apply_event(MachineState& machine, const Event& event, const Counters& counters) {
  ProcessState& process = machine.processes[event.process];
  process.counters = counters;
  process.faults = counters.faults;
  process.syscalls = counters.syscalls;
}

void apply_event(MachineState& machine, const Event& event, const Syscall&) {
  ++machine.processes[event.process].syscalls;
}
void apply_event(MachineState& machine, const Event& event, const Switch&) { machine.running = event.process; }
void apply_event(MachineState&, const Event&, const Exit&) {}
void apply_event(MachineState&, const Event&, const Signal&) {}
void apply_event(MachineState&, const Event&, const End&) {}

}  // namespace

void MachineState::apply(const Event& what) {
  event = what.number;
  time_ns = what.time_ns;
  std::visit([&](const auto& body) { apply_event(*this, what, body); }, what.body);
}

mmu::Walk MachineState::walk(std::uint32_t process, Gva address, mmu::PagingMode mode) const {
  const auto found = processes.find(process);
  static const ProcessState nobody;
  const ProcessState& state = found == processes.end() ? nobody : found->second;
  const auto load = [&state](Gpa slot) -> std::optional<mmu::Pte> {
    const auto entry = state.entries.find(slot.raw());
    return entry == state.entries.end() ? mmu::Pte() : entry->second.entry;
  };
  return mmu::walk_with(load, state.root.page(), mode, address, {});
}

Result<MachineState> state_at(Reader& reader, std::uint64_t number) {
  if (number < reader.first() || number > reader.last() || reader.last() == 0)
    return fail(reader.last() == 0 ? "the recording has no events"
                                   : fmt::format("there is no event {}: the recording has {} to {}", number,
                                                 reader.first(), reader.last()));
  MachineState state;
  const auto keyframe = reader.keyframe(number, [&state](const Event& event) { state.apply(event); });
  if (!keyframe && reader.first() != 1)
    return fail(fmt::format("what the machine was like at event {} is no longer in the recording", number));
  if (!keyframe) state = {};
  reader.seek(keyframe ? *keyframe + 1 : 1);
  const bool decoding = reader.decode_instructions(false);
  std::uint64_t at = keyframe.value_or(0);
  while (at < number) {
    const auto event = reader.next();
    if (!event || event->number > number) break;
    at = event->number;
    state.apply(*event);
  }
  reader.decode_instructions(decoding);
  if (at < number) return fail(reader.problem());
  return state;
}

}  // namespace faultline::vmm::recording
