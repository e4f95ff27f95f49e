#include "vmm/fuzz/finding/fault_records.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "mmu/ports/fault_observer.hpp"
#include "vmm/fuzz/machine/machine_judge.hpp"
#include "vmm/fuzz/machine/model_processor.hpp"
#include "vmm/fuzz/text.hpp"
#include "vmm/fuzz/text_operand.hpp"
#include "vmm/record/format.hpp"

namespace faultline::vmm::fuzz {

namespace {

// The lines that speak of an instruction and of time: there are none.
bool said_by_nobody(std::string_view line) { return line.starts_with("  at  ") || line.starts_with("  time  "); }

std::string text_of(const FaultRecord& record) {
  fmt::memory_buffer out;
  append_text(out, record);
  const std::string_view all(out.data(), out.size());
  std::string text;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find('\n', at), all.size() - 1) + 1;
    const std::string_view line = all.substr(at, end - at);
    if (!said_by_nobody(line)) text += line;
    at = end;
  }
  return text;
}

std::string json_of(const FaultRecord& record) {
  fmt::memory_buffer out;
  append_json(out, record);
  return fmt::to_string(out);
}

// The model's processor, and a witness of all faults in the address spaces that it is told of.
class Witness final : public Processor, public mmu::FaultObserver {
 public:
  explicit Witness(Processor& processor) : processor_(processor) {}

  void set_world(const World* world) { world_ = world; }
  // What it has seen since the last call.
  std::vector<FaultRecord> take() {
    sequence_ = 0;
    return std::exchange(records_, {});
  }

  mmu::EditLog* began(const mmu::AddressSpace& mm, const mmu::FaultRequest& request) override {
    record_ = {};
    record_.before = mm.tables().walk(request.address);
    return &record_.edits;
  }
  void decided() override {}
  void ended(const mmu::AddressSpace& mm, const mmu::FaultRequest& request, const mmu::FaultOutcome& outcome) override;

  Result<void> run(mmu::AddressSpace& mm, std::span<const Operation> accesses, AccessSink& sink) override {
    return processor_.run(mm, accesses, sink);
  }
  Result<void> adopt(mmu::AddressSpace& mm) override {
    mm.observer = this;
    return processor_.adopt(mm);
  }
  void release(mmu::AddressSpace& mm) override { processor_.release(mm); }
  [[nodiscard]] bool owns(Gva address) const override { return processor_.owns(address); }
  bool flip_control(Control control) override { return processor_.flip_control(control); }
  void invalidate(mmu::AddressSpace& mm, Gva address) override { processor_.invalidate(mm, address); }
  void entry_flipped(mmu::AddressSpace& mm, const FlippedEntry& entry) override { processor_.entry_flipped(mm, entry); }

 private:
  Processor& processor_;
  const World* world_ = nullptr;
  FaultRecord record_;
  std::uint64_t sequence_ = 0;
  std::vector<FaultRecord> records_;
};

void Witness::ended(const mmu::AddressSpace& mm, const mmu::FaultRequest& request, const mmu::FaultOutcome& outcome) {
  if (records_.size() == kMostFaultRecords) return;
  record_.backend.assign("model");
  record_.process = world_->current();
  record_.sequence = ++sequence_;
  record_.origin = request.origin;
  record_.address = request.address;
  record_.error = request.error;
  record_.blame = mmu::blame(record_.before, request.error);
  const mmu::Vma* vma = outcome.vma_start < outcome.vma_end ? mm.vmas.lookup(outcome.vma_start) : nullptr;
  record_.set_outcome(outcome, vma);
  const FileOperand file = vma != nullptr ? world_->file_of(*vma) : FileOperand::kNone;
  if (file != FileOperand::kNone)
    record_.vma->name.assign(operand_text(OperandKind::kFile, static_cast<std::int64_t>(file)));
  records_.push_back(record_);
}

class HostMemory {
 public:
  static constexpr std::size_t kBytes = 64ULL << 20;
  HostMemory()
      : base_(::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {}
  ~HostMemory() {
    if (there()) ::munmap(base_, kBytes);
  }
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;
  [[nodiscard]] bool there() const { return base_ != MAP_FAILED; }
  [[nodiscard]] std::span<std::byte> bytes() const { return {static_cast<std::byte*>(base_), kBytes}; }

 private:
  void* base_;
};

}  // namespace

Result<std::vector<StepFault>> fault_records(const Program& program) {
  const HostMemory memory;
  if (!memory.there()) return fail("no host memory for the model's machine");
  const mmu::PhysMemory physical(memory.bytes());
  mmu::FrameAllocator frames(physical, Gfn(1));
  ModelTlb tlb(physical);
  ModelProcessor processor(physical, tlb);
  Witness witness(processor);
  const auto world = World::create({.frames = frames, .sink = tlb});
  if (!world) return tl::unexpected(world.error());
  witness.set_world(world->get());
  MachineJudge judge("model", **world, witness);
  std::vector<StepFault> faults;
  // Every program is the same up to where it ends: what is new came of its last step.
  Program part;
  for (std::size_t step = 0; step < program.operations.size(); ++step) {
    part.operations.push_back(program.operations[step]);
    if (const auto trace = judge.run(part); !trace) return tl::unexpected(trace.error());
    std::vector<FaultRecord> records = witness.take();
    for (std::size_t i = faults.size(); i < records.size(); ++i) {
      records[i].instruction.text.assign(to_text(part.operations.back()));
      faults.push_back({step, text_of(records[i]), json_of(records[i])});
    }
  }
  return faults;
}

std::string faults_text(const Program& program, std::span<const StepFault> faults) {
  std::string text =
      "The page faults of shrunk.txt, in order, as mmu decided them over the model's processor:\n"
      "docs/fault-record.md explains the lines.\n";
  if (faults.empty()) text += "\nThere are none.\n";
  for (const StepFault& fault : faults)
    text += fmt::format("\nstep {}  {}\n{}", fault.step, to_text(program.operations[fault.step]), fault.text);
  if (faults.size() == kMostFaultRecords) text += fmt::format("\nNo more than {} are shown.\n", kMostFaultRecords);
  return text;
}

std::string faults_json(std::span<const StepFault> faults) {
  std::string text;
  for (const StepFault& fault : faults) text += fault.json;
  return text;
}

}  // namespace faultline::vmm::fuzz
