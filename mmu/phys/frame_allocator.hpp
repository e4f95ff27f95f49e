// Buddy allocator over guest frames, with their reference and map counts.
//
// Untouched memory costs nothing: blocks are carved from it on demand, lowest first, so that
// neighbours in time are neighbours in memory, and a frame that was never handed out is known
// to be zero: the memory above `first` must be zero at the start.
//
// Not thread safe by itself: the caller holds the memory lock (docs/architecture.md, "Locks").
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mmu/phys/frame.hpp"
#include "mmu/phys/phys_memory.hpp"

namespace faultline::mmu {

inline constexpr unsigned kMaxOrder = 10;  // 4 MiB blocks, as Linux's MAX_PAGE_ORDER

enum class Zeroing : std::uint8_t { kNeeded, kNotNeeded };

class FrameAllocator {
 public:
  // Told before frames [0, end) are first handed out, with `end` growing; returns false when
  // the memory cannot be made available (then the allocation fails). vmm adds KVM slots here.
  using ExtendHook = std::function<bool(Gfn end)>;

  // Manages frames [first, memory.frames()); those below `first` stay kReserved. Where several share
  // the memory, `reserved_end` says which are nobody's: what lies between it and `first` is another
  // allocator's, and takes no metadata here.
  FrameAllocator(PhysMemory memory, Gfn first, ExtendHook extend = {}, std::optional<Gfn> reserved_end = {});

  // A block of 2^order frames with refcount 1 each, or nothing when memory is short.
  [[nodiscard]] std::optional<Gfn> allocate(FrameKind kind, Zeroing zeroing, unsigned order = 0);

  // Reference counts. put() frees at zero; a frame must then be unmapped.
  void get(Gfn frame) { at(frame).refcount.fetch_add(1, std::memory_order_relaxed); }
  void put(Gfn frame);
  // As put() for the last reference, but nobody gets the frame again before a rewind().
  void retire(Gfn frame);

  [[nodiscard]] Frame& at(Gfn frame) {
    FL_CHECK(memory_.contains(frame));
    return frames_[frame.raw()];
  }
  [[nodiscard]] const Frame& at(Gfn frame) const {
    FL_CHECK(memory_.contains(frame));
    return frames_[frame.raw()];
  }
  [[nodiscard]] const PhysMemory& memory() const { return memory_; }

  [[nodiscard]] std::uint64_t total_frames() const { return memory_.frames() - first_.raw(); }
  [[nodiscard]] std::uint64_t free_frames() const { return total_frames() - used_ - retired_; }
  [[nodiscard]] std::uint64_t used_frames() const { return used_; }
  // Frames at or above this were never handed out (not since the last rewind()).
  [[nodiscard]] Gfn high_water() const { return fresh_; }
  [[nodiscard]] Gfn first() const { return first_; }
  // All frames below high_water() are in use and stay so, whatever is put: marks and checkers leave
  // those below settled() alone from here on, and cost nothing for them. Precondition: none is free.
  void settle();
  [[nodiscard]] Gfn settled() const { return settled_; }

  // Host memory that the guest makes us spend besides frames: VMAs, the links of reverse maps.
  // Linux takes it from the same RAM. A guest may have as much as it has RAM, and kMetadataFloor.
  static constexpr std::uint64_t kMetadataFloor = 256ULL << 20;
  void charge_metadata(std::int64_t bytes) { metadata_bytes_ += bytes; }
  [[nodiscard]] bool may_charge_metadata(std::uint64_t bytes) const {
    return static_cast<std::uint64_t>(metadata_bytes_) + bytes <= metadata_limit_;
  }
  [[nodiscard]] std::int64_t metadata_bytes() const { return metadata_bytes_; }
  void set_metadata_limit(std::uint64_t bytes) { metadata_limit_ = bytes; }

  // Makes the n-th allocation from now fail, once (0 = none); for fault-injection tests.
  void fail_nth(std::uint64_t n) { fail_countdown_ = n; }
  [[nodiscard]] std::uint64_t failing_nth() const { return fail_countdown_; }

  // The state as it is now, to come back to: the same requests are then answered by the same
  // frames. Only for this allocator.
  class Mark {
   public:
    [[nodiscard]] std::uint64_t used_frames() const { return used_; }
    [[nodiscard]] std::int64_t metadata_bytes() const { return metadata_bytes_; }

   private:
    friend class FrameAllocator;
    struct Saved {
      std::uint64_t frame;
      std::int32_t refcount, mapcount;
      FrameKind kind;
      std::uint8_t order;
      bool anon_exclusive, dirty, lazy_free;
      std::uint64_t index;
      FileMapping* mapping;
      AnonVma* anon_vma;
    };
    // Those that are settled and not reserved, then all others from settled() on.
    std::vector<Saved> kept_, frames_;
    std::uint64_t id_ = 0;
    Gfn settled_, fresh_, used_end_;
    std::array<std::uint32_t, kMaxOrder + 1> heads_{};
    std::uint64_t used_ = 0, retired_ = 0;
    std::int64_t metadata_bytes_ = 0;
  };
  [[nodiscard]] Mark mark();
  // Everything as it was at `mark`, and high_water() with it; the bytes of frames stay as they are.
  // What was handed out since is taken back without a question: nobody uses it any more. A
  // failure that was to come does not. To come back to the mark that was made or come back to last
  // costs as much as was used since; to another one, as much as there is from its settled() on, but
  // for one that was left as it was and whose frames nobody had since.
  void rewind(const Mark& mark);

  // Verifies the free lists against the frames; returns the first contradiction.
  [[nodiscard]] std::optional<std::string> check_invariants() const;

 private:
  struct FreeDeleter {
    void operator()(Frame* p) const { std::free(p); }
  };
  std::optional<Gfn> take_block(unsigned order);
  bool carve(unsigned order);
  void free_block(std::uint64_t frame, unsigned order);
  void push(std::uint64_t frame, unsigned order);
  void unlink(std::uint64_t frame, unsigned order);
  void spoil_marks(Gfn first, Gfn end);
  // What is known of `frame` differs from the current mark.
  void note_change(std::uint64_t frame) { changed_end_ = std::max(changed_end_, frame + 1); }
  static Mark::Saved save(std::uint64_t number, const Frame& frame);
  static void restore(const Mark::Saved& saved, Frame& frame);

  PhysMemory memory_;
  std::unique_ptr<Frame[], FreeDeleter> frames_;
  Gfn first_, settled_, fresh_;
  Gfn extended_;  // what `extend_` was told last; more than fresh_ after a rewind
  ExtendHook extend_;
  std::array<std::uint32_t, kMaxOrder + 1> heads_{};  // 0 = empty; frame 0 is never free
  std::uint64_t used_ = 0, retired_ = 0;
  std::uint64_t fail_countdown_ = 0;
  std::int64_t metadata_bytes_ = 0;
  std::uint64_t metadata_limit_;
  // The mark that frames are as at, but for those below changed_end_ and those in use then.
  std::uint64_t current_mark_ = 0, marks_ = 0, changed_end_ = 0;
  // Other marks whose frames, from their settled() on, nobody has changed since they were come back to.
  struct Intact {
    std::uint64_t mark;
    Gfn settled, fresh;
  };
  std::vector<Intact> intact_;
};

}  // namespace faultline::mmu
