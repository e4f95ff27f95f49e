#include "mmu/phys/frame_allocator.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include <fmt/format.h>

namespace faultline::mmu {

FrameAllocator::FrameAllocator(PhysMemory memory, Gfn first, ExtendHook extend, std::optional<Gfn> reserved_end)
    // calloc of this size is an anonymous mapping: untouched metadata costs nothing.
    : memory_(memory),
      frames_(static_cast<Frame*>(std::calloc(memory.frames(), sizeof(Frame)))),
      first_(first),
      settled_(first),
      fresh_(first),
      extended_(first),
      extend_(std::move(extend)),
      metadata_limit_(kMetadataFloor + memory.frames() * kPageSize) {
  FL_CHECK(frames_ != nullptr);
  FL_CHECK(first.raw() > 0 && first.raw() <= memory.frames() && memory.frames() <= 0xffff'ffffULL);
  const Gfn reserved = reserved_end.value_or(first);
  FL_CHECK(reserved <= first);
  for (std::uint64_t f = 0; f < reserved.raw(); ++f) frames_[f].kind = FrameKind::kReserved;
}

void FrameAllocator::push(std::uint64_t frame, unsigned order) {
  Frame& f = frames_[frame];
  f.kind = FrameKind::kFree;
  f.order = static_cast<std::uint8_t>(order);
  f.free = {.prev = 0, .next = heads_[order]};
  if (f.free.next != 0) frames_[f.free.next].free.prev = static_cast<std::uint32_t>(frame);
  note_change(std::max<std::uint64_t>(frame, f.free.next));
  heads_[order] = static_cast<std::uint32_t>(frame);
}

void FrameAllocator::unlink(std::uint64_t frame, unsigned order) {
  Frame& f = frames_[frame];
  if (f.free.prev != 0) {
    frames_[f.free.prev].free.next = f.free.next;
  } else {
    heads_[order] = f.free.next;
  }
  if (f.free.next != 0) frames_[f.free.next].free.prev = f.free.prev;
  note_change(std::max<std::uint64_t>({frame, f.free.prev, f.free.next}));
  f.kind = FrameKind::kUntouched;
}

// Takes the largest aligned block at the edge of untouched memory, up to kMaxOrder.
bool FrameAllocator::carve(unsigned order) {
  const std::uint64_t start = fresh_.raw();
  const std::uint64_t left = memory_.frames() - start;
  if (left == 0) return false;
  const unsigned by_alignment = static_cast<unsigned>(std::countr_zero(start));
  const unsigned by_room = static_cast<unsigned>(std::bit_width(left)) - 1;
  const unsigned got = std::min({by_alignment, by_room, kMaxOrder});
  const Gfn end(start + (std::uint64_t{1} << got));
  if (extend_ && end > extended_ && !extend_(end)) return false;
  spoil_marks(Gfn(start), end);
  // What rewind() left behind the mark.
  for (Gfn stale(start); stale < std::min(end, extended_); stale = stale + 1) restore({}, frames_[stale.raw()]);
  extended_ = std::max(extended_, end);
  fresh_ = end;
  push(start, got);
  return got >= order || carve(order);
}

std::optional<Gfn> FrameAllocator::take_block(unsigned order) {
  unsigned have = order;
  while (have <= kMaxOrder && heads_[have] == 0) ++have;
  if (have > kMaxOrder) {
    if (!carve(order)) return std::nullopt;
    return take_block(order);
  }
  const std::uint64_t frame = heads_[have];
  unlink(frame, have);
  // Give the upper halves back, so that the next ones handed out follow this one.
  while (have > order) {
    --have;
    push(frame + (std::uint64_t{1} << have), have);
  }
  return Gfn(frame);
}

std::optional<Gfn> FrameAllocator::allocate(FrameKind kind, Zeroing zeroing, unsigned order) {
  FL_CHECK(order <= kMaxOrder);
  const bool fails = fail_countdown_ != 0 && --fail_countdown_ == 0;
  std::optional<Gfn> block = fails ? std::nullopt : take_block(order);
  if (!block) return block;
  const std::uint64_t count = std::uint64_t{1} << order;
  for (std::uint64_t i = 0; i < count; ++i) {
    Frame& f = frames_[block->raw() + i];
    if (f.touched && zeroing == Zeroing::kNeeded) {
      const auto page = memory_.page(*block + i);
      std::memset(page.data(), 0, page.size());
    }
    f.touched = true;
    f.kind = kind;
    f.refcount.store(1, std::memory_order_relaxed);
    f.mapcount.store(0, std::memory_order_relaxed);
    f.anon_exclusive = false;
    f.dirty = false;
    f.lazy_free = false;
    f.index = 0;
    f.set_mapping(nullptr);
  }
  note_change(block->raw() + count - 1);
  used_ += count;
  return block;
}

void FrameAllocator::put(Gfn frame) {
  Frame& f = at(frame);
  const std::int32_t before = f.refcount.fetch_sub(1, std::memory_order_acq_rel);
  FL_CHECK(before > 0);
  if (before > 1) return;
  FL_CHECK(f.mapcount.load(std::memory_order_relaxed) == 0);
  FL_CHECK(f.kind != FrameKind::kReserved && f.kind != FrameKind::kFree);
  if (frame < settled_) return;
  --used_;
  free_block(frame.raw(), 0);
}

void FrameAllocator::retire(Gfn frame) {
  Frame& f = at(frame);
  FL_CHECK(f.refcount.exchange(0, std::memory_order_acq_rel) == 1 && f.mapcount.load(std::memory_order_relaxed) == 0);
  FL_CHECK(f.kind != FrameKind::kReserved && f.kind != FrameKind::kFree && frame >= settled_);
  f.kind = FrameKind::kUntouched;  // as if inside a larger free block, which there is none of
  --used_;
  ++retired_;
}

void FrameAllocator::free_block(std::uint64_t frame, unsigned order) {
  frames_[frame].kind = FrameKind::kUntouched;
  while (order < kMaxOrder) {
    const std::uint64_t buddy = frame ^ (std::uint64_t{1} << order);
    if (buddy < settled_.raw() || buddy + (std::uint64_t{1} << order) > fresh_.raw()) break;
    if (frames_[buddy].kind != FrameKind::kFree || frames_[buddy].order != order) break;
    unlink(buddy, order);
    frame = std::min(frame, buddy);
    ++order;
  }
  push(frame, order);
}

void FrameAllocator::settle() {
  FL_CHECK(fresh_ - first_ == used_);
  settled_ = fresh_;
  current_mark_ = 0;
}

FrameAllocator::Mark::Saved FrameAllocator::save(std::uint64_t number, const Frame& f) {
  return {.frame = number,
          .refcount = f.refcount.load(std::memory_order_relaxed),
          .mapcount = f.mapcount.load(std::memory_order_relaxed),
          .kind = f.kind,
          .order = f.order,
          .anon_exclusive = f.anon_exclusive,
          .dirty = f.dirty,
          .lazy_free = f.lazy_free,
          .index = f.index,
          .mapping = f.mapping(),
          .anon_vma = f.anon_vma()};
}

// `touched` stays: so do the frame's bytes.
void FrameAllocator::restore(const Mark::Saved& saved, Frame& f) {
  f.refcount.store(saved.refcount, std::memory_order_relaxed);
  f.mapcount.store(saved.mapcount, std::memory_order_relaxed);
  f.kind = saved.kind;
  f.order = saved.order;
  f.anon_exclusive = saved.anon_exclusive;
  f.dirty = saved.dirty;
  f.lazy_free = saved.lazy_free;
  f.index = saved.index;  // or its neighbours on the free list
  f.set_mapping(saved.mapping);
  if (saved.kind == FrameKind::kAnon) f.set_anon_vma(saved.anon_vma);
}

void FrameAllocator::spoil_marks(Gfn first, Gfn end) {
  std::erase_if(intact_, [=](const Intact& i) { return i.settled < end && first < i.fresh; });
}

FrameAllocator::Mark FrameAllocator::mark() {
  Mark mark;
  mark.settled_ = settled_;
  mark.fresh_ = fresh_;
  mark.used_end_ = settled_;
  mark.heads_ = heads_;
  mark.used_ = used_;
  mark.retired_ = retired_;
  mark.metadata_bytes_ = metadata_bytes_;
  mark.frames_.reserve(fresh_ - settled_);
  for (std::uint64_t n = first_.raw(); n < fresh_.raw(); ++n) {
    const Frame& f = frames_[n];
    const bool used = f.refcount.load(std::memory_order_relaxed) != 0;
    if (n >= settled_.raw()) {
      mark.frames_.push_back(save(n, f));
      if (used) mark.used_end_ = Gfn(n + 1);
    } else if (used && f.kind != FrameKind::kReserved) {
      mark.kept_.push_back(save(n, f));
    }
  }
  spoil_marks(settled_, fresh_);
  mark.id_ = current_mark_ = ++marks_;
  changed_end_ = 0;
  return mark;
}

void FrameAllocator::rewind(const Mark& mark) {
  if (mark.id_ != current_mark_ && changed_end_ == 0) intact_.push_back({current_mark_, settled_, fresh_});
  const bool as_it_was = std::ranges::any_of(intact_, [&](const Intact& i) { return i.mark == mark.id_; });
  spoil_marks(mark.settled_, mark.fresh_);  // it is the current one
  const std::uint64_t changed =
      mark.id_ == current_mark_ || as_it_was ? std::max(changed_end_, mark.used_end_.raw()) : mark.fresh_.raw();
  const std::uint64_t end = std::min(changed, mark.fresh_.raw());  // carve() sees to what is behind
  for (std::uint64_t n = mark.settled_.raw(); n < end; ++n) restore(mark.frames_[n - mark.settled_.raw()], frames_[n]);
  for (const Mark::Saved& saved : mark.kept_) restore(saved, frames_[saved.frame]);
  current_mark_ = mark.id_;
  changed_end_ = 0;
  settled_ = mark.settled_;
  fresh_ = mark.fresh_;
  heads_ = mark.heads_;
  used_ = mark.used_;
  retired_ = mark.retired_;
  metadata_bytes_ = mark.metadata_bytes_;
  fail_countdown_ = 0;
}

std::optional<std::string> FrameAllocator::check_invariants() const {
  std::uint64_t free_listed = 0;
  for (unsigned order = 0; order <= kMaxOrder; ++order) {
    std::uint64_t previous = 0;
    for (std::uint64_t f = heads_[order]; f != 0; previous = f, f = frames_[f].free.next) {
      const Frame& head = frames_[f];
      if (head.kind != FrameKind::kFree || head.order != order)
        return fmt::format("frame {:#x} is on free list {} but not free of that order", f, order);
      if (head.free.prev != previous) return fmt::format("frame {:#x}: broken free list link", f);
      if ((f & ((std::uint64_t{1} << order) - 1)) != 0)
        return fmt::format("free block {:#x} of order {} is misaligned", f, order);
      for (std::uint64_t i = 0; i < (std::uint64_t{1} << order); ++i)
        if (frames_[f + i].refcount.load(std::memory_order_relaxed) != 0)
          return fmt::format("frame {:#x} is free and has references", f + i);
      free_listed += std::uint64_t{1} << order;
    }
  }
  const std::uint64_t carved = fresh_ - first_;
  if (free_listed + used_ + retired_ != carved)
    return fmt::format("{} frames free, {} used and {} retired, but {} handed out so far", free_listed, used_, retired_,
                       carved);
  return std::nullopt;
}

}  // namespace faultline::mmu
