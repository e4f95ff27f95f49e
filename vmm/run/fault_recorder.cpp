#include "vmm/run/fault_recorder.hpp"

#include "mmu/space/uaccess.hpp"
#include "vmm/host/clock.hpp"

namespace faultline::vmm {

namespace {
constexpr std::uint64_t elapsed(std::uint64_t from, std::uint64_t to) { return to > from ? to - from : 0; }
}  // namespace

Result<std::unique_ptr<FaultRecorder>> FaultRecorder::create(Vcpu& vcpu, Consumer consumer, RawConsumer raw_consumer) {
  std::unique_ptr<FaultRecorder> recorder(new FaultRecorder(vcpu, std::move(consumer), std::move(raw_consumer)));
  if (recorder->consumer_) {
    auto decoder = decode::Decoder::create();
    if (!decoder) return tl::unexpected(decoder.error());
    recorder->decoder_.emplace(std::move(*decoder));
  }
  return recorder;
}

void FaultRecorder::left_guest() {
  run_ = vcpu_.last_run();
  if (!pending_) return;
  record_.times.resume = elapsed(ended_ns_, run_.entered_ns);
  finish();
}

void FaultRecorder::finish() {
  if (!pending_) return;
  pending_ = false;
  if (raw_consumer_) raw_consumer_({record_, input_, began_ns_, ended_ns_});
  if (consumer_) consumer_(record_);
}

mmu::EditLog* FaultRecorder::began(const mmu::AddressSpace& mm, const mmu::FaultRequest& request) {
  finish();  // a second fault of the same system call: the first one never entered the guest
  began_ns_ = monotonic_ns();
  decided_ns_ = 0;
  record_.edits.clear();
  record_.before = mm.tables().walk(request.address);
  return &record_.edits;
}

void FaultRecorder::decided() { decided_ns_ = monotonic_ns(); }

void FaultRecorder::gather_input(const mmu::AddressSpace& mm) {
  input_.regs = vcpu_.regs();
  input_.count = static_cast<std::uint8_t>(mmu::peek_user(mm, input_.bytes, Gva(input_.regs.rip)));
  input_.fs_base.reset();
  input_.gs_base.reset();
  input_.vectors.reset();
  // Reading a segment base costs a system call: only where the prefix is there.
  if (input_.may_use_fs()) input_.fs_base = vcpu_.fs_base().value_or(0);
  if (input_.may_use_gs()) input_.gs_base = vcpu_.gs_base().value_or(0);
  input_.xsave_bytes = vcpu_.xsave_size();
  if (input_.may_gather()) load_vectors();
}

void FaultRecorder::load_vectors() {
  xsave_.resize(vcpu_.xsave_size());
  if (vcpu_.get_xsave(xsave_)) input_.vectors = decode::vectors_from_xsave(xsave_);
}

void FaultRecorder::ended(const mmu::AddressSpace& mm, const mmu::FaultRequest& request,
                          const mmu::FaultOutcome& outcome) {
  const std::uint64_t ended = monotonic_ns();
  const bool user = request.origin == mmu::FaultOrigin::kUser;
  record_.backend = vcpu_.capabilities().backend;
  record_.vcpu = vcpu_.index();
  record_.process = process_;
  record_.sequence = ++sequence_;
  record_.origin = request.origin;
  record_.ip = user ? request.ip : Gva(vcpu_.regs().rip);
  record_.address = request.address;
  record_.error = request.error;
  record_.blame = mmu::blame(record_.before, request.error);
  record_.vma.reset();
  const mmu::Vma* vma = outcome.vma_start < outcome.vma_end ? mm.vmas.lookup(outcome.vma_start) : nullptr;
  record_.set_outcome(outcome, vma);
  record_.instruction = {};
  record_.verdict = {};
  input_.count = 0;
  if (user) {
    gather_input(mm);
    if (decoder_) decode_instruction(*decoder_, input_, record_);
  }
  const std::uint64_t decided = decided_ns_ != 0 ? decided_ns_ : ended;
  record_.times = {.guest = user ? elapsed(run_.entered_ns, run_.left_ns) : 0,
                   .exit = user ? elapsed(run_.left_ns, began_ns_) : 0,
                   .decide = elapsed(began_ns_, decided),
                   .edit = elapsed(decided, ended)};
  ended_ns_ = ended;
  pending_ = true;
}

}  // namespace faultline::vmm
