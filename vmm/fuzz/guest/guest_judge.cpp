#include "vmm/fuzz/guest/guest_judge.hpp"

#include <fmt/format.h>

#include "vmm/run/backend.hpp"

namespace faultline::vmm::fuzz {

Result<std::unique_ptr<GuestJudge>> GuestJudge::create(std::string_view backend) {
  auto machine = create_machine({.memory_bytes = kBytes, .backend = std::string(backend)});
  if (!machine) return tl::unexpected(machine.error());
  std::unique_ptr<GuestJudge> judge(new GuestJudge);
  judge->machine_ = std::move(*machine);
  if (auto done = judge->set_up(); !done) return tl::unexpected(done.error());
  return judge;
}

// The worlds give back what they took when they were made.
GuestJudge::~GuestJudge() {
  if (!arenas_.empty()) machine_->frames().rewind(arenas_.back().world->mark());
}

Result<void> GuestJudge::set_up() {
  auto vcpu = machine_->create_vcpu();
  if (!vcpu) return tl::unexpected(vcpu.error());
  vcpu_ = std::move(*vcpu);
  auto engine = Engine::create(machine_->frames());
  if (!engine) return tl::unexpected(engine.error());
  engine_.emplace(std::move(*engine));
  sink_.emplace(machine_->sink());
  processor_.emplace(*sink_, *vcpu_, *engine_);
  const unsigned arenas = machine_->sink().tables_reusable_after_flush() ? 1 : kArenas;
  for (unsigned i = 0; i < arenas; ++i)
    if (auto added = add_arena(); !added) return added;
  snapshot_.emplace(machine_->frames());
  return {};
}

// Takes all that is free below the next boundary, so that every arena begins alike.
Result<void> GuestJudge::add_arena() {
  mmu::FrameAllocator& frames = machine_->frames();
  while (frames.high_water() - frames.first() != frames.used_frames() ||
         frames.high_water().raw() % kArenaFrames != 0) {
    if (!frames.allocate(mmu::FrameKind::kReserved, mmu::Zeroing::kNotNeeded)) return fail("guest memory is too small");
  }
  frames.settle();
  Arena arena{.world = {}, .judge = {}, .end = frames.high_water() + kArenaFrames};
  auto world = World::create({.frames = machine_->frames(),
                              .sink = *sink_,
                              .kernel_half = machine_->kernel_half(),
                              .mode = machine_->mode(),
                              .user_half = machine_->user_half()});
  if (!world) return tl::unexpected(world.error());
  arena.world = std::move(*world);
  arena.judge = std::make_unique<MachineJudge>(std::string(machine_->backend()), *arena.world, *processor_);
  arenas_.push_back(std::move(arena));
  return {};
}

// A program that wanted more than its arena has been in the next ones, too.
bool GuestJudge::next_arena() {
  const bool spilled = processor_->take_highest() > arenas_[next_].end;
  if (spilled || arenas_.size() == 1) {
    next_ = 0;
    sink_->require();  // programs that never enter the guest come and go before it is paid
    return spilled;
  }
  sink_->forgive();
  ++next_;
  if (next_ == arenas_.size() / 2) sink_->change_half();
  if (next_ == arenas_.size()) {
    sink_->change_half();
    next_ = 0;
  }
  return spilled;
}

Result<Trace> GuestJudge::run(const Program& program) {
  machine_->frames().rewind(arenas_[next_].world->mark());
  auto trace = arenas_[next_].judge->run(program);
  const bool spilled = next_arena();
  if (!trace) return trace;
  if (auto back = come_back(*trace, spilled); !back) return tl::unexpected(back.error());
  return trace;
}

Result<void> GuestJudge::check_dirty_pages(bool on) {
  if (auto done = machine_->log_dirty(on); !done) return done;
  check_dirty_pages_ = on;
  return {};
}

// Of what is in use before a program starts, the list of accesses alone. Below the allocator's
// memory is the machine's own, which the CPU writes on its way out.
bool GuestJudge::may_be_written(Gfn frame) const {
  return frame < machine_->frames().first() || frame == engine_->list_frame() || !snapshot_->has(frame);
}

// The world is as it was already, and so is the allocator. Few frames are in use by now: to compare
// them all costs less than to ask who wrote to which.
Result<void> GuestJudge::come_back(Trace& trace, bool spilled) {
  const std::vector<Gfn> changed = snapshot_->changed();
  for (const Gfn frame : changed)
    if (!spilled && !may_be_written(frame))
      trace.broken.push_back(fmt::format("frame {:#x} was written to", frame.raw()));
  snapshot_->restore(changed);
  if (!check_dirty_pages_) return {};
  dirty_.clear();
  if (auto taken = machine_->take_dirty(dirty_); !taken) return taken;
  // KVM notes a page when it makes it writable: the engine's code is, and nobody writes to it.
  for (const Gfn frame : dirty_)
    if (!spilled && !may_be_written(frame) && frame != engine_->code_frame())
      trace.broken.push_back(fmt::format("frame {:#x} is in the dirty log", frame.raw()));
  return {};
}

Result<std::unique_ptr<Judge>> make_guest(std::string_view backend) {
  auto judge = GuestJudge::create(backend);
  if (!judge) return tl::unexpected(judge.error());
  return std::unique_ptr<Judge>(std::move(*judge));
}

}  // namespace faultline::vmm::fuzz
