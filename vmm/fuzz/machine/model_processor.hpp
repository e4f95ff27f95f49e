// The processor of tests/model: the walk, the rights, the error codes, Accessed and Dirty are
// predict()'s; what it has cached, ModelTlb's.
//
// Where the architecture leaves a choice: the lower page of an access faults first; a
// read-modify-write asks for the right to write from the start; a string instruction reads a byte
// before it writes it; a store that cannot be made as a whole writes nothing, and sets no Accessed or
// Dirty in the page that it may have.
#pragma once

#include <array>
#include <vector>

#include "tests/model/predict.hpp"
#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/machine/model_tlb.hpp"
#include "vmm/fuzz/machine/processor.hpp"

namespace faultline::vmm::fuzz {

class ModelProcessor final : public Processor {
 public:
  static constexpr unsigned kPhysicalBits = 46;

  // `tlb` outlives this. The sink that the world was made with passes on to it.
  ModelProcessor(mmu::PhysMemory memory, ModelTlb& tlb) : memory_(memory), tables_(memory), tlb_(tlb) {
    cpu_.physical_bits = kPhysicalBits;
  }

  Result<void> run(mmu::AddressSpace& mm, std::span<const Operation> accesses, AccessSink& sink) override;
  // It needs nothing there. But an area has neighbours, which its growth depends on: what others have, it has, too.
  Result<void> adopt(mmu::AddressSpace& mm) override;
  void release(mmu::AddressSpace& mm) override;
  [[nodiscard]] bool owns(Gva address) const override { return in_engine(address); }
  bool flip_control(Control control) override;
  void invalidate(mmu::AddressSpace& mm, Gva address) override;
  void entry_flipped(mmu::AddressSpace& mm, const FlippedEntry& entry) override;
  [[nodiscard]] std::optional<std::string> stale() override { return tlb_.stale(); }

 private:
  // The tables, with one entry as it was before a flip if need be.
  class Tables final : public model::Memory {
   public:
    explicit Tables(mmu::PhysMemory memory) : memory_(memory) {}
    [[nodiscard]] std::optional<std::uint64_t> entry(Gpa slot, unsigned bytes) const override;
    const FlippedEntry* before = nullptr;

   private:
    mmu::PhysMemory memory_;
  };
  // A part of an access, within one page.
  struct Part {
    std::uint64_t address = 0;
    unsigned bytes = 0;
    model::Kind kind = model::Kind::kRead;
  };
  enum class Verdict : std::uint8_t { kAllowed, kDenied, kUndefined };
  struct Judged {
    Verdict verdict = Verdict::kAllowed;
    bool cached = false;     // allowed by what is cached; the tables were not looked at
    model::Outcome outcome;  // else, by the tables
    std::byte* data = nullptr;
  };
  // An access to a place that may be in two pages.
  struct Whole {
    std::array<Part, 2> parts;
    std::array<Judged, 2> judged;
    unsigned count = 0;
    const Judged* denied = nullptr;
  };

  [[nodiscard]] model::Answer predict(const Part& part) const;
  void judge(const Part& part, Judged& judged);
  [[nodiscard]] bool depends_on_flip(const Part& part, const model::Outcome& now);
  void use(const Part& part, const Judged& judged);
  void judge_whole(std::uint64_t address, unsigned bytes, model::Kind kind);
  AfterFault report(const Judged& denied, AccessSink& sink, std::size_t index);

  // Null: the access was made, and `loaded_` says what it read.
  const Judged* attempt(const Operation& access);
  const Judged* attempt_plain(const Operation& access);
  const Judged* attempt_fetch(const Operation& access);
  const Judged* attempt_string(const Operation& access);

  mmu::PhysMemory memory_;
  Tables tables_;
  ModelTlb& tlb_;
  model::Cpu cpu_;
  model::Controls controls_;

  struct PendingFlip {
    Gpa root;
    FlippedEntry entry;
    std::vector<Vpn> known;  // pages for which it was invalidated
  };
  void forget_flips_at(Vpn page);
  // Flips that somebody may not know of yet, since the TLB was dropped for the `drops_`th time.
  std::vector<PendingFlip> flips_;
  std::uint64_t drops_ = 0;
  // Of the access under way.
  Whole whole_;
  Part part_;
  Judged judged_;
  std::uint64_t done_ = 0;  // bytes of a string instruction, which goes on where it was
  std::array<std::uint8_t, 16> loaded_{};
  std::size_t loaded_count_ = 0;
};

}  // namespace faultline::vmm::fuzz
