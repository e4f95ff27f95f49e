#include "vmm/conform/probe.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>

#include "vmm/conform/expectation.hpp"
#include "vmm/conform/runner.hpp"
#include "vmm/conform/section_parts.hpp"

namespace faultline::vmm::conform {
namespace {

// A case that lets everything through.
Case open_case(unsigned form, bool user, model::Paging paging = model::Paging::kFourLevel) {
  Case c;
  c.controls.paging = paging;
  c.form = form;
  c.user = user;
  c.controls.nxe = c.controls.pge = false;
  open_paths(c, 1, 1);
  if (!user) c.a[1] &= ~kU, c.b[1] &= ~kU;
  return c;
}

// One INVPCID of everything, with a store that changes nothing.
void use_invpcid(Case& c) {
  c.controls.pcide = c.controls.pge = true;
  c.change = Change{.level = 1, .value = c.a[1], .flush = Flush::kInvpcidAll, .pcids = Pcids()};
}

class Prober {
 public:
  Prober(const kvm::System& system, Capabilities& found)
      : system_(system), found_(found), runner_(system, found.offered, model::Paging::kFourLevel) {}

  Result<void> run() {
    if (auto ready = runner_.prepare(); !ready) return ready;
    for (unsigned form = 0; form < forms().size(); ++form) {
      found_.user_forms.push_back(forms()[form].who != Who::kSupervisorOnly && works(open_case(form, true)));
      found_.supervisor_forms.push_back(works(open_case(form, false)));
      if (!found_.user_forms.back() && forms()[form].who != Who::kSupervisorOnly) note_form(form, "user");
      if (!found_.supervisor_forms.back()) note_form(form, "supervisor");
    }
    if (!found_.supervisor_forms[kRead8]) return fail("supervisor code does not run on this KVM as it should");
    const Offered& o = found_.offered;
    control(Feature::kNx, "EFER.NXE", o.nx, [](model::Controls& c) { c.nxe = true; });
    control(Feature::kGlobal, "CR4.PGE", true, [](model::Controls& c) { c.pge = true; });
    control(Feature::kSmep, "CR4.SMEP", o.smep, [](model::Controls& c) { c.smep = true; });
    control(Feature::kSmap, "CR4.SMAP", o.smap, [](model::Controls& c) { c.smap = true; });
    control(Feature::kPku, "CR4.PKE with WRPKRU", o.pku, [](model::Controls& c) { c.pke = true; });
    control(Feature::kPks, "CR4.PKS with IA32_PKRS", o.pks, [](model::Controls& c) { c.pks = true; });
    control(Feature::kPcid, "CR4.PCIDE", o.pcid, [](Case& c) { c.controls.pcide = true; });
    if (found_.features.has(Feature::kPcid)) control(Feature::kInvpcid, "INVPCID", o.invpcid, use_invpcid);
    memory(Feature::kReadOnlyTables, Storage::kReadOnly);
    memory(Feature::kAbsentTables, Storage::kAbsent);
    mode(Feature::kTwoLevel, model::Paging::kTwoLevel);
    mode(Feature::kPae, model::Paging::kPae);
    return {};
  }

 private:
  // Supervisor and user code of a paging mode.
  void mode(Feature feature, model::Paging paging) {
    Runner runner(system_, found_.offered, paging);
    if (works(runner, open_case(kRead4, false, paging)) && works(runner, open_case(kRead4, true, paging))) {
      found_.features.add(feature);
    } else {
      found_.notes.push_back(fmt::format("code under {} paging does not run", model::name(paging)));
    }
  }

  // Page tables in memory of another kind. What an access finds where there is none is for the matrix to say.
  void memory(Feature feature, Storage storage) {
    Case c = open_case(kRead8, false);
    place_table(c, storage, 1);
    bool survived = false;
    const auto done = runner_.run({&c, 1}, [&](const Case&, const Observation& o) { survived = o.done; });
    if (done && survived && (storage == Storage::kAbsent || works(c))) {
      found_.features.add(feature);
    } else {
      found_.notes.push_back(fmt::format("no {} here", description(feature)));
    }
  }

  bool works(const Case& c) { return works(runner_, c); }
  bool works(Runner& runner, const Case& c) {
    bool passed = false;
    const Expectation expectation = expect(c, found_.offered.cpu);
    const auto done = runner.run({&c, 1}, [&](const Case& one, const Observation& o) {
      passed = !compare(one, expectation, o);
      // Differences beyond "it ran" are for the matrix to find.
      if (!passed && o.done)
        passed = o.vector == kWentOn || o.rip == o.placed.next.raw() || o.rip == one.address().raw();
    });
    return done && passed;
  }

  template <class Set>
  void control(Feature feature, const char* name, bool listed, Set set) {
    Case c = open_case(kRead8, false);
    if constexpr (std::is_invocable_v<Set, Case&>) {
      set(c);
    } else {
      set(c.controls);
    }
    const bool accepted = works(c);
    if (accepted) found_.features.add(feature);
    if (accepted && !listed) found_.notes.push_back(fmt::format("{} is accepted, though CPUID does not list it", name));
    if (!accepted && listed) found_.notes.push_back(fmt::format("{} does not work, though CPUID lists it", name));
  }

  void note_form(unsigned form, const char* who) {
    found_.notes.push_back(fmt::format("\"{}\" does not work in {} code", forms()[form].text, who));
  }

  const kvm::System& system_;
  Capabilities& found_;
  Runner runner_;
};

}  // namespace

std::optional<Feature> Capabilities::missing(const Case& c) const {
  if (const auto feature = c.needs.missing(features)) return feature;
  if (!(c.user ? user_forms : supervisor_forms)[c.form]) return Feature::kForm;
  return std::nullopt;
}

std::string backend_label(const kvm::BackendInfo& info, const std::string& cpuinfo) {
  std::string label = info.parameter.empty() ? info.name : info.name + " " + info.parameter;
  std::ifstream in(cpuinfo);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name") && line.find("TCG") != std::string::npos) return label + " under TCG";
  }
  const char* emulator = std::getenv("FAULTLINE_EMULATOR");
  return emulator != nullptr && *emulator != '\0' ? label + " under " + emulator : label;
}

Result<Capabilities> probe(const kvm::System& system) {
  Capabilities found;
  found.backend = backend_label(kvm::find_backend());
  auto what = offered(system);
  if (!what) return tl::unexpected(what.error());
  found.offered = std::move(*what);
  if (found.offered.cpu.huge_1g) found.features.add(Feature::kHuge1g);
  if (auto done = Prober(system, found).run(); !done) return tl::unexpected(done.error());
  found.features.add(Feature::kForm);
  const auto five = Machine::create(system, found.offered, model::Paging::kFiveLevel);
  if (five) found.features.add(Feature::kLa57);
  if (!five && found.offered.la57) found.notes.emplace_back("CR4.LA57 is refused, though CPUID lists it");
  return found;
}

}  // namespace faultline::vmm::conform
