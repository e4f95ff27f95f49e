// What makes page-table edits true for the guest. mmu gathers what must be invalidated
// (pgtable/gather.hpp); the sink of the backend at hand invalidates it before the guest runs
// again and before any frame is reused. What each KVM needs is in docs/coherence.md.
#pragma once

#include <cstdint>
#include <span>

#include "mmu/base/address.hpp"

namespace faultline::mmu {

struct FrameRange {
  Gfn first;
  std::uint64_t count = 0;
};

// The translations of one address space that are stale, in one batch.
struct TlbBatch {
  Gpa root;                            // the address space's top-level table
  Gva start, end;                      // every stale translation lies in [start, end)
  std::span<const FrameRange> frames;  // the frames that stale translations point to, merged
  std::uint64_t pages = 0;             // how many leaves changed
  bool tables_freed = false;           // paging-structure pages were unlinked as well
};

// What the sink did, for the record; and whether unlinked table pages may be reused.
enum class TlbAction : std::uint8_t {
  kNone,        // nothing had to be done
  kGuestFlush,  // the guest flushes its TLB before it runs on
  kFrameDrop,   // the host dropped shadow entries by frame
  kFullDrop,    // every shadow page was dropped
};

class TlbSink {
 public:
  virtual ~TlbSink() = default;
  // Makes every translation in `batch` unusable before the guest's next instruction.
  virtual TlbAction flush(const TlbBatch& batch) = 0;
  // True when a table page that was unlinked may serve as another table after flush().
  // When false, mmu keeps it for the entry that it hung from, until drop_all().
  [[nodiscard]] virtual bool tables_reusable_after_flush() const = 0;
  // Invalidates everything, after which every unlinked table page may be reused.
  virtual TlbAction drop_all() = 0;
  // The address space with its top-level table at `root` is not used again: that table, those below
  // and the frames may serve as anything. Invalidates all of it, and no less than drop_all() where
  // tables_reusable_after_flush() is false.
  virtual TlbAction end(Gpa /*root*/) { return drop_all(); }
  // True: end() leaves what is known of the tables as it is. They are retired: frames that serve as nothing
  // until whoever made the memory takes it all back (FrameAllocator::rewind).
  [[nodiscard]] virtual bool retires_tables() const { return false; }
};

}  // namespace faultline::mmu
