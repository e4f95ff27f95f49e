// What a case needs of the machine. Found by trying, never assumed.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace faultline::vmm::conform {

enum class Feature : std::uint8_t {
  kBase,    // 4-level paging, no execute-disable, 4 KiB and 2 MiB pages
  kNx,      // EFER.NXE
  kHuge1g,  // 1 GiB pages
  kLa57,    // 5-level paging
  kSmep,
  kSmap,
  kPku,
  kPks,
  kGlobal,          // CR4.PGE
  kForm,            // the instruction works at this privilege level
  kTwoLevel,        // 32-bit paging in the guest
  kHighMemory,      // memory at every physical address: the model and walkers have it, no machine does
  kPae,             // PAE paging in the guest
  kReadOnlyTables,  // page tables in memory that KVM has as read-only
  kAbsentTables,    // page tables where there is no memory: the vCPU survives
  kPcid,            // CR4.PCIDE
  kInvpcid,
};
inline constexpr unsigned kFeatures = 17;
std::string_view name(Feature feature);         // "1g-pages"
std::string_view description(Feature feature);  // one line
std::optional<Feature> find_feature(std::string_view name);

class FeatureSet {
 public:
  constexpr FeatureSet() = default;
  constexpr void add(Feature f) { bits_ |= 1U << static_cast<unsigned>(f); }
  [[nodiscard]] constexpr bool has(Feature f) const { return (bits_ >> static_cast<unsigned>(f) & 1) != 0; }
  // The first feature of this set that `available` lacks.
  [[nodiscard]] constexpr std::optional<Feature> missing(FeatureSet available) const {
    for (unsigned i = 0; i < kFeatures; ++i) {
      const auto f = static_cast<Feature>(i);
      if (has(f) && !available.has(f)) return f;
    }
    return std::nullopt;
  }

 private:
  std::uint32_t bits_ = 1;  // kBase
};

}  // namespace faultline::vmm::conform
