#include "vmm/run/fault_recorder.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "mmu/space/uaccess.hpp"

namespace faultline::vmm {

namespace {
std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}
constexpr std::byte kFsPrefix{0x64}, kGsPrefix{0x65};
bool has_byte(std::span<const std::byte> code, std::byte value) { return std::ranges::find(code, value) != code.end(); }

constexpr std::uint64_t elapsed(std::uint64_t from, std::uint64_t to) { return to > from ? to - from : 0; }
}  // namespace

Result<std::unique_ptr<FaultRecorder>> FaultRecorder::create(Vcpu& vcpu, Consumer consumer) {
  auto decoder = decode::Decoder::create();
  if (!decoder) return tl::unexpected(decoder.error());
  return std::unique_ptr<FaultRecorder>(new FaultRecorder(vcpu, std::move(consumer), std::move(*decoder)));
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
  consumer_(record_);
}

mmu::EditLog* FaultRecorder::began(const mmu::AddressSpace& mm, const mmu::FaultRequest& request) {
  finish();  // a second fault of the same system call: the first one never entered the guest
  began_ns_ = now_ns();
  decided_ns_ = 0;
  record_.edits.clear();
  record_.before = mm.tables().walk(request.address);
  return &record_.edits;
}

void FaultRecorder::decided() { decided_ns_ = now_ns(); }

void FaultRecorder::decode_instruction(const mmu::AddressSpace& mm) {
  const UserRegs& regs = vcpu_.regs();
  std::array<std::byte, 15> bytes;
  const std::size_t n = mmu::peek_user(mm, bytes, Gva(regs.rip));
  decode::RegisterFile file{.regs = regs};
  const auto code = std::span(bytes).first(n);
  // Reading a segment base costs a system call: only where the prefix is there.
  if (has_byte(code, kFsPrefix)) file.fs_base = vcpu_.fs_base().value_or(0);
  if (has_byte(code, kGsPrefix)) file.gs_base = vcpu_.gs_base().value_or(0);
  file.xsave_bytes = vcpu_.xsave_size();
  record_.instruction = decoder_.decode(code, file);
  if (record_.instruction.needs_vectors()) {  // a gather or scatter: a second look with its index
    xsave_.resize(vcpu_.xsave_size());
    if (vcpu_.get_xsave(xsave_)) {
      if (const auto vectors = decode::vectors_from_xsave(xsave_)) {
        file.vectors = &*vectors;
        record_.instruction = decoder_.decode(code, file);
      }
    }
  }
  record_.verdict = decode::judge(record_.instruction, record_.address, record_.error);
}

void FaultRecorder::ended(const mmu::AddressSpace& mm, const mmu::FaultRequest& request,
                          const mmu::FaultOutcome& outcome) {
  const std::uint64_t ended = now_ns();
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
  if (user) {
    decode_instruction(mm);
  } else {
    record_.instruction = {};
    record_.verdict = {};
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
