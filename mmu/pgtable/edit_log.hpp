// Entries changed during one fault or operation, before and after, for the fault record.
// Bounded: counts all, keeps the first few.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "mmu/arch/pte.hpp"

namespace faultline::mmu {

struct PteEdit {
  Gva address;  // first address that the entry translates
  Level level = 0;
  Gpa slot;
  Pte before, after;
};

class EditLog {
 public:
  static constexpr unsigned kKept = 40;  // a fault-around of 16 pages plus tables fits

  void add(const PteEdit& e) {
    if (total_ < kKept) edits_[total_] = e;
    ++total_;
  }
  void add_allocated(Gfn frame) { allocated_.push(frame); }
  void add_copied(Gfn from, Gfn to) {
    copied_from_.push(from);
    copied_to_.push(to);
  }
  void clear() { *this = EditLog{}; }
  // A log that was kept elsewhere: what was added after the first few is only counted.
  void restore_totals(unsigned edits, unsigned allocated) {
    total_ = edits;
    allocated_.total = allocated;
  }

  [[nodiscard]] std::span<const PteEdit> edits() const { return {edits_.data(), total_ < kKept ? total_ : kKept}; }
  [[nodiscard]] unsigned total_edits() const { return total_; }
  [[nodiscard]] std::span<const Gfn> allocated() const { return allocated_.kept(); }
  [[nodiscard]] unsigned total_allocated() const { return allocated_.total; }
  [[nodiscard]] std::span<const Gfn> copied_from() const { return copied_from_.kept(); }
  [[nodiscard]] std::span<const Gfn> copied_to() const { return copied_to_.kept(); }

 private:
  struct Frames {
    std::array<Gfn, 24> frames{};
    unsigned total = 0;
    void push(Gfn f) {
      if (total < frames.size()) frames[total] = f;
      ++total;
    }
    [[nodiscard]] std::span<const Gfn> kept() const {
      return {frames.data(), total < frames.size() ? total : frames.size()};
    }
  };
  std::array<PteEdit, kKept> edits_{};
  unsigned total_ = 0;
  Frames allocated_, copied_from_, copied_to_;
};

}  // namespace faultline::mmu
