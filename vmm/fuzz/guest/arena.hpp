// A place of its own in guest memory where a program can be under way: frames, the engine, a world
// in them. Every program finds the same there, whatever goes on elsewhere.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "vmm/fuzz/guest/snapshot.hpp"
#include "vmm/fuzz/guest/vcpu_processor.hpp"
#include "vmm/fuzz/machine/machine_judge.hpp"

namespace faultline::vmm::fuzz {

class Arena {
 public:
  // Frames of the machine that nobody else uses, untouched; `first` is a multiple of the allocator's
  // largest block, so that all arenas hand out frames alike.
  struct Place {
    Gfn first, end;
  };
  // The machine and what is its vCPU's outlive this. Error: the place is too small.
  static Result<std::unique_ptr<Arena>> create(Machine& machine, LazySink& sink, ListRunner& runner, Place place);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  [[nodiscard]] MachineJudge& judge() { return *judge_; }
  [[nodiscard]] const Place& place() const { return place_; }
  [[nodiscard]] mmu::FrameAllocator& frames() { return *frames_; }
  // What the program under way is at. Precondition: judge().advance() said that there is something.
  [[nodiscard]] AccessList list() {
    Executor& work = judge_->work();
    return processor_->list(work.mm(), work.due(), work);
  }
  // Whether a program wanted more memory than there is here, since the last call: what it saw is not
  // what it would have seen elsewhere.
  bool take_short() { return std::exchange(short_, false); }

  // After a program: puts memory back as it was, and returns the frames in use before it that it wrote
  // to and should not have.
  std::vector<Gfn> restore();
  // A program may write to it: it is not in use between programs, or it is the list of accesses.
  [[nodiscard]] bool may_be_written(Gfn frame) const {
    return frame == engine_->list_frame() || !snapshot_->has(frame);
  }
  [[nodiscard]] bool has(Gfn frame) const { return frame >= place_.first && frame < place_.end; }
  [[nodiscard]] Gfn code_frame() const { return engine_->code_frame(); }

 private:
  explicit Arena(Place place) : place_(place) {}
  Result<void> set_up(Machine& machine, LazySink& sink, ListRunner& runner);

  Place place_;
  bool short_ = false;
  // In the order in which they need each other; destroyed in reverse.
  std::unique_ptr<mmu::FrameAllocator> frames_;
  std::optional<Engine> engine_;
  std::optional<VcpuProcessor> processor_;
  std::unique_ptr<World> world_;
  std::optional<MachineJudge> judge_;
  std::optional<Snapshot> snapshot_;
};

}  // namespace faultline::vmm::fuzz
