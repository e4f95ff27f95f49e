// mmu with a vCPU: one machine for all programs. Each finds it as the one before did.
#pragma once

#include "vmm/fuzz/guest/snapshot.hpp"
#include "vmm/fuzz/guest/vcpu_processor.hpp"
#include "vmm/fuzz/machine/machine_judge.hpp"

namespace faultline::vmm::fuzz {

class GuestJudge final : public Judge {
 public:
  static constexpr std::uint64_t kBytes = 256ULL << 20;  // one memory slot

  // `backend`: as MachineConfig::backend.
  static Result<std::unique_ptr<GuestJudge>> create(std::string_view backend);
  ~GuestJudge() override;

  [[nodiscard]] std::string_view name() const override { return machine_->backend(); }
  [[nodiscard]] JudgeKind kind() const override { return kMachine; }
  [[nodiscard]] bool has_guest() const override { return true; }
  Result<Trace> run(const Program& program) override;

  // Has the host note every page that the guest writes to, and holds it against what is known here:
  // frames handed out since the snapshot, and the engine's list. A finding otherwise. Costs a fault
  // for every page written. Error: nothing but KVM can.
  Result<void> check_dirty_pages(bool on);

  [[nodiscard]] Machine& machine() { return *machine_; }
  [[nodiscard]] const VcpuProcessor& processor() const { return *processor_; }
  void set_checking(Checking checking) {
    for (Arena& arena : arenas_) arena.judge->set_checking(checking);
  }

 private:
  // Shadow paging remembers which frames were page tables, until everything is dropped; and to drop
  // everything waits for the host's other threads. So programs take turns in places of their own in
  // guest memory, and only when each was used everything is dropped. Within its place every program
  // finds the same.
  struct Arena {
    std::unique_ptr<World> world;
    std::unique_ptr<MachineJudge> judge;
    Gfn end;
  };
  static constexpr std::uint64_t kArenaFrames = 1ULL << mmu::kMaxOrder;
  static constexpr unsigned kArenas = 40;

  GuestJudge() = default;
  Result<void> set_up();
  Result<void> add_arena();
  bool next_arena();  // whether the last program was in more than its own
  Result<void> come_back(Trace& trace, bool spilled);
  [[nodiscard]] bool may_be_written(Gfn frame) const;

  // In the order in which they need each other; destroyed in reverse.
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Vcpu> vcpu_;
  std::optional<LazySink> sink_;
  std::optional<Engine> engine_;
  std::optional<VcpuProcessor> processor_;
  std::vector<Arena> arenas_;
  std::size_t next_ = 0;  // whose turn it is
  std::optional<Snapshot> snapshot_;
  bool check_dirty_pages_ = false;
  std::vector<Gfn> dirty_;
};

}  // namespace faultline::vmm::fuzz
