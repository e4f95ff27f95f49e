// mmu with a vCPU: one machine for all programs. Each finds it as the one before did. Several may be
// under way at once, each in an arena, so that one entry of the guest serves them all.
#pragma once

#include "vmm/fuzz/guest/arena.hpp"

namespace faultline::vmm::fuzz {

class GuestJudge final : public Judge {
 public:
  static constexpr std::uint64_t kBytes = 512ULL << 20;
  // At most so many programs are under way at once.
  static constexpr unsigned kMostTogether = 16;

  // `backend`: as MachineConfig::backend.
  static Result<std::unique_ptr<GuestJudge>> create(std::string_view backend);
  // With all memory of a machine of kBytes, of which nobody has used any.
  static Result<std::unique_ptr<GuestJudge>> create_on(std::unique_ptr<Machine> machine);

  [[nodiscard]] std::string_view name() const override { return machine_->backend(); }
  [[nodiscard]] JudgeKind kind() const override { return kMachine; }
  [[nodiscard]] bool has_guest() const override { return true; }
  Result<Trace> run(const Program& program) override;
  // What they come to is what run() says of each. One that the host fails with, or that might disturb
  // others, runs alone.
  std::vector<Result<Trace>> run_many(std::span<const Program* const> programs) override;
  [[nodiscard]] unsigned at_once() const override { return at_once_; }

  // So many programs are under way at once, and their lists are made in one entry if the vCPU can. At
  // the start: as it pays on this backend.
  void set_at_once(unsigned programs);
  // Of these, so many share an entry.
  [[nodiscard]] unsigned most_together() const { return runner_->most_together(); }

  // Has the host note every page that the guest writes to, and holds it against what is known here:
  // frames handed out since the snapshot, and the engine's list. A finding otherwise. Costs a fault
  // for every page written. Error: nothing but KVM can.
  Result<void> check_dirty_pages(bool on);

  [[nodiscard]] Machine& machine() { return *machine_; }
  // What the next program gets its memory from.
  [[nodiscard]] mmu::FrameAllocator& next_frames() {
    return arenas_[cheap_drops_ ? 0 : next_ % arenas_.size()]->frames();
  }
  void set_checking(Checking checking) {
    for (auto& arena : arenas_) arena->judge().set_checking(checking);
    whole_->judge().set_checking(checking);
  }

 private:
  // A program in its arena.
  struct Lane {
    Arena* arena;
    const Program* program;
    Result<Trace>* answer;
    bool over = false;
  };
  // Shadow paging remembers which frames were page tables, until everything is dropped; and to drop
  // everything waits for the host's other threads. So programs take turns in arenas, and when each of one
  // half was used everything is dropped, while they go on in the other. So many that this is over by the
  // time that they come back: of each arena no more is touched than programs need, 13 MiB of all.
  static constexpr std::uint64_t kArenaFrames = 1ULL << mmu::kMaxOrder;
  static constexpr unsigned kArenas = 104;

  GuestJudge() = default;
  Result<void> set_up();
  Result<void> add_arenas(unsigned count);
  Result<Gfn> take_memory(std::uint64_t blocks);
  void run_lanes(std::span<Lane> lanes);
  Result<void> advance(std::span<Lane> lanes);
  void run_alone(const Program& program, Result<Trace>& answer);
  void finish(std::span<Lane> lanes);
  Result<void> check_dirty(std::span<Lane> lanes);
  Arena& next_arena() { return *arenas_[next_++]; }
  void make_room(std::size_t arenas);
  void renew_vcpu();

  // In the order in which they need each other; destroyed in reverse.
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Vcpu> vcpu_;
  std::optional<LazySink> sink_;
  std::optional<ListRunner> runner_;
  std::vector<std::unique_ptr<Arena>> arenas_;
  std::unique_ptr<Arena> whole_;  // for a program that an arena is too small for
  std::size_t next_ = 0;          // whose turn it is
  unsigned at_once_ = 1;
  bool cheap_drops_ = false;  // nothing is remembered of frames that were page tables
  bool check_dirty_pages_ = false;
  std::vector<AccessList> lists_;
  std::vector<Gfn> dirty_;
};

}  // namespace faultline::vmm::fuzz
