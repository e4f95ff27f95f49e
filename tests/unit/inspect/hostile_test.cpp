// Events that no run would write, in every view: nothing may abort, hang or reach the terminal.
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/inspect/sample_events.hpp"
#include "vmm/inspect/event_text.hpp"
#include "vmm/inspect/fault_view.hpp"
#include "vmm/inspect/heat.hpp"
#include "vmm/inspect/state_view.hpp"
#include "vmm/inspect/summary_view.hpp"

namespace faultline::vmm::inspect {
namespace {

using namespace recording;

class Chance {
 public:
  explicit Chance(std::uint64_t seed) : random_(seed) {}
  // Mostly near the edges, where sums wrap.
  std::uint64_t number() {
    switch (random_() % 5) {
      case 0: return random_() % 4;
      case 1: return ~0ULL - random_() % 4;
      case 2: return (1ULL << 63) + random_() % 3;
      case 3: return (~0ULL - random_() % 3) << kPageShift;
      default: return random_();
    }
  }
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  std::string text() {
    std::string s;
    for (unsigned n = below(40); n > 0; --n) s += static_cast<char>(random_());
    return s;
  }

 private:
  std::mt19937_64 random_;
};

VmaInfo any_vma(Chance& c) {
  VmaInfo vma;
  vma.start = Gva(c.number());
  vma.end = Gva(c.number());
  vma.flags = mmu::VmFlags(static_cast<std::uint32_t>(c.number()));
  vma.pgoff = Pgoff(c.number());
  vma.name = c.text();
  return vma;
}

mmu::PteEdit any_edit(Chance& c) {
  return {Gva(c.number()), c.below(7), Gpa(c.number()), mmu::Pte(c.number()), mmu::Pte(c.number())};
}

Fault any_fault(Chance& c) {
  FaultRecord r = anonymous_write();
  r.sequence = c.number();
  r.address = Gva(c.number());
  r.error = mmu::ErrorCode(static_cast<std::uint32_t>(c.number()));
  r.signal = static_cast<int>(c.number());
  r.si_code = static_cast<int>(c.number());
  r.end = static_cast<FaultEnd>(c.below(4));
  r.times = {c.number(), c.number(), c.number(), c.number(), c.number()};
  r.vma.reset();
  if (c.below(2) == 0) r.vma = any_vma(c);
  for (unsigned n = c.below(14); n > 0; --n) r.path.add(static_cast<mmu::FaultStep>(c.below(30)));
  Fault fault = sample_fault(std::move(r));
  fault.all_edits = {any_edit(c), any_edit(c)};
  return fault;
}

Body any_body(Chance& c) {
  switch (c.below(8)) {
    case 0: return sample_exit(static_cast<ExitReason>(c.below(5)), c.number(), c.number(), c.number());
    case 1: return any_fault(c);
    case 2: {
      Syscall call{.number = c.number(),
                   .arguments = {},
                   .result = static_cast<std::int64_t>(c.number()),
                   .started_ns = c.number(),
                   .ended_ns = c.number(),
                   .blocked = c.below(2) == 0};
      call.arguments.fill(c.number());
      return call;
    }
    case 3:
      return Signal{.number = static_cast<int>(c.number()),
                    .code = static_cast<int>(c.number()),
                    .address = Gva(c.number()),
                    .action = static_cast<SignalAction>(c.below(5))};
    case 4:
      return VmaChange{.operation = c.text(),
                       .start = Gva(c.number()),
                       .end = Gva(c.number()),
                       .removed = {Gva(c.number())},
                       .added = {any_vma(c), any_vma(c)}};
    case 5: return TableEdits{.root = Gpa(c.number()), .edits = {any_edit(c), any_edit(c), any_edit(c)}};
    case 6:
      return ProcessChange{.event = static_cast<ProcessEvent>(c.below(4)),
                           .parent = c.below(5),
                           .root = Gpa(c.number()),
                           .program = c.text(),
                           .status = static_cast<int>(c.number())};
    default: return End{.reason = c.text(), .status = static_cast<int>(c.number())};
  }
}

void expect_harmless(const fmt::memory_buffer& out) {
  for (const char byte : std::string_view(out.data(), out.size()))
    ASSERT_TRUE(byte == '\n' || static_cast<unsigned char>(byte) >= 0x20) << int{byte};
}

TEST(HostileEventsTest, NoViewIsHarmed) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Chance c(seed);
    Summarizer summarizer;
    Heat heat;
    MachineState state;
    fmt::memory_buffer out;
    RowWriter json(out, RowFormat::kJsonLines);
    const AddressRange range{c.number(), c.number()};
    for (int n = 0; n < 300; ++n) {
      const Event event = sample_event(c.number(), c.number(), any_body(c), c.below(5));
      Filter filter;
      filter.addresses = range;
      filter.vma = "a";
      (void)filter.matches(event);
      summarizer.add(event);
      heat.add(event);
      state.apply(event);
      append_line(out, event, Colour::kNever);
      append_row(json, event);
      if (std::holds_alternative<Fault>(event.body)) append_fault_detail(out, event, Colour::kNever);
      if (std::holds_alternative<Exit>(event.body))
        append_exit_detail(out, {.event = event, .consequences = {}}, Colour::kNever);
    }
    append_summary_text(out, {}, summarizer.finish(), 0, Colour::kNever);
    append_heat_text(out, heat, 0, Colour::kNever);
    append_state_text(out, {state, {}}, Colour::kNever);
    append_state_rows(out, RowFormat::kJsonLines, {state, {}});
    expect_harmless(out);
  }
}

}  // namespace
}  // namespace faultline::vmm::inspect
