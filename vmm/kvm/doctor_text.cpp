#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "vmm/kvm/doctor.hpp"

namespace faultline::vmm {
namespace {

using Facts = std::vector<DoctorReport::Fact>;

constexpr std::size_t kNameWidth = 34;

void section(std::string& text, const char* title, const Facts& facts) {
  if (facts.empty()) return;
  fmt::format_to(std::back_inserter(text), "\n{}\n", title);
  for (const DoctorReport::Fact& fact : facts) {
    fmt::format_to(std::back_inserter(text), "  {:<{}} {}\n", fact.name, kNameWidth, fact.value);
  }
}

nlohmann::json object(const Facts& facts) {
  nlohmann::json result = nlohmann::json::object();
  for (const DoctorReport::Fact& fact : facts) result[fact.name] = fact.value;
  return result;
}

}  // namespace

std::string DoctorReport::to_text() const {
  std::string text;
  if (ready) {
    text = fmt::format("Guests can run here: {}, {} sink.\n", backend, sink);
  } else {
    text = "Guests cannot run here.\n";
  }
  for (const Missing& m : missing) {
    fmt::format_to(std::back_inserter(text), "\nMissing: {}\n", m.what);
    if (!m.remedy.empty()) fmt::format_to(std::back_inserter(text), "  Remedy: {}\n", m.remedy);
  }
  section(text, "Host", host);
  section(text, "KVM", kvm);
  section(text, "Capabilities", capabilities);
  section(text, "A vCPU on KVM", vcpu);
  section(text, "A hosted vCPU", hosted);
  if (!sink.empty()) section(text, "Coherence sink", {{sink, sink_reason}});
  Facts found;
  for (const Probe& p : probes) found.push_back({p.name, p.usual ? p.finding : p.finding + "  (quirk)"});
  section(text, "Found by trying", found);
  section(text, "Costs", costs);
  return text;
}

nlohmann::json DoctorReport::to_json() const {
  nlohmann::json found = nlohmann::json::array();
  for (const Probe& p : probes) found.push_back({{"name", p.name}, {"finding", p.finding}, {"quirk", !p.usual}});
  nlohmann::json lacks = nlohmann::json::array();
  for (const Missing& m : missing) lacks.push_back({{"what", m.what}, {"remedy", m.remedy}});
  return {{"ready", ready},
          {"backend", backend},
          {"host", object(host)},
          {"kvm", object(kvm)},
          {"capabilities", object(capabilities)},
          {"vcpu_capabilities", object(vcpu)},
          {"hosted_capabilities", object(hosted)},
          {"sink", {{"name", sink}, {"reason", sink_reason}}},
          {"probes", std::move(found)},
          {"costs", object(costs)},
          {"missing", std::move(lacks)}};
}

}  // namespace faultline::vmm
