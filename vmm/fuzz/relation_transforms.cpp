#include "vmm/fuzz/relation_transforms.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "vmm/fuzz/layout.hpp"

namespace faultline::vmm::fuzz {

namespace {

constexpr std::size_t kMaxForks = 4;

// Writes the changed program, and which step became which.
class Rewriter {
 public:
  explicit Rewriter(const Program& original) : room_(kMaxOperations - original.operations.size()) {}

  // The step of the original, perhaps changed.
  void keep(const Operation& o) {
    made_.step_of.push_back(made_.program.operations.size());
    made_.program.operations.push_back(o);
  }
  [[nodiscard]] bool room(std::size_t operations) const { return operations <= room_; }
  // One more, as long as there is room.
  void add(const Operation& o) {
    if (room_ == 0 || illegal(o)) return;
    made_.program.operations.push_back(o);
    --room_;
    changed_ = true;
  }
  [[nodiscard]] std::optional<Transformed> take() {
    if (!changed_) return std::nullopt;
    return std::move(made_);
  }

 private:
  Transformed made_;
  std::size_t room_;
  bool changed_ = false;
};

bool has(const Program& p, OpClass op_class) {
  return std::ranges::any_of(p.operations, [op_class](const Operation& o) { return row(o.op).op_class == op_class; });
}
bool has(const Program& p, Op op) {
  return std::ranges::any_of(p.operations, [op](const Operation& o) { return o.op == op; });
}
// What sees how many frames were asked for, and what the processor has cached.
bool sees_everything(const Program& p) { return has(p, OpClass::kRaw) || has(p, OpClass::kFailure); }

std::optional<std::size_t> advice_index(int value) {
  const auto& table = advice_table();
  const auto found = std::ranges::find(table, value, &Advice::value);
  if (found == table.end()) return std::nullopt;
  return static_cast<std::size_t>(found - table.begin());
}

// Whether the two operands from `i` on are whole pages of one window: nothing can be wrong with them.
bool plain_range(const Operation& o, std::size_t i) {
  const std::uint64_t start = address_of(unpack_address(o.operands[i])).raw();
  const auto bytes = static_cast<std::uint64_t>(o.operands[i + 1]);
  if (start % kPageSize != 0 || bytes % kPageSize != 0 || bytes == 0 || bytes > kWindowPages * kPageSize) return false;
  return std::ranges::any_of(kWindows, [=](const Window& w) { return start >= w.start && start + bytes <= w.end; });
}

// A mapping that cannot fail, unless memory runs out: nothing of an older one is left in its range.
bool plain_map(const Operation& o) {
  constexpr std::int64_t kTroublesome = kMapNoReplace | kMapGrowsDown | kMapLocked;
  return o.op == Op::kMap && (o.operands[3] & kTroublesome) == 0 && plain_range(o, 0);
}

// `o` with a range of `pages` pages that begins `skip` pages further on.
std::optional<Operation> part(Operation o, std::int64_t skip, std::int64_t pages) {
  Address a = unpack_address(o.operands[0]);
  a.offset += static_cast<std::int32_t>(skip * static_cast<std::int64_t>(kPageSize));
  o.operands[0] = pack(a);
  o.operands[1] = pages * static_cast<std::int64_t>(kPageSize);
  if (o.op == Op::kMap && o.operands[4] != 0) o.operands[5] += skip;
  if (illegal(o)) return std::nullopt;
  return o;
}

void keep_halves(Rewriter& out, const Operation& o) {
  const std::int64_t pages = o.operands[1] >> kPageShift, first = pages / 2;
  const auto a = part(o, 0, first), b = part(o, first, pages - first);
  if (first == 0 || !a || !b || !out.room(1)) return out.keep(o);
  out.keep(*a);
  out.add(*b);
}

// `rewrite` keeps each step and adds what it likes before or after it.
template <class Rewrite>
std::optional<Transformed> each_step(const Program& program, Rewrite rewrite) {
  Rewriter out(program);
  for (const Operation& o : program.operations) rewrite(out, o);
  return out.take();
}

// The user address that a single access begins with.
std::optional<std::int64_t> accessed(const Operation& o) {
  if (row(o.op).op_class != OpClass::kAccess) return std::nullopt;
  const auto& kinds = row(o.op).operands;
  const auto at = std::ranges::find(kinds, OperandKind::kAddress);
  if (at == kinds.end()) return std::nullopt;
  return o.operands[static_cast<std::size_t>(at - kinds.begin())];
}

}  // namespace

std::optional<Transformed> repeat_program(const Program& program) {
  Transformed same{program, {}};
  for (std::size_t i = 0; i < program.operations.size(); ++i) same.step_of.push_back(i);
  return same;
}

// Refuses mremap, which sees the border between two halves that could not be merged: with their
// neighbours they may have different anon_vmas (Linux's is_mergeable_anon_vma()). Shared anonymous
// memory would be two objects.
std::optional<Transformed> split_maps(const Program& program) {
  if (sees_everything(program) || has(program, Op::kRemap)) return std::nullopt;
  return each_step(program, [](Rewriter& out, const Operation& o) {
    const bool two_objects = (o.operands[3] & kMapShared) != 0 && o.operands[4] == 0;
    if (plain_map(o) && !two_objects) return keep_halves(out, o);
    out.keep(o);
  });
}

std::optional<Transformed> split_unmaps(const Program& program) {
  if (sees_everything(program)) return std::nullopt;
  return each_step(program, [](Rewriter& out, const Operation& o) {
    if (o.op == Op::kUnmap && plain_range(o, 0)) return keep_halves(out, o);
    out.keep(o);
  });
}

// After flips the caches matter, on purpose.
std::optional<Transformed> invalidate_more(const Program& program) {
  if (has(program, OpClass::kRaw)) return std::nullopt;
  return each_step(program, [](Rewriter& out, const Operation& o) {
    if (const auto at = accessed(o)) out.add({Op::kInvalidate, {*at}});
    out.keep(o);
  });
}

// mincore() sees the page of a file that the load brought in.
std::optional<Transformed> read_before_write(const Program& program) {
  if (sees_everything(program) || has(program, Op::kResident)) return std::nullopt;
  return each_step(program, [](Rewriter& out, const Operation& o) {
    if (o.op == Op::kWrite || o.op == Op::kModify || o.op == Op::kLocked) out.add({Op::kRead, {1, *accessed(o)}});
    out.keep(o);
  });
}

std::optional<Transformed> protect_to_the_same(const Program& program) {
  return each_step(program, [](Rewriter& out, const Operation& o) {
    out.keep(o);
    if (plain_map(o)) out.add({Op::kProtect, {o.operands[0], o.operands[1], o.operands[2]}});
  });
}

std::optional<Transformed> advise_normal(const Program& program) {
  const auto normal = advice_index(MADV_NORMAL);
  if (!normal) return std::nullopt;
  return each_step(program, [&normal](Rewriter& out, const Operation& o) {
    out.keep(o);
    if (plain_map(o)) out.add({Op::kAdvise, {o.operands[0], o.operands[1], static_cast<std::int64_t>(*normal)}});
  });
}

// Anonymous memory alone: locking a private mapping of a file makes its pages private at once, so
// that what is written to the file later is not seen. Locked for a while, a mapping may be merged
// less (see split_maps()), which mremap sees.
std::optional<Transformed> lock_and_unlock(const Program& program) {
  if (sees_everything(program) || has(program, Op::kRemap) || has(program, Op::kResident)) return std::nullopt;
  return each_step(program, [](Rewriter& out, const Operation& o) {
    out.keep(o);
    if (!plain_map(o) || o.operands[4] != 0 || !out.room(2)) return;
    out.add({Op::kLock, {o.operands[0], o.operands[1], 0}});
    out.add({Op::kUnlock, {o.operands[0], o.operands[1]}});
  });
}

std::optional<Transformed> unmap_again(const Program& program) {
  if (sees_everything(program)) return std::nullopt;
  return each_step(program, [](Rewriter& out, const Operation& o) {
    out.keep(o);
    if (o.op == Op::kUnmap) out.add(o);
  });
}

std::optional<Transformed> switch_again(const Program& program) {
  if (sees_everything(program)) return std::nullopt;
  return each_step(program, [](Rewriter& out, const Operation& o) {
    out.keep(o);
    if (o.op == Op::kSwitch) out.add(o);
  });
}

std::optional<Transformed> sync_later(const Program& program) {
  return each_step(program, [](Rewriter& out, const Operation& o) {
    out.keep(o);
    if (o.op != Op::kWrite) return;
    Address page = unpack_address(*accessed(o));
    page.offset &= ~static_cast<std::int32_t>(kPageMask);
    out.add({Op::kSync, {pack(page), static_cast<std::int64_t>(kPageSize), MS_ASYNC}});
  });
}

// Of a program with one process, so that numbers stay as they are.
std::optional<Transformed> fork_and_exit(const Program& program) {
  if (sees_everything(program) || has(program, OpClass::kProcess)) return std::nullopt;
  std::size_t forks = 0;
  return each_step(program, [&forks](Rewriter& out, const Operation& o) {
    out.keep(o);
    if (!accessed(o) || forks == kMaxForks || !out.room(3)) return;
    ++forks;
    out.add({Op::kFork, {}});
    out.add({Op::kSwitch, {1}});
    out.add({Op::kExit, {}});
  });
}

}  // namespace faultline::vmm::fuzz
