#include "vmm/fuzz/finding/fault_records.hpp"

#include <fmt/format.h>

#include <sstream>
#include <utility>

#include "mmu/ports/fault_observer.hpp"
#include "vmm/fuzz/machine/model_machine.hpp"
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
  std::istringstream all(fmt::to_string(out));
  std::string text;
  for (std::string line; std::getline(all, line);)
    if (!said_by_nobody(line)) text += line + "\n";
  return text;
}

std::string json_of(const FaultRecord& record) {
  fmt::memory_buffer out;
  append_json(out, record);
  return fmt::to_string(out);
}

// A witness of all faults of a world.
class Witness final : public mmu::FaultObserver {
 public:
  void set_world(const World* world) { world_ = world; }
  // What it has seen since the last call.
  std::vector<FaultRecord> take() { return std::exchange(records_, {}); }

  mmu::EditLog* began(const mmu::AddressSpace& mm, const mmu::FaultRequest& request) override {
    record_ = {};
    record_.before = mm.tables().walk(request.address);
    return &record_.edits;
  }
  void decided() override {}
  void ended(const mmu::AddressSpace& mm, const mmu::FaultRequest& request, const mmu::FaultOutcome& outcome) override;

 private:
  const World* world_ = nullptr;
  FaultRecord record_;
  std::vector<FaultRecord> records_;
};

void Witness::ended(const mmu::AddressSpace& mm, const mmu::FaultRequest& request, const mmu::FaultOutcome& outcome) {
  if (records_.size() == kMostFaultRecords) return;
  record_.backend.assign("model");
  record_.process = world_->current();
  record_.sequence = records_.size() + 1;
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

}  // namespace

Result<std::vector<StepFault>> fault_records(const Program& program) {
  Witness witness;
  const auto machine = ModelMachine::create(nullptr, &witness);
  if (!machine) return tl::unexpected(machine.error());
  witness.set_world(&(*machine)->world());
  std::vector<StepFault> faults;
  // Every program is the same up to where it ends: what is new came of its last step.
  Program part;
  for (std::size_t step = 0; step < program.operations.size(); ++step) {
    part.operations.push_back(program.operations[step]);
    if (const auto trace = (*machine)->judge().run(part); !trace) return tl::unexpected(trace.error());
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
