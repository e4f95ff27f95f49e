// What mmu's walker says of a case. The model shares nothing with it; both must agree.
#pragma once

#include <vector>

#include "vmm/conform/expectation.hpp"
#include "vmm/conform/walker.hpp"

namespace faultline::vmm::conform {

class SecondOpinion {
 public:
  explicit SecondOpinion(const model::Cpu& cpu, Walker walker = &mmu_walker);

  // How mmu differs from the expectation, or nothing. Sequences are no matter of its walker: it
  // agrees.
  std::optional<std::string> disagreement(const Case& c, const Expectation& expectation);

 private:
  struct alignas(kPageSize) Frame {
    std::array<std::byte, kPageSize> bytes{};
  };
  struct Result {
    unsigned vector = model::kNoFault;
    std::uint32_t error = 0;
    Gva cr2;
    std::vector<Gpa> physical;  // of each page touched, in order
  };
  std::optional<std::string> load_of_cr3(const Case& c, const Expectation& expectation);
  Result access(const Case& c, unsigned touch);
  Result page(const Case& c, model::Kind kind, Gva at);
  void put_tables(const Case& c);
  [[nodiscard]] std::uint64_t load(Gpa slot, unsigned bytes) const;
  void store(Gpa slot, std::uint64_t value, unsigned bytes);
  [[nodiscard]] bool entries_match(const Case& c, const Expected& e) const;

  model::Cpu cpu_;
  Walker walker_;
  std::vector<Frame> frames_;  // up to the last one that holds a table
};

}  // namespace faultline::vmm::conform
