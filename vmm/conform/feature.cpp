#include "vmm/conform/feature.hpp"

#include <array>

namespace faultline::vmm::conform {
namespace {

struct Text {
  std::string_view name, description;
};
constexpr std::array<Text, kFeatures> kTexts = {{
    {"base", "4-level paging, pages of 4 KiB and 2 MiB, CR0.WP"},
    {"nx", "EFER.NXE"},
    {"1g-pages", "pages of 1 GiB"},
    {"la57", "5-level paging"},
    {"smep", "CR4.SMEP"},
    {"smap", "CR4.SMAP and EFLAGS.AC"},
    {"pku", "CR4.PKE and PKRU"},
    {"pks", "CR4.PKS and IA32_PKRS"},
    {"pge", "CR4.PGE and global pages"},
    {"instruction", "the instruction runs at the privilege level of the case"},
    {"32-bit", "32-bit paging in the guest"},
    {"high-memory", "memory at every physical address (walkers only: no machine has that)"},
    {"pae", "PAE paging in the guest"},
    {"read-only-tables", "page tables in read-only memory"},
    {"absent-tables", "page tables where there is no memory, which the vCPU survives"},
    {"pcid", "CR4.PCIDE, PCIDs in CR3 and its bit 63"},
    {"invpcid", "INVPCID"},
}};

}  // namespace

std::string_view name(Feature feature) { return kTexts.at(static_cast<unsigned>(feature)).name; }
std::string_view description(Feature feature) { return kTexts.at(static_cast<unsigned>(feature)).description; }

std::optional<Feature> find_feature(std::string_view wanted) {
  for (unsigned i = 0; i < kFeatures; ++i) {
    if (kTexts[i].name == wanted) return static_cast<Feature>(i);
  }
  return std::nullopt;
}

}  // namespace faultline::vmm::conform
