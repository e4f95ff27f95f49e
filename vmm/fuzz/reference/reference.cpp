// The judge: one handler an operation, and the state at the end.
#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "vmm/fuzz/judge.hpp"
#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/reference/accesses.hpp"
#include "vmm/fuzz/reference/calls.hpp"
#include "vmm/fuzz/reference/final_state.hpp"

namespace faultline::vmm::fuzz {

namespace reference {

namespace {

struct World {
  std::array<std::shared_ptr<Object>, kFiles + 1> files;  // by FileOperand; kNone: null
  std::array<std::optional<Process>, kMaxProcesses> processes;
  unsigned current = 0;
  [[nodiscard]] Process& process() { return *processes[current]; }
};

Object content_of(FileOperand file) {
  Object object;
  object.file = file;
  object.size = kFileBytes;
  for (std::uint64_t i = 0; i < kFileBytes; ++i) object.pages[i >> kPageShift][i & kPageMask] = file_byte(file, i);
  return object;
}

// Every program starts with the same bytes: they are made once.
std::shared_ptr<Object> make_file(FileOperand file) {
  static const Object disk = content_of(FileOperand::kDisk), memory = content_of(FileOperand::kMemory);
  return std::make_shared<Object>(file == FileOperand::kDisk ? disk : memory);
}

std::uint64_t address(std::int64_t operand) { return address_of(unpack_address(operand)).raw(); }
std::uint64_t bytes(std::int64_t operand) { return static_cast<std::uint64_t>(operand); }
unsigned number(std::int64_t operand) { return static_cast<unsigned>(operand); }
int word(std::int64_t operand) { return static_cast<int>(operand); }

using Operands = std::array<std::int64_t, kMaxOperands>;
using Handler = StepResult (*)(World&, const Operands&);

StepResult do_map(World& w, const Operands& o) {
  return returned(
      map(w.process(), {address(o[0]), bytes(o[1]), word(o[2]), number(o[3]), w.files[number(o[4])], bytes(o[5])}));
}
StepResult do_unmap(World& w, const Operands& o) { return returned(unmap(w.process(), address(o[0]), bytes(o[1]))); }
StepResult do_protect(World& w, const Operands& o) {
  return returned(protect(w.process(), address(o[0]), bytes(o[1]), word(o[2])));
}
StepResult do_remap(World& w, const Operands& o) {
  return returned(remap(w.process(), {address(o[0]), bytes(o[1]), bytes(o[2]), word(o[3]), address(o[4])}));
}
StepResult do_advise(World& w, const Operands& o) {
  return returned(advise(w.process(), address(o[0]), bytes(o[1]), advice_table()[number(o[2])].value));
}
StepResult do_lock(World& w, const Operands& o) {
  return returned(lock(w.process(), address(o[0]), bytes(o[1]), o[2] != 0));
}
StepResult do_unlock(World& w, const Operands& o) { return returned(unlock(w.process(), address(o[0]), bytes(o[1]))); }
StepResult do_sync(World& w, const Operands& o) {
  return returned(sync(w.process(), address(o[0]), bytes(o[1]), word(o[2])));
}
StepResult do_resize(World& w, const Operands& o) {
  Object& object = *w.files[number(o[0])];
  resize(object, bytes(o[1]));
  for (auto& process : w.processes)
    if (process) drop_copies_beyond(*process, object);
  return returned(0);
}

StepResult do_fork(World& w, const Operands&) {
  const auto free = std::ranges::find_if(w.processes, [](const auto& process) { return !process; });
  if (free == w.processes.end()) return returned(-EAGAIN);
  *free = child_of(w.process());
  return returned(free - w.processes.begin());
}
StepResult do_exit(World& w, const Operands&) {
  if (std::ranges::count_if(w.processes, [](const auto& process) { return process.has_value(); }) == 1)
    return returned(-EPERM);
  w.processes[w.current].reset();
  w.current = 0;
  while (!w.processes[w.current]) ++w.current;
  return returned(0);
}
StepResult do_switch(World& w, const Operands& o) {
  if (!w.processes[number(o[0])]) return returned(-ESRCH);
  w.current = number(o[0]);
  return returned(0);
}

StepResult do_read(World& w, const Operands& o) { return read(w.process(), address(o[1]), number(o[0])); }
StepResult do_write(World& w, const Operands& o) {
  return write(w.process(), address(o[1]), number(o[0]), number(o[2]));
}
StepResult do_fetch(World& w, const Operands& o) { return fetch(w.process(), address(o[0])); }
StepResult do_modify(World& w, const Operands& o) { return modify(w.process(), address(o[1]), number(o[0])); }
StepResult do_exchange(World& w, const Operands& o) {
  return exchange(w.process(), address(o[1]), number(o[0]), number(o[2]));
}
StepResult do_copy(World& w, const Operands& o) {
  return copy(w.process(), address(o[1]), address(o[2]), number(o[0]));
}
StepResult do_fill(World& w, const Operands& o) { return fill(w.process(), address(o[1]), number(o[0]), number(o[2])); }
StepResult do_kernel_read(World& w, const Operands& o) { return kernel_read(w.process(), address(o[1]), number(o[0])); }
StepResult do_kernel_write(World& w, const Operands& o) {
  return kernel_write(w.process(), address(o[1]), number(o[0]), number(o[2]));
}

struct Row {
  Op op;
  Handler handler;
};
// What is not here, this judge cannot follow.
constexpr Row kHandlers[] = {
    {Op::kMap, do_map},
    {Op::kUnmap, do_unmap},
    {Op::kProtect, do_protect},
    {Op::kRemap, do_remap},
    {Op::kAdvise, do_advise},
    {Op::kLock, do_lock},
    {Op::kUnlock, do_unlock},
    {Op::kSync, do_sync},
    {Op::kResize, do_resize},
    {Op::kFork, do_fork},
    {Op::kExit, do_exit},
    {Op::kSwitch, do_switch},
    {Op::kRead, do_read},
    {Op::kWrite, do_write},
    {Op::kFetch, do_fetch},
    {Op::kModify, do_modify},
    {Op::kLocked, do_exchange},
    {Op::kCopy, do_copy},
    {Op::kFill, do_fill},
    {Op::kKernelRead, do_kernel_read},
    {Op::kKernelWrite, do_kernel_write},
};

StepResult step(World& world, const Operation& operation) {
  const auto* const row = std::ranges::find(kHandlers, operation.op, &Row::op);
  if (row == std::end(kHandlers)) return not_judged();
  return row->handler(world, operation.operands);
}

class Reference final : public Judge {
 public:
  std::string_view name() const override { return "reference"; }
  JudgeKind kind() const override { return kReference; }
  Result<Trace> run(const Program& program) override {
    Trace trace;
    trace.judge = name();
    trace.fields = kOutcomeField | kSignalField | kBytesField | kVmasField | kContentField;
    World world;
    world.files = {nullptr, make_file(FileOperand::kDisk), make_file(FileOperand::kMemory)};
    world.processes[0].emplace();
    for (const Operation& operation : program.operations) {
      trace.steps.push_back(step(world, operation));
      if (trace.steps.back().end == StepEnd::kNotJudged) return trace;
    }
    for (unsigned n = 0; n < kMaxProcesses; ++n)
      if (world.processes[n]) trace.processes.push_back(final_state(*world.processes[n], n));
    return trace;
  }
};

}  // namespace

}  // namespace reference

std::unique_ptr<Judge> make_reference() { return std::make_unique<reference::Reference>(); }

}  // namespace faultline::vmm::fuzz
