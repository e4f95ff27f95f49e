#include "vmm/fuzz/guest/guest_judge.hpp"

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

GuestJudge::~GuestJudge() = default;

Result<void> GuestJudge::set_up() {
  auto vcpu = machine_->create_vcpu();
  if (!vcpu) return tl::unexpected(vcpu.error());
  vcpu_ = std::move(*vcpu);
  auto engine = Engine::create(machine_->frames());
  if (!engine) return tl::unexpected(engine.error());
  engine_.emplace(std::move(*engine));
  processor_.emplace(*machine_, *vcpu_, *engine_);
  auto world = World::create({.frames = machine_->frames(),
                              .sink = machine_->sink(),
                              .kernel_half = machine_->kernel_half(),
                              .mode = machine_->mode(),
                              .user_half = machine_->user_half()});
  if (!world) return tl::unexpected(world.error());
  world_ = std::move(*world);
  judge_.emplace(std::string(machine_->backend()), *world_, *processor_);
  return {};
}

Result<Trace> GuestJudge::run(const Program& program) { return judge_->run(program); }

Result<std::unique_ptr<Judge>> make_guest(std::string_view backend) {
  auto judge = GuestJudge::create(backend);
  if (!judge) return tl::unexpected(judge.error());
  return std::unique_ptr<Judge>(std::move(*judge));
}

}  // namespace faultline::vmm::fuzz
