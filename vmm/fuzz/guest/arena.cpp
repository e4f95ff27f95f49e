#include "vmm/fuzz/guest/arena.hpp"

#include <algorithm>

namespace faultline::vmm::fuzz {

Result<std::unique_ptr<Arena>> Arena::create(Machine& machine, LazySink& sink, ListRunner& runner, Place place) {
  FL_CHECK(place.first.raw() % (1ULL << mmu::kMaxOrder) == 0);
  std::unique_ptr<Arena> arena(new Arena(place));
  if (auto done = arena->set_up(machine, sink, runner); !done) return tl::unexpected(done.error());
  return arena;
}

Arena::~Arena() = default;

Result<void> Arena::set_up(Machine& machine, LazySink& sink, ListRunner& runner) {
  const auto has_room = [this](Gfn end) {
    short_ = short_ || end > place_.end;
    return end <= place_.end;
  };
  frames_ = std::make_unique<mmu::FrameAllocator>(machine.frames().memory(), place_.first, has_room,
                                                  machine.frames().first());
  auto engine = Engine::create(*frames_);
  if (!engine) return tl::unexpected(engine.error());
  engine_.emplace(std::move(*engine));
  processor_.emplace(sink, runner, *engine_);
  auto world = World::create({.frames = *frames_,
                              .sink = sink,
                              .kernel_half = machine.kernel_half(),
                              .mode = machine.mode(),
                              .user_half = machine.user_half()});
  if (!world) return tl::unexpected(world.error());
  world_ = std::move(*world);
  judge_.emplace(std::string(machine.backend()), *world_, *processor_);
  snapshot_.emplace(*frames_);
  return {};
}

// The world is as it was already, and so is the allocator. Few frames are in use by now: to compare
// them all costs less than to ask who wrote to which.
std::vector<Gfn> Arena::restore() {
  std::vector<Gfn> changed = snapshot_->changed();
  snapshot_->restore(changed);
  std::erase_if(changed, [this](Gfn frame) { return may_be_written(frame); });
  return changed;
}

}  // namespace faultline::vmm::fuzz
