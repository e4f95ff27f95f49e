#include "vmm/kvm/sinks.hpp"

#include <cstdio>
#include <cstdlib>

namespace faultline::vmm::kvm {
namespace {

// Without invalidation the guest would run on with translations to memory that is no longer
// its own: there is no way on from here.
[[noreturn]] void cannot_invalidate(const char* what) {
  std::fprintf(stderr, "faultline: cannot invalidate guest translations: %s\n", what);
  std::abort();
}

}  // namespace

mmu::TlbAction TwoDimensionalSink::flush(const mmu::TlbBatch& batch) {
  books_.open()->flush(batch);
  return mmu::TlbAction::kGuestFlush;
}

mmu::TlbAction TwoDimensionalSink::drop_all() {
  books_.open()->end_all();
  return mmu::TlbAction::kGuestFlush;
}

mmu::TlbAction TwoDimensionalSink::end(Gpa root) {
  books_.open()->end(root);
  return mmu::TlbAction::kGuestFlush;
}

mmu::TlbAction ShadowSink::flush(const mmu::TlbBatch& batch) {
  std::uint64_t frames = 0;
  for (const mmu::FrameRange& range : batch.frames) frames += range.count;
  if (frames == 0) return mmu::TlbAction::kNone;
  if (batch.frames.size() > kMaxRangesByFrame || frames > kMaxPagesByFrame) return drop_all();
  for (const mmu::FrameRange& range : batch.frames) {
    if (::madvise(ram_.at(Gpa(range.first)), range.count * kPageSize, MADV_DONTNEED) != 0) return drop_all();
  }
  return mmu::TlbAction::kFrameDrop;
}

mmu::TlbAction ShadowSink::drop_all() {
  if (auto done = slots_.cycle_dummy(); !done) cannot_invalidate(done.error().message.c_str());
  return mmu::TlbAction::kFullDrop;
}

}  // namespace faultline::vmm::kvm
