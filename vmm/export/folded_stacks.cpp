#include "vmm/export/folded_stacks.hpp"

#include <iterator>

#include "vmm/record/printable.hpp"

namespace faultline::vmm::exports {

namespace {

// A frame ends at ';' and the stack at the last space, so that a name may hold neither ';' nor,
// as its lines are read by people too, control characters.
std::string frame(std::string_view name) {
  std::string text = printable(name);
  for (char& c : text)
    if (c == ';') c = ':';
  return text;
}

std::string stack_of(std::string_view program, std::uint32_t process, const FaultRecord& record) {
  std::string stack = fmt::format("{};process {}", frame(program), process);
  for (const mmu::FaultStep step : record.path.steps()) fmt::format_to(std::back_inserter(stack), ";{}", name(step));
  if (record.path.steps().empty()) stack += ";no path";
  return stack;
}

}  // namespace

void FoldedStacks::add(const recording::Event& event) {
  programs_.see(event);
  const auto* fault = std::get_if<recording::Fault>(&event.body);
  if (fault == nullptr) return;
  Total& total = totals_[stack_of(programs_.name(event.process), event.process, fault->record)];
  ++total.count;
  total.nanoseconds += fault->record.times.decide + fault->record.times.edit;
}

void FoldedStacks::append(fmt::memory_buffer& out, Weight weight) const {
  for (const auto& [stack, total] : totals_) {
    const std::uint64_t value = weight == Weight::kCount ? total.count : total.nanoseconds;
    if (value != 0) fmt::format_to(std::back_inserter(out), "{} {}\n", stack, value);
  }
}

}  // namespace faultline::vmm::exports
