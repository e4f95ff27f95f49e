#include "tools/tui/text.hpp"

#include <fmt/format.h>

#include "vmm/inspect/event_text.hpp"
#include "vmm/inspect/filter.hpp"

namespace faultline::tui {

namespace {

using namespace vmm::recording;

std::string_view access_of(mmu::ErrorCode error) {
  if (error.fetch()) return "fetch";
  return error.write() ? "write" : "read";
}

Style style_of(vmm::FaultEnd end) {
  switch (end) {
    case vmm::FaultEnd::kMinor: return {Ink::kGreen};
    case vmm::FaultEnd::kMajor:
    case vmm::FaultEnd::kEfault: return {Ink::kYellow};
    case vmm::FaultEnd::kSignal: return {Ink::kRed};
  }
  return {};
}

Line fault_summary(const vmm::FaultRecord& r) {
  const auto steps = r.path.steps();
  return {{fmt::format("{:<#14x} {:<5} ", r.address.raw(), access_of(r.error))},
          {fmt::format("{:<7}", vmm::inspect::outcome_name(r)), style_of(r.end)},
          {fmt::format(" {}  {}", steps.empty() ? "(none)" : mmu::name(steps.back()), vmm::inspect::vma_name(r.vma))}};
}

}  // namespace

Line summary(const Event& event) {
  if (const auto* fault = std::get_if<Fault>(&event.body)) return fault_summary(fault->record);
  Style style;
  if (std::holds_alternative<Signal>(event.body)) style.ink = Ink::kRed;
  if (std::holds_alternative<ProcessChange>(event.body) || std::holds_alternative<Switch>(event.body))
    style.ink = Ink::kCyan;
  return {{vmm::inspect::describe(event), style}};
}

std::string search_text(const Event& event) { return fmt::format("{} {}", kind(event), vmm::inspect::describe(event)); }

std::string seconds(std::uint64_t ns) { return fmt::format("{}.{:09}", ns / 1'000'000'000, ns % 1'000'000'000); }

std::string grouped(std::uint64_t count) {
  std::string text = fmt::format("{}", count);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

}  // namespace faultline::tui
