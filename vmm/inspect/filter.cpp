#include "vmm/inspect/filter.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "vmm/record/printable.hpp"

namespace faultline::vmm::inspect {

namespace {

constexpr std::string_view kNoStep = "?";  // what mmu::name() says of a value that is no step
constexpr int kLastSignal = 64;

bool is_page_fault(const recording::Exit& e) { return e.reason == recording::ExitReason::kPageFault; }

// Does the event concern an address in the range?
struct TouchesRange {
  const AddressRange& range;
  bool operator()(const recording::Exit& e) const { return is_page_fault(e) && range.contains(Gva(e.qualification)); }
  bool operator()(const recording::Fault& e) const { return range.contains(e.record.address); }
  bool operator()(const recording::Signal& e) const { return e.address.raw() != 0 && range.contains(e.address); }
  bool operator()(const recording::VmaChange& e) const {
    const auto touches = [this](const VmaInfo& v) { return range.overlaps(v.start, v.end); };
    return range.overlaps(e.start, e.end) || std::ranges::any_of(e.added, touches);
  }
  bool operator()(const recording::TableEdits& e) const {
    return std::ranges::any_of(e.edits, [this](const mmu::PteEdit& edit) { return range.contains(edit.address); });
  }
  template <class Other>
  bool operator()(const Other&) const {
    return false;
  }
};

bool of_vma(const recording::Body& body, std::string_view part) {
  const auto named = [part](const std::optional<VmaInfo>& vma) {
    return vma_name(vma).find(part) != std::string::npos;
  };
  if (const auto* fault = std::get_if<recording::Fault>(&body)) return named(fault->record.vma);
  if (const auto* change = std::get_if<recording::VmaChange>(&body)) return std::ranges::any_of(change->added, named);
  return false;
}

bool ended_so(const FaultRecord& record, const Outcome& outcome) {
  return record.end == outcome.end && (outcome.signal == 0 || record.signal == outcome.signal);
}

}  // namespace

bool Filter::any() const { return addresses || !vma.empty() || !steps.empty() || outcome || process || time; }

bool Filter::matches(const recording::Event& event) const {
  if (process && event.process != *process) return false;
  if (time && !time->contains(event.time_ns)) return false;
  if (addresses && !std::visit(TouchesRange{*addresses}, event.body)) return false;
  if (!vma.empty() && !of_vma(event.body, vma)) return false;
  if (!faults_only()) return true;
  const auto* fault = std::get_if<recording::Fault>(&event.body);
  if (fault == nullptr) return false;
  const auto taken = [fault](mmu::FaultStep step) { return fault->record.path.contains(step); };
  if (!steps.empty() && std::ranges::none_of(steps, taken)) return false;
  return !outcome || ended_so(fault->record, *outcome);
}

std::optional<mmu::FaultStep> find_step(std::string_view wanted) {
  if (wanted == kNoStep) return std::nullopt;
  for (unsigned n = 0; n <= 255; ++n) {
    const auto step = static_cast<mmu::FaultStep>(n);
    if (mmu::name(step) == wanted) return step;
  }
  return std::nullopt;
}

std::optional<Outcome> find_outcome(std::string_view wanted) {
  for (const FaultEnd end : {FaultEnd::kMinor, FaultEnd::kMajor, FaultEnd::kSignal, FaultEnd::kEfault})
    if (name(end) == wanted) return Outcome{.end = end};
  for (int signal = 1; signal <= kLastSignal; ++signal)
    if (!wanted.empty() && signal_name(signal) == wanted) return Outcome{.end = FaultEnd::kSignal, .signal = signal};
  return std::nullopt;
}

std::string vma_name(const std::optional<VmaInfo>& vma) {
  if (!vma) return "(none)";
  return vma->name.empty() ? "(anonymous)" : printable(vma->name.view());
}

std::string path_name(const mmu::FaultPath& path) {
  std::string text;
  for (const mmu::FaultStep step : path.steps()) {
    if (!text.empty()) text += " > ";
    text += mmu::name(step);
  }
  return text.empty() ? "(none)" : text;
}

std::string outcome_name(const FaultRecord& record) {
  if (record.end != FaultEnd::kSignal) return std::string(name(record.end));
  const std::string_view known = signal_name(record.signal);
  return known.empty() ? fmt::format("signal {}", record.signal) : std::string(known);
}

}  // namespace faultline::vmm::inspect
