// Processes, the kernel's own accesses, corruption and failures; and the table of handlers.
#include "vmm/fuzz/machine/handlers.hpp"

#include <array>

#include "mmu/space/uaccess.hpp"
#include "vmm/fuzz/layout.hpp"

namespace faultline::vmm::fuzz {

namespace {

constexpr std::size_t kMostBytes = 64;  // OperandKind::kCount

Result<void> run_fork(Step& s) {
  const auto child = s.world.fork(s.processor);
  if (!child) return tl::unexpected(child.error());
  s.result.result = *child ? static_cast<std::int64_t>(**child) : -child->error().value();
  return {};
}

Result<void> run_exit(Step& s) {
  s.result.result = s.world.exit(s.processor) ? 0 : -EPERM;
  return {};
}

Result<void> run_switch(Step& s) {
  s.result.result = s.world.switch_to(s.small(0)) ? 0 : -ESRCH;
  return {};
}

void set_copied(StepResult& result, std::uint64_t wanted, std::uint64_t missing) {
  result.result = missing == wanted ? -EFAULT : static_cast<std::int64_t>(wanted - missing);
}

Result<void> run_kernel_read(Step& s) {
  std::array<std::byte, kMostBytes> bytes{};
  const auto part = std::span(bytes).first(s.number(0));
  set_copied(s.result, part.size(), mmu::copy_from_user(s.world.mm(), part, s.address(1)));
  return {};
}

Result<void> run_kernel_write(Step& s) {
  std::array<std::byte, kMostBytes> bytes{};
  const auto part = std::span(bytes).first(s.number(0));
  for (unsigned i = 0; i < part.size(); ++i) part[i] = static_cast<std::byte>(pattern_byte(s.small(2), i & 15));
  set_copied(s.result, part.size(), mmu::copy_to_user(s.world.mm(), s.address(1), part));
  return {};
}

Result<void> run_flip_entry(Step& s) {
  const Gva address = s.address(0);
  s.result.result = -ENOENT;
  // What is outside the windows is not the program's.
  if (!in_window(address.raw()) || s.processor.owns(address)) return {};
  const auto flipped = s.flips.flip(s.world.mm(), address, s.small(1), s.small(2));
  if (!flipped) return {};
  s.world.expect_corruption();
  s.processor.entry_flipped(s.world.mm(), *flipped);
  s.result.result = 0;
  return {};
}

Result<void> run_flip_control(Step& s) {
  const auto control = static_cast<Control>(s.operation.operands[0]);
  if (!s.processor.flip_control(control)) {
    s.result.end = StepEnd::kNotJudged;
    return {};
  }
  bool& is = control == Control::kNxe ? s.controls.nxe : s.controls.wp;
  is = !is;
  return {};
}

Result<void> run_invalidate(Step& s) {
  s.processor.invalidate(s.world.mm(), s.address(0));
  return {};
}

Result<void> run_fail_allocation(Step& s) {
  s.world.frames().fail_nth(s.number(0));
  return {};
}

}  // namespace

Handler handler_of(Op op) {
  static constexpr std::array<Handler, kOps> kHandlers{run_map,         run_unmap,
                                                       run_protect,     run_remap,
                                                       run_advise,      run_lock,
                                                       run_unlock,      run_sync,
                                                       run_resident,    run_resize,
                                                       run_fork,        run_exit,
                                                       run_switch,      nullptr,
                                                       nullptr,         nullptr,
                                                       nullptr,         nullptr,
                                                       nullptr,         nullptr,
                                                       run_kernel_read, run_kernel_write,
                                                       run_flip_entry,  run_flip_control,
                                                       run_invalidate,  run_fail_allocation};
  static_assert(static_cast<std::size_t>(Op::kFailAllocation) + 1 == kOps);
  return kHandlers[static_cast<std::size_t>(op)];
}

}  // namespace faultline::vmm::fuzz
