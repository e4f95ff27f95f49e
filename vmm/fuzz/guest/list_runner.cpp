#include "vmm/fuzz/guest/list_runner.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "mmu/arch/vector.hpp"
#include "vmm/fuzz/layout.hpp"

namespace faultline::vmm::fuzz {
namespace {

using mmu::vector::kDebug;

constexpr std::uint64_t kSyscallBytes = 2;
// An access faults a few times at most; a copy for each of its pages.
constexpr std::uint64_t kMaxEventsOfList = 64 * Engine::kMaxRecords;

bool is_fetch(const Operation& access) { return access.op == Op::kFetch; }
Gva target_of(const Operation& fetch) { return address_of(unpack_address(fetch.operands[0])); }

Gpa root_of(const AccessList& list) { return Gpa(list.mm().tables().root()); }

// The program has nothing above its half, whatever the machine has there and the backend makes of it.
mmu::ErrorCode without_kernel_half(Gva address, mmu::ErrorCode error) {
  if (address.raw() >> 63 == 0) return error;
  return mmu::ErrorCode(error.raw() & ~(mmu::ErrorCode::kPresent | mmu::ErrorCode::kReserved));
}

}  // namespace

Result<void> ListRunner::run(std::span<AccessList> lists) {
  auto ran = run_rounds(lists);
  // Nothing may stand there that goes.
  if (!ran && most_together_ > 1) static_cast<void>(vcpu_->set_page_table_steps({}));
  return ran;
}

Result<void> ListRunner::run_rounds(std::span<AccessList> lists) {
  for (;;) {
    due_.clear();
    for (AccessList& list : lists)
      if (!list.all_over()) due_.push_back(&list);
    if (due_.empty()) return {};
    for (std::size_t i = 0; i < due_.size(); i += most_together_) {
      const std::size_t count = std::min<std::size_t>(most_together_, due_.size() - i);
      if (auto ran = run_round(Round(due_).subspan(i, count)); !ran) return ran;
    }
  }
}

Result<void> ListRunner::run_round(Round round) {
  begin_with_loaded(round);
  for (AccessList* list : round) list->write(list == round.back() ? FLE_END : FLE_STEP);
  at_ = 0;
  if (auto switched = switch_to(*round.front()); !switched) return switched;
  if (auto armed = arm(round); !armed) return armed;
  start_at(FLE_START, 0);
  for (std::uint64_t events = 0; !(at_ + 1 == round.size() && round.back()->over()); ++events) {
    if (events == kMaxEventsOfList * round.size()) return fail("the guest does not get on with its accesses");
    if (auto done = enter(round); !done) return done;
  }
  return {};
}

// Where the guest was last it need not be taken to.
void ListRunner::begin_with_loaded(Round round) {
  const auto loaded = std::ranges::find_if(round, [this](const AccessList* list) { return root_of(*list) == root_; });
  if (loaded != round.end()) std::iter_swap(round.begin(), loaded);
}

Result<void> ListRunner::arm(Round round) {
  if (round.size() == 1) return {};
  roots_.clear();
  for (const AccessList* list : round.subspan(1)) roots_.push_back(root_of(*list));
  return vcpu_->set_page_table_steps(roots_);
}

Result<void> ListRunner::switch_to(AccessList& list) {
  const Gpa root = root_of(list);
  if (root == root_) return {};
  const TimeIn time(list.cost().control_ns);
  ++list.cost().switches;
  auto done = vcpu_->set_page_table(root);
  if (done) root_ = root;
  return done;
}

Result<void> ListRunner::enter(Round round) {
  sink_.settle();
  const auto event = vcpu_->run();
  if (!event) return tl::unexpected(event.error());
  if (round.size() > 1) follow(round);
  AccessList& list = *round[at_];
  list.cost().inside_ns += vcpu_->last_run().left_ns - vcpu_->last_run().entered_ns;
  ++list.cost().entries;
  if (auto handled = handle(list, *event); !handled) return handled;
  if (list.over() && at_ + 1 < round.size()) start_at(FLE_STEP, 0);
  return {};
}

// The guest came to the end of lists, and went on to the next ones.
void ListRunner::follow(Round round) {
  for (const std::size_t taken = vcpu_->page_table_steps_taken(); at_ < taken; ++at_) {
    AccessList& list = *round[at_];
    if (!list.over()) list.made_all();
    ++list.cost().steps;
    root_ = roots_[at_];
  }
}

// All registers anew: foreign code ran with none that is an address, RSP included.
void ListRunner::start_at(unsigned part, std::size_t record) {
  UserRegs& regs = vcpu_->edit_regs();
  regs = UserRegs{.gpr = {}, .rip = Engine::part(part).raw(), .rflags = Engine::kFlags};
  regs[UserRegs::kR14] = Engine::record(record).raw();
}

Result<void> ListRunner::handle(AccessList& list, const VcpuEvent& event) {
  GuestCost& cost = list.cost();
  if (const auto* fault = std::get_if<PageFaultEvent>(&event)) return ++cost.faults, page_fault(list, *fault);
  if (const auto* other = std::get_if<ExceptionEvent>(&event)) return ++cost.exceptions, exception(list, *other);
  if (std::holds_alternative<SyscallEvent>(event)) return ++cost.list_ends, system_call(list);
  ++cost.others;
  if (const auto* fatal = std::get_if<FatalEvent>(&event)) return fail(fatal->summary + "\n" + fatal->detail);
  return {};
}

Result<std::size_t> ListRunner::current_record(const AccessList& list) const {
  const std::size_t record = Engine::index_of(vcpu_->regs()[UserRegs::kR14]);
  if (list.awaits(record)) return record;
  return fail(
      fmt::format("the guest lost its way: RIP {:#x}, R14 {:#x}", vcpu_->regs().rip, vcpu_->regs()[UserRegs::kR14]));
}

Result<void> ListRunner::page_fault(AccessList& list, const PageFaultEvent& event) {
  if (in_engine(event.address)) {
    if (Engine::resolve(list.mm(), event.address)) return {};
    return fail("no guest memory for the engine that makes accesses");
  }
  const auto record = current_record(list);
  if (!record) return tl::unexpected(record.error());
  list.made_before(*record);
  const mmu::ErrorCode error = without_kernel_half(event.address, event.error);
  after(list, *record, list.sink().page_fault(list.number(*record), event.address, error));
  return {};
}

Result<void> ListRunner::exception(AccessList& list, const ExceptionEvent& event) {
  const auto record = current_record(list);
  if (!record) return tl::unexpected(record.error());
  const Operation& access = list.access(*record);
  list.made_before(*record);
  if (event.vector != kDebug || !is_fetch(access)) {
    after(list, *record, list.sink().exception(list.number(*record), event.vector, event.error_code));
  } else if (vcpu_->regs().rip != target_of(access).raw()) {
    list.made_before(*record + 1);
    if (!list.over()) start_at(FLE_NEXT, *record);
  }  // else the trap came before the instruction (a virtual CPU's bug), which is still to be run
  return {};
}

// The end of the list; or a fetch from where SYSCALL goes to, which the port takes for one.
Result<void> ListRunner::system_call(AccessList& list) {
  if (vcpu_->regs().rip == Engine::part(FLE_END).raw() + kSyscallBytes) {
    list.made_all();
    return {};
  }
  const auto record = current_record(list);
  if (!record) return tl::unexpected(record.error());
  if (!is_fetch(list.access(*record))) return fail("a system call that the engine never made");
  const Gva target = target_of(list.access(*record));
  UserRegs& regs = vcpu_->edit_regs();
  regs.rip = target.raw();
  regs.rflags = Engine::kFlags | Engine::kTrapFlag;
  return page_fault(list, {target, mmu::ErrorCode(mmu::ErrorCode::kUser | mmu::ErrorCode::kFetch)});
}

void ListRunner::after(AccessList& list, std::size_t record, AfterFault what) {
  if (what == AfterFault::kStop) list.stop();
  if (what != AfterFault::kNext) return;
  list.leave_out(record);
  if (!list.over()) start_at(FLE_NEXT, record);
}

bool ListRunner::flip_control(Control control, GuestCost& cost) {
  bool& state = control == Control::kNxe ? nxe_ : wp_;
  const TimeIn time(cost.control_ns);
  ++cost.switches;
  const auto bit = control == Control::kNxe ? ControlBit::kNoExecuteEnable : ControlBit::kWriteProtect;
  const auto done = vcpu_->set_control(bit, !state);
  if (!done || !*done) return false;
  state = !state;
  return true;
}

Result<void> ListRunner::reset_controls(GuestCost& cost) {
  for (const Control control : {Control::kNxe, Control::kWp}) {
    const bool as_at_start = control == Control::kNxe ? nxe_ : wp_;
    if (!as_at_start && !flip_control(control, cost)) return fail("the vCPU's control bits cannot be set back");
  }
  return {};
}

}  // namespace faultline::vmm::fuzz
