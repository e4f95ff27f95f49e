// The matrix: sections of declared dimensions. A case is one value of each dimension of a section,
// and its number says which: the section, and the values as digits of a mixed-radix number. So a
// number means the same case for ever, in whatever size the matrix is run; dimensions and values
// may be added at the end of their tables only.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/conform/case.hpp"

namespace faultline::vmm::conform {

struct Dimension {
  std::string_view name;
  std::vector<std::string> values;
  // The value that a sample has three times out of four where nothing fixes it: with every flag
  // drawn evenly hardly any walk would come to its end.
  std::optional<unsigned> usual = std::nullopt;
};

// A case, or the reason why this combination makes none.
struct Built {
  std::optional<Case> value;
  std::string_view reason;
};

// One value index of each dimension.
using Choice = std::vector<unsigned>;

struct Section {
  unsigned id = 0;  // in case numbers: never reused
  std::string_view name, description;
  std::vector<Dimension> dimensions;
  std::function<Built(const Choice&)> build;
  std::vector<Feature> one_of{};  // without any of these no case of the section can run

  [[nodiscard]] std::uint64_t size() const;
  [[nodiscard]] std::uint64_t number(const Choice& choice) const;
  [[nodiscard]] Choice choice(std::uint64_t index) const;
};

inline constexpr std::uint64_t kNumbersPerSection = 1'000'000'000'000'000;

// All sections, in order of their ids. `physical_bits`: MAXPHYADDR, which decides which address
// bits are reserved.
std::vector<Section> make_matrix(const model::Cpu& cpu);

// The case of a number, or why there is none.
Result<Case> find_case(const std::vector<Section>& matrix, std::uint64_t number);

inline constexpr std::uint64_t kDefaultCases = 250'000;

// The cases of a run.
struct Selection {
  std::uint64_t cases = kDefaultCases;  // about as many; sections that are smaller are run whole
  std::uint64_t seed = 1;
  bool full = false;  // every section whole that has up to two million combinations
  // What the machine has, where that is known: a section that cannot run is no more than sampled.
  std::optional<FeatureSet> available = std::nullopt;
};
struct Plan {
  std::vector<Case> cases;
  struct Part {
    const Section* section;
    std::uint64_t combinations, illegal, planned;
    bool whole;
  };
  std::vector<Part> parts;
};
Plan plan(const std::vector<Section>& matrix, const Selection& selection);

}  // namespace faultline::vmm::conform
