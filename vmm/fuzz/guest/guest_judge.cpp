#include "vmm/fuzz/guest/guest_judge.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "vmm/run/backend.hpp"

namespace faultline::vmm::fuzz {

namespace {

// Corruption of tables may lead anywhere, and control bits are the vCPU's.
bool disturbs_others(const Program& program) {
  return std::ranges::any_of(program.operations,
                             [](const Operation& o) { return row(o.op).op_class == OpClass::kRaw; });
}

}  // namespace

Result<std::unique_ptr<GuestJudge>> GuestJudge::create(std::string_view backend) {
  auto machine = create_machine({.memory_bytes = kBytes, .backend = std::string(backend)});
  if (!machine) return tl::unexpected(machine.error());
  return create_on(std::move(*machine));
}

Result<std::unique_ptr<GuestJudge>> GuestJudge::create_on(std::unique_ptr<Machine> machine) {
  std::unique_ptr<GuestJudge> judge(new GuestJudge);
  judge->machine_ = std::move(machine);
  if (auto done = judge->set_up(); !done) return tl::unexpected(done.error());
  return judge;
}

Result<void> GuestJudge::set_up() {
  auto vcpu = machine_->create_vcpu();
  if (!vcpu) return tl::unexpected(vcpu.error());
  vcpu_ = std::move(*vcpu);
  sink_.emplace(machine_->sink());
  runner_.emplace(*sink_, *vcpu_);
  cheap_drops_ = sink_->tables_reusable_after_flush();
  if (auto added = add_arenas(cheap_drops_ ? kMostTogether : kArenas); !added) return added;
  if (vcpu_->capabilities().page_table_steps > 0) set_at_once(kMostTogether);
  return {};
}

// All that the machine has: behind the arenas, one for whoever needs more.
Result<void> GuestJudge::add_arenas(unsigned count) {
  auto first = take_memory(count);
  if (!first) return tl::unexpected(first.error());
  for (unsigned i = 0; i < count; ++i) {
    const Gfn at = *first + i * kArenaFrames;
    auto arena = Arena::create(*machine_, *sink_, *runner_, {at, at + kArenaFrames});
    if (!arena) return tl::unexpected(arena.error());
    arenas_.push_back(std::move(*arena));
  }
  const std::uint64_t rest = kBytes / kPageSize / kArenaFrames - arenas_.back()->place().end.raw() / kArenaFrames;
  first = take_memory(rest);
  if (!first) return tl::unexpected(first.error());
  auto whole = Arena::create(*machine_, *sink_, *runner_, {*first, *first + rest * kArenaFrames});
  if (!whole) return tl::unexpected(whole.error());
  whole_ = std::move(*whole);
  return {};
}

// So many blocks in a row.
Result<Gfn> GuestJudge::take_memory(std::uint64_t blocks) {
  std::optional<Gfn> first;
  for (std::uint64_t i = 0; i < blocks; ++i) {
    const auto block = machine_->frames().allocate(mmu::FrameKind::kReserved, mmu::Zeroing::kNotNeeded, mmu::kMaxOrder);
    if (!first) first = block;
    if (!block || *block != *first + i * kArenaFrames) return fail("guest memory is too small");
  }
  if (!first) return fail("guest memory is too small");
  return *first;
}

void GuestJudge::set_at_once(unsigned programs) {
  at_once_ = std::clamp<unsigned>(programs, 1, kMostTogether);
  runner_->set_most_together(std::min(at_once_, vcpu_->capabilities().page_table_steps + 1));
}

// What is left of it when a program has failed in it is not known.
void GuestJudge::renew_vcpu() {
  auto vcpu = machine_->create_vcpu();
  if (!vcpu) return;
  runner_->use(**vcpu);
  vcpu_ = std::move(*vcpu);
}

// Programs that never enter the guest come and go before a drop is paid. Where it is cheap, the
// first arenas do: the host has their memory at hand. Elsewhere one half is dropped beside the other.
void GuestJudge::make_room(std::size_t arenas) {
  if (cheap_drops_) {
    next_ = 0;
    return sink_->require();
  }
  const std::size_t half = arenas_.size() / 2;
  const std::size_t end = next_ <= half ? half : 2 * half;  // of the half that the last program was in
  if (next_ + arenas <= end) return;
  next_ = end % arenas_.size();
  sink_->change_half();
}

Result<Trace> GuestJudge::run(const Program& program) {
  Result<Trace> answer;
  run_alone(program, answer);
  return answer;
}

void GuestJudge::run_alone(const Program& program, Result<Trace>& answer) {
  make_room(1);
  Lane lane{&next_arena(), &program, &answer};
  run_lanes(std::span(&lane, 1));
  if (lane.arena->take_short()) {
    lane = {whole_.get(), &program, &answer};
    run_lanes(std::span(&lane, 1));
    sink_->require();
  }
  if (!answer) renew_vcpu();
}

std::vector<Result<Trace>> GuestJudge::run_many(std::span<const Program* const> programs) {
  std::vector<Result<Trace>> answers(programs.size());
  std::vector<Lane> lanes;
  for (std::size_t i = 0; i < programs.size(); ++i) {
    if (!disturbs_others(*programs[i]))
      lanes.push_back({nullptr, programs[i], &answers[i]});
    else
      run_alone(*programs[i], answers[i]);
  }
  for (std::size_t i = 0; i < lanes.size(); i += at_once_) {
    const auto together = std::span(lanes).subspan(i, std::min<std::size_t>(at_once_, lanes.size() - i));
    make_room(together.size());
    for (Lane& lane : together) lane.arena = &next_arena();
    run_lanes(together);
    const bool failed = std::ranges::any_of(together, [](const Lane& lane) { return !*lane.answer; });
    if (failed) renew_vcpu();
    for (const Lane& lane : together)
      if (lane.arena->take_short() || failed) run_alone(*lane.program, *lane.answer);
  }
  return answers;
}

void GuestJudge::run_lanes(std::span<Lane> lanes) {
  for (Lane& lane : lanes) lane.arena->judge().begin(*lane.program);
  if (auto done = advance(lanes); !done) {
    for (Lane& lane : lanes) lane.arena->judge().fail_with(done.error());
  }
  finish(lanes);
}

// Each up to its next accesses, all of these at once, and so on. One that is over waits for the others:
// what its address spaces leave behind would be dropped for all of them otherwise.
Result<void> GuestJudge::advance(std::span<Lane> lanes) {
  for (;;) {
    lists_.clear();
    for (Lane& lane : lanes) {
      lane.over = lane.over || !lane.arena->judge().advance();
      if (!lane.over) lists_.push_back(lane.arena->list());
    }
    if (lists_.empty()) return {};
    if (auto made = runner_->run(lists_); !made) return made;
  }
}

void GuestJudge::finish(std::span<Lane> lanes) {
  for (Lane& lane : lanes) {
    *lane.answer = lane.arena->judge().finish();
    const std::vector<Gfn> changed = lane.arena->restore();
    if (!*lane.answer) continue;
    for (const Gfn frame : changed)
      (*lane.answer)->broken.push_back(fmt::format("frame {:#x} was written to", frame.raw()));
  }
  sink_->forgive();
  if (!check_dirty_pages_) return;
  if (auto checked = check_dirty(lanes); !checked) {
    for (Lane& lane : lanes) *lane.answer = tl::unexpected(checked.error());
  }
}

Result<void> GuestJudge::check_dirty_pages(bool on) {
  if (auto done = machine_->log_dirty(on); !done) return done;
  check_dirty_pages_ = on;
  return {};
}

// Below the allocator's memory is the machine's own, which the CPU writes on its way out.
// KVM notes a page when it makes it writable: the engine's code is, and nobody writes to it.
Result<void> GuestJudge::check_dirty(std::span<Lane> lanes) {
  dirty_.clear();
  if (auto taken = machine_->take_dirty(dirty_); !taken) return taken;
  for (const Gfn frame : dirty_) {
    if (frame < machine_->frames().first()) continue;
    auto lane = std::ranges::find_if(lanes, [frame](const Lane& l) { return l.arena->has(frame); });
    if (lane == lanes.end()) lane = lanes.begin();
    const Arena& arena = *lane->arena;
    if (arena.has(frame) && (arena.may_be_written(frame) || frame == arena.code_frame())) continue;
    if (*lane->answer) (*lane->answer)->broken.push_back(fmt::format("frame {:#x} is in the dirty log", frame.raw()));
  }
  return {};
}

Result<std::unique_ptr<Judge>> make_guest(std::string_view backend) {
  auto judge = GuestJudge::create(backend);
  if (!judge) return tl::unexpected(judge.error());
  return std::unique_ptr<Judge>(std::move(*judge));
}

}  // namespace faultline::vmm::fuzz
