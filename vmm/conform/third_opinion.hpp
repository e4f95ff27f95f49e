// KVM_TRANSLATE as a third opinion: KVM's own software walk, asked without entering the guest. It
// answers for a supervisor's read: mapped or not, and where. It needs no guest code, so that it
// covers 2-level and PAE paging on every machine that can be put into them.
#pragma once

#include "vmm/conform/case.hpp"
#include "vmm/conform/machine.hpp"

namespace faultline::vmm::conform {

// Tables and control registers, and an address to translate.
struct Translation {
  struct Store {
    Gpa at;
    std::uint64_t value;
    unsigned bytes;
  };
  model::Controls controls;
  Gva address;
  std::vector<Store> stores;
  std::string label;  // "4-level", "32-bit, PDE bits 20:17"
};

Translation translation_of(const Case& c);
// One page that is mapped elsewhere: whether KVM follows tables of this mode (2-level, PAE) at all.
Translation plain_translation(model::Paging paging);
// A fixed sample of 2-level and PAE tables.
std::vector<Translation> legacy_translations(const model::Cpu& cpu, std::uint64_t seed, unsigned count);

class ThirdOpinion {
 public:
  // Both outlive this.
  ThirdOpinion(Machine& machine, const model::Cpu& cpu) : machine_(machine), cpu_(cpu) {}
  // How KVM differs, or nothing. Error: KVM refuses the mode.
  Result<std::optional<std::string>> disagreement(const Translation& t);

 private:
  Result<void> enter(const model::Controls& controls);
  Machine& machine_;
  const model::Cpu& cpu_;
};

}  // namespace faultline::vmm::conform
