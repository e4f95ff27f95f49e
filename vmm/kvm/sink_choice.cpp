#include "vmm/kvm/sink_choice.hpp"

#include <fmt/format.h>

#include <array>

#include "vmm/kvm/probe_guest.hpp"

namespace faultline::vmm::kvm {
namespace {

using Target = ProbeGuest::Target;

constexpr const char* kTwoDimensionalName = "two-dimensional";
constexpr const char* kShadowName = "shadow";

SinkChoice make(HostPaging paging, const SinkParts& parts) {
  SinkChoice choice;
  if (paging == HostPaging::kTwoDimensional) {
    choice.name = kTwoDimensionalName;
    choice.variant = StubVariant::kFlush;
    choice.sink = std::make_unique<TwoDimensionalSink>(parts.books);
  } else {
    choice.name = kShadowName;
    choice.variant = StubVariant::kPlain;
    choice.sink = std::make_unique<ShadowSink>(parts.slots, parts.ram);
  }
  return choice;
}

// One edit and what user code must see of it.
struct Step {
  const char* what;
  Target to;
  bool drop_all;
};
constexpr std::array<Step, 4> kSteps = {{{"another frame", Target::kSecond, false},
                                         {"unmapped", Target::kNowhere, false},
                                         {"mapped again", Target::kFirst, false},
                                         {"another frame, after a full drop", Target::kSecond, true}}};

// Nothing when the sink keeps the guest coherent, else what went wrong.
Result<std::optional<std::string>> try_sink(mmu::TlbSink& sink, ProbeGuest& probe) {
  auto seen = probe.read();
  if (!seen) return tl::unexpected(seen.error());
  if (*seen != ProbeGuest::value_of(Target::kFirst)) return std::optional<std::string>("the first read is wrong");
  for (const Step& step : kSteps) {
    const mmu::FrameRange stale{probe.change(step.to), 1};
    // From nothing to something needs no sink: no KVM caches absence.
    const bool was_present = stale.first != Gfn(0);
    if (step.drop_all) {
      sink.drop_all();
    } else if (was_present) {
      sink.flush(probe.batch(stale));
    }
    seen = probe.read();
    if (!seen) return tl::unexpected(seen.error());
    std::optional<std::uint64_t> expected;
    if (step.to != Target::kNowhere) expected = ProbeGuest::value_of(step.to);
    if (*seen != expected) return std::optional(fmt::format("the guest still saw the old page ({})", step.what));
  }
  return std::optional<std::string>();
}

Result<std::vector<HostPaging>> order_of_trial(const std::string& wanted, const BackendInfo& backend) {
  if (wanted == kTwoDimensionalName) return std::vector{HostPaging::kTwoDimensional};
  if (wanted == kShadowName) return std::vector{HostPaging::kShadow};
  if (wanted != "auto" && !wanted.empty()) {
    return fail(
        fmt::format("no coherence sink is called '{}': auto, {} or {}", wanted, kTwoDimensionalName, kShadowName));
  }
  if (backend.paging == HostPaging::kShadow) return std::vector{HostPaging::kShadow, HostPaging::kTwoDimensional};
  return std::vector{HostPaging::kTwoDimensional, HostPaging::kShadow};
}

}  // namespace

Result<SinkChoice> choose_sink(const std::string& wanted, const BackendInfo& backend, const SinkParts& parts,
                               KvmVcpu& vcpu, mmu::PagingMode mode) {
  const auto order = order_of_trial(wanted, backend);
  if (!order) return tl::unexpected(order.error());
  std::string failures;
  for (const HostPaging paging : *order) {
    SinkChoice choice = make(paging, parts);
    write_stubs(parts.ram, choice.variant);
    if (auto ready = vcpu.restart(choice.variant); !ready) return tl::unexpected(ready.error());
    ProbeGuest probe(parts.ram, vcpu, mode);
    if (auto ready = probe.prepare(); !ready) return tl::unexpected(ready.error());
    const auto failure = try_sink(*choice.sink, probe);
    if (!failure) return tl::unexpected(failure.error());
    if (auto ready = vcpu.restart(choice.variant); !ready) return tl::unexpected(ready.error());
    if (!*failure) {
      choice.reason = fmt::format("{}the self-test passed", wanted == choice.name ? "asked for; " : failures);
      return choice;
    }
    failures += fmt::format("{} sink: {}; ", choice.name, **failure);
  }
  return fail(fmt::format("no coherence sink works on this KVM: {}use another backend", failures));
}

}  // namespace faultline::vmm::kvm
