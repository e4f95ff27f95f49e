#include "vmm/fuzz/guest/vcpu_processor.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "mmu/pgtable/slot.hpp"
#include "vmm/fuzz/layout.hpp"

namespace faultline::vmm::fuzz {
namespace {

constexpr std::uint64_t kUserFlags = 0x202, kTrapFlag = 0x100, kSyscallBytes = 2;
constexpr unsigned kDebug = 1;
// An access faults a few times at most; a copy for each of its pages.
constexpr std::uint64_t kMaxEventsOfList = 64 * Engine::kMaxRecords;

bool is_fetch(const Operation& access) { return access.op == Op::kFetch; }
Gva target_of(const Operation& fetch) { return address_of(unpack_address(fetch.operands[0])); }

// The program has nothing above its half, whatever the machine has there and the backend makes of it.
mmu::ErrorCode without_kernel_half(Gva address, mmu::ErrorCode error) {
  if (address.raw() >> 63 == 0) return error;
  return mmu::ErrorCode(error.raw() & ~(mmu::ErrorCode::kPresent | mmu::ErrorCode::kReserved));
}

// The frame that the entries for `page` name, whatever their other bits have become: what the
// processor may have cached of them led there. Gfn(0): none.
Gfn frame_named(const mmu::PageTables& tables, Gva page) {
  constexpr std::uint64_t kAddress = mmu::Pte::kAddressMask & ~(1ULL << 51);
  Gfn at = tables.root();
  for (mmu::Level level = mmu::levels(tables.mode()); level >= 1; --level) {
    const mmu::Pte entry = mmu::PteSlot(tables.memory(), at, mmu::table_index(page, level)).load();
    const bool inverted = !entry.present() && entry.has(mmu::Pte::kProtNone);
    at = Gfn(((inverted ? ~entry.raw() : entry.raw()) & kAddress) >> kPageShift);
    if (at == Gfn(0) || !tables.memory().contains(at)) return Gfn(0);
  }
  return at;
}

}  // namespace

Result<void> VcpuProcessor::run(mmu::AddressSpace& mm, std::span<const Operation> accesses, AccessSink& sink) {
  if (auto switched = switch_to(mm); !switched) return switched;
  for (std::size_t first = 0; first < accesses.size(); first += Engine::kMaxRecords) {
    const std::size_t count = std::min(accesses.size() - first, Engine::kMaxRecords);
    List list{.mm = mm, .accesses = accesses.subspan(first, count), .sink = sink, .first = first};
    if (auto ran = run_list(list); !ran || list.stopped) return ran;
  }
  return {};
}

Result<void> VcpuProcessor::switch_to(const mmu::AddressSpace& mm) {
  const Gpa root(mm.tables().root());
  if (root == root_) return {};
  const TimeIn time(cost_.control_ns);
  ++cost_.switches;
  auto done = vcpu_.set_page_table(root);
  if (done) root_ = root;
  return done;
}

Result<void> VcpuProcessor::run_list(List& list) {
  engine_.write(list.accesses);
  start_at(FLE_START, 0);
  for (std::uint64_t events = 0; list.done < list.accesses.size() && !list.stopped; ++events) {
    if (events == kMaxEventsOfList) return fail("the guest does not get on with its accesses");
    sink_.settle();
    const auto event = vcpu_.run();
    if (!event) return tl::unexpected(event.error());
    cost_.inside_ns += vcpu_.last_run().left_ns - vcpu_.last_run().entered_ns;
    ++cost_.entries;
    if (auto handled = handle(list, *event); !handled) return handled;
  }
  return {};
}

// All registers anew: foreign code ran with none that is an address, RSP included.
void VcpuProcessor::start_at(unsigned part, std::size_t index) {
  UserRegs& regs = vcpu_.edit_regs();
  regs = UserRegs{.gpr = {}, .rip = Engine::part(part).raw(), .rflags = kUserFlags};
  regs[UserRegs::kR14] = Engine::record(index).raw();
}

Result<void> VcpuProcessor::handle(List& list, const VcpuEvent& event) {
  if (const auto* fault = std::get_if<PageFaultEvent>(&event)) return ++cost_.faults, page_fault(list, *fault);
  if (const auto* other = std::get_if<ExceptionEvent>(&event)) return ++cost_.exceptions, exception(list, *other);
  if (std::holds_alternative<SyscallEvent>(event)) return ++cost_.list_ends, system_call(list);
  ++cost_.others;
  if (const auto* fatal = std::get_if<FatalEvent>(&event)) return fail(fatal->summary + "\n" + fatal->detail);
  return {};
}

Result<std::size_t> VcpuProcessor::current(const List& list) const {
  const std::size_t index = Engine::index_of(vcpu_.regs()[UserRegs::kR14]);
  if (index < list.accesses.size() && index >= list.done) return index;
  return fail(
      fmt::format("the guest lost its way: RIP {:#x}, R14 {:#x}", vcpu_.regs().rip, vcpu_.regs()[UserRegs::kR14]));
}

Result<void> VcpuProcessor::page_fault(List& list, const PageFaultEvent& event) {
  if (owns(event.address)) {
    if (Engine::resolve(list.mm, event.address)) return {};
    return fail("no guest memory for the engine that makes accesses");
  }
  const auto index = current(list);
  if (!index) return tl::unexpected(index.error());
  tell_made(list, *index);
  const mmu::ErrorCode error = without_kernel_half(event.address, event.error);
  after(list, *index, list.sink.page_fault(list.first + *index, event.address, error));
  return {};
}

Result<void> VcpuProcessor::exception(List& list, const ExceptionEvent& event) {
  const auto index = current(list);
  if (!index) return tl::unexpected(index.error());
  const Operation& access = list.accesses[*index];
  tell_made(list, *index);
  if (event.vector != kDebug || !is_fetch(access)) {
    after(list, *index, list.sink.exception(list.first + *index, event.vector, event.error_code));
  } else if (vcpu_.regs().rip != target_of(access).raw()) {
    tell_made(list, *index + 1);
    go_on_behind(list, *index);
  }  // else the trap came before the instruction (a virtual CPU's bug), which is still to be run
  return {};
}

// The end of the list; or a fetch from where SYSCALL goes to, which the port takes for one.
Result<void> VcpuProcessor::system_call(List& list) {
  if (vcpu_.regs().rip == Engine::part(FLE_END).raw() + kSyscallBytes) {
    tell_made(list, list.accesses.size());
    return {};
  }
  const auto index = current(list);
  if (!index) return tl::unexpected(index.error());
  if (!is_fetch(list.accesses[*index])) return fail("a system call that the engine never made");
  const Gva target = target_of(list.accesses[*index]);
  UserRegs& regs = vcpu_.edit_regs();
  regs.rip = target.raw();
  regs.rflags = kUserFlags | kTrapFlag;
  return page_fault(list, {target, mmu::ErrorCode(mmu::ErrorCode::kUser | mmu::ErrorCode::kFetch)});
}

void VcpuProcessor::tell_made(List& list, std::size_t end) {
  for (; list.done < end; ++list.done)
    list.sink.made(list.first + list.done, engine_.loaded(list.done, list.accesses[list.done]));
}

void VcpuProcessor::after(List& list, std::size_t index, AfterFault what) {
  if (what == AfterFault::kStop) list.stopped = true;
  if (what != AfterFault::kNext) return;
  list.done = index + 1;
  go_on_behind(list, index);
}

void VcpuProcessor::go_on_behind(List& list, std::size_t index) {
  if (list.done == list.accesses.size()) return;  // nothing is left to be run
  start_at(FLE_NEXT, index);
}

bool VcpuProcessor::flip_control(Control control) {
  bool& state = control == Control::kNxe ? nxe_ : wp_;
  const TimeIn time(cost_.control_ns);
  ++cost_.switches;
  const auto bit = control == Control::kNxe ? ControlBit::kNoExecuteEnable : ControlBit::kWriteProtect;
  const auto done = vcpu_.set_control(bit, !state);
  if (!done || !*done) return false;
  state = !state;
  return true;
}

Result<void> VcpuProcessor::reset_controls() {
  for (const Control control : {Control::kNxe, Control::kWp}) {
    const bool as_at_start = control == Control::kNxe ? nxe_ : wp_;
    if (!as_at_start && !flip_control(control)) return fail("the vCPU's control bits cannot be set back");
  }
  return {};
}

GuestCost VcpuProcessor::take_cost() {
  cost_ += sink_.take_cost();
  return std::exchange(cost_, {});
}

void VcpuProcessor::invalidate(mmu::AddressSpace& mm, Gva address) {
  if (address >= mm.task_size()) return;
  const Gva page = address.page_base();
  const mmu::FrameRange frame{frame_named(mm.tables(), page), 1};
  sink_.flush({.root = Gpa(mm.tables().root()),
               .start = page,
               .end = page + kPageSize,
               .frames = std::span(&frame, frame.first == Gfn(0) ? 0 : 1),
               .pages = 1});
}

}  // namespace faultline::vmm::fuzz
