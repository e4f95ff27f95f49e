#include "vmm/fuzz/generate_picture.hpp"

#include <sys/mman.h>

#include <algorithm>

namespace faultline::vmm::fuzz {

namespace {

constexpr std::int64_t kDontUnmap = 4;  // MREMAP_DONTUNMAP

std::uint64_t address_operand(const Operation& o, std::size_t i) {
  return address_of(unpack_address(o.operands[i])).raw();
}

// What a call about [start, start + bytes) rounds it to; empty when it refuses.
Picture::Stretch stretch(std::uint64_t start, std::int64_t length) {
  const auto bytes = static_cast<std::uint64_t>(length);
  if (!Gva(start).page_aligned() || bytes > kMaxLength || start > kTaskSize || page_align(bytes) > kTaskSize - start)
    return {start, 0};
  return {start, page_align(bytes)};
}

Picture::Region cut(Picture::Region r, std::uint64_t start, std::uint64_t end) {
  r.offset += start - r.start;
  r.start = start;
  r.end = end;
  return r;
}

}  // namespace

Picture::Picture() { processes_[0].alive = true; }

unsigned Picture::alive() const { return static_cast<unsigned>(std::ranges::count(processes_, true, &Process::alive)); }

const Picture::Region* Picture::region_at(std::uint64_t address) const {
  for (const Region& r : regions()) {
    if (address >= r.start && address < r.end) return &r;
  }
  return nullptr;
}

void Picture::carve(std::uint64_t start, std::uint64_t end) {
  std::vector<Region> left;
  for (const Region& r : mine()) {
    if (r.end <= start || r.start >= end) {
      left.push_back(r);
      continue;
    }
    if (r.start < start) left.push_back(cut(r, r.start, start));
    if (r.end > end) left.push_back(cut(r, end, r.end));
  }
  mine() = std::move(left);
}

void Picture::note(std::uint64_t start, std::uint64_t bytes) {
  recent_.push_back({start, bytes});
  if (recent_.size() > kRecent) recent_.erase(recent_.begin());
}

void Picture::follow_map(const Operation& o) {
  const auto at = stretch(address_operand(o, 0), o.operands[1]);
  const std::uint64_t end = at.start + at.bytes;
  if (at.bytes == 0 || at.start < kPlaces[4].address) return;
  const auto overlaps = [&](const Region& r) { return r.start < end && at.start < r.end; };
  if ((o.operands[3] & kMapNoReplace) != 0 && std::ranges::any_of(mine(), overlaps)) return;
  carve(at.start, end);
  const auto file = static_cast<FileOperand>(o.operands[4]);
  mine().push_back({at.start, end, static_cast<std::uint8_t>(o.operands[2]), static_cast<std::uint8_t>(o.operands[3]),
                    file, static_cast<std::uint64_t>(o.operands[5]) * kPageSize});
  note(at.start, at.bytes);
}

void Picture::follow_remap(const Operation& o) {
  const auto from = stretch(address_operand(o, 0), o.operands[1]), sized = stretch(from.start, o.operands[2]);
  const Region* old = region_at(from.start);
  if (old == nullptr || sized.bytes == 0 || from.start + from.bytes > old->end) return;
  Region moved = cut(*old, from.start, from.start + sized.bytes);
  if ((o.operands[3] & MREMAP_MAYMOVE) == 0) {
    carve(from.start, from.start + std::max(from.bytes, sized.bytes));
  } else {
    const auto to = stretch(address_operand(o, 4), o.operands[2]);
    if (to.bytes == 0 || (to.start < from.start + from.bytes && from.start < to.start + to.bytes)) return;
    if ((o.operands[3] & kDontUnmap) == 0) carve(from.start, from.start + from.bytes);
    carve(to.start, to.start + to.bytes);
    moved.start = to.start;
    moved.end = to.start + to.bytes;
  }
  mine().push_back(moved);
  note(moved.start, moved.end - moved.start);
}

void Picture::follow_process(const Operation& o) {
  const auto lowest = [&](bool alive) {
    return static_cast<std::size_t>(std::ranges::find(processes_, alive, &Process::alive) - processes_.begin());
  };
  if (o.op == Op::kFork) {
    if (const std::size_t child = lowest(false); child < kMaxProcesses) processes_[child] = processes_[current_];
  } else if (o.op == Op::kExit) {
    if (alive() == 1) return;
    processes_[current_] = {};
    current_ = static_cast<unsigned>(lowest(true));
  } else if (processes_[static_cast<std::size_t>(o.operands[0])].alive) {
    current_ = static_cast<unsigned>(o.operands[0]);
  }
}

void Picture::follow(const Operation& o) {
  const OpRow& r = row(o.op);
  if (r.op_class == OpClass::kProcess) return follow_process(o);
  if (o.op == Op::kMap) return follow_map(o);
  if (o.op == Op::kRemap) return follow_remap(o);
  if (o.op == Op::kResize) sizes_[static_cast<std::size_t>(o.operands[0])] = static_cast<std::uint64_t>(o.operands[1]);
  if (r.op_class == OpClass::kCall && r.operands[0] == OperandKind::kAddress) {
    const auto at = stretch(address_operand(o, 0), o.operands[1]);
    if (o.op == Op::kUnmap && at.bytes != 0) carve(at.start, at.start + at.bytes);
    if (o.op == Op::kProtect && at.bytes != 0 && region_at(at.start) != nullptr) {
      const std::vector<Region> before = mine();
      carve(at.start, at.start + at.bytes);
      for (const Region& old : before) {
        if (old.end <= at.start || old.start >= at.start + at.bytes) continue;
        Region changed = cut(old, std::max(old.start, at.start), std::min(old.end, at.start + at.bytes));
        changed.protection = static_cast<std::uint8_t>(o.operands[2]);
        mine().push_back(changed);
      }
    }
    if (at.bytes != 0) note(at.start, at.bytes);
  } else {
    for (std::size_t i = 0; i < r.operand_count(); ++i) {
      if (r.operands[i] == OperandKind::kAddress) note(Gva(address_operand(o, i)).page_base().raw(), kPageSize);
    }
  }
}

}  // namespace faultline::vmm::fuzz
