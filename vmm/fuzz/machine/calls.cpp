// Operations that are system calls on memory.
#include <sys/mman.h>

#include <array>

#include "mmu/space/operations.hpp"
#include "vmm/fuzz/around.hpp"
#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/machine/handlers.hpp"

namespace faultline::vmm::fuzz {

namespace {

// What this <sys/mman.h> may not know.
constexpr int kMapFixedNoReplace = 0x100000;

std::int64_t value(const SysResult<void>& result) { return result ? 0 : -result.error().value(); }
std::int64_t value(const SysResult<Gva>& result) {
  return result ? static_cast<std::int64_t>(result->raw()) : -result.error().value();
}

int map_flags(unsigned flags) {
  constexpr std::array<std::pair<MapFlag, int>, 6> kFlags{{{kMapFixed, MAP_FIXED},
                                                           {kMapNoReplace, kMapFixedNoReplace},
                                                           {kMapNoReserve, MAP_NORESERVE},
                                                           {kMapPopulate, MAP_POPULATE},
                                                           {kMapLocked, MAP_LOCKED},
                                                           {kMapGrowsDown, MAP_GROWSDOWN}}};
  int value = (flags & kMapShared) != 0 ? MAP_SHARED : MAP_PRIVATE;
  for (const auto& [ours, theirs] : kFlags)
    if ((flags & ours) != 0) value |= theirs;
  return value;
}

}  // namespace

Gva Step::address(std::size_t i) const { return address_of(unpack_address(operation.operands[i])); }

Result<void> run_map(Step& s) {
  const auto file = static_cast<FileOperand>(s.operation.operands[4]);
  mmu::MmapRequest request{.address = s.address(0).raw(),
                           .length = s.number(1),
                           .prot = s.flags(2),
                           .flags = map_flags(s.small(3)),
                           .offset = s.number(5) << kPageShift};
  if (file == FileOperand::kNone) {
    request.flags |= MAP_ANONYMOUS;
  } else {
    request.file = s.world.mapping(file);
  }
  s.result.result = value(mmu::do_mmap(s.world.mm(), request));
  return {};
}

Result<void> run_unmap(Step& s) {
  s.result.result = value(mmu::do_munmap(s.world.mm(), s.address(0).raw(), s.number(1)));
  return {};
}

Result<void> run_protect(Step& s) {
  s.result.result = value(mmu::do_mprotect(s.world.mm(), s.address(0).raw(), s.number(1), s.flags(2)));
  return {};
}

Result<void> run_remap(Step& s) {
  s.result.result =
      value(mmu::do_mremap(s.world.mm(), s.address(0).raw(), s.number(1), s.number(2), s.flags(3), s.address(4).raw()));
  return {};
}

Result<void> run_advise(Step& s) {
  const int advice = advice_table()[static_cast<std::size_t>(s.operation.operands[2])].value;
  const auto advise = [&](std::uint64_t start, std::uint64_t length) {
    return value(mmu::do_madvise(s.world.mm(), start, length, advice));
  };
  const std::uint64_t start = s.address(0).raw();
  const auto parts = around(start, s.number(1), kEngineAt, kEngineEnd);
  if (!parts) {
    s.result.result = advise(start, s.number(1));
    return {};
  }
  s.result.result = result_around(advise(start, parts->length), ends_at_holes(advice),
                                  [&] { return advise(parts->again, parts->again_length); });
  return {};
}

Result<void> run_lock(Step& s) {
  s.result.result = value(mmu::do_mlock(s.world.mm(), s.address(0).raw(), s.number(1), s.operation.operands[2] != 0));
  return {};
}

Result<void> run_unlock(Step& s) {
  s.result.result = value(mmu::do_munlock(s.world.mm(), s.address(0).raw(), s.number(1)));
  return {};
}

// It goes over the engine's pages, too, which takes nothing: there is a hole before them, and their file is memory.
Result<void> run_sync(Step& s) {
  s.result.result = value(mmu::do_msync(s.world.mm(), s.address(0).raw(), s.number(1), s.flags(2)));
  return {};
}

// mincore: what the system call checks itself, and as many pages as the trace has room for.
Result<void> run_resident(Step& s) {
  const std::uint64_t at = s.address(0).raw(), length = s.number(1), limit = s.world.mm().task_size().raw();
  StepResult& r = s.result;
  if ((at & kPageMask) != 0) {
    r.result = -EINVAL;
  } else if (length > limit || at > limit - length) {
    r.result = -ENOMEM;
  } else {
    FL_CHECK(length <= kMaxLength);  // the absurd ones are beyond the limit
    std::array<std::byte, kMaxLength / kPageSize> vector{};
    const auto part = std::span(vector).first(page_align(length) >> kPageShift);
    r.result = value(mmu::do_mincore(s.world.mm(), at, length, part));
    if (r.result != 0) return {};
    r.byte_count = static_cast<std::uint8_t>(std::min<std::size_t>(part.size(), r.bytes.size()));
    for (std::size_t i = 0; i < r.byte_count; ++i) r.bytes[i] = static_cast<std::uint8_t>(part[i]) & 1U;
  }
  return {};
}

Result<void> run_resize(Step& s) {
  s.world.resize(static_cast<FileOperand>(s.operation.operands[0]), s.number(1));
  return {};
}

}  // namespace faultline::vmm::fuzz
