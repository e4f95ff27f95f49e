// Guest memory for tests of the model: entries by slot, zero elsewhere.
#pragma once

#include <map>

#include "tests/model/predict.hpp"

namespace faultline::model::test {

class Tables final : public Memory {
 public:
  [[nodiscard]] std::optional<std::uint64_t> entry(Gpa slot, unsigned) const override {
    const auto it = entries_.find(slot.raw());
    return it == entries_.end() ? 0 : it->second;
  }
  std::uint64_t& operator[](std::uint64_t slot) { return entries_[slot]; }

 private:
  std::map<std::uint64_t, std::uint64_t> entries_;
};

// Root at 0x1000; the table of each level below at the next page; the page itself at 0x9000.
inline constexpr std::uint64_t kOpen = 0x27;

struct Machine {
  Tables tables;
  Cpu cpu{.physical_bits = 46, .huge_1g = true, .pse36 = true, .top_global_reserved = false};
  Controls controls;
  Gva address{0x1234'5678'9008};

  explicit Machine(Paging paging) {
    controls.paging = paging;
    controls.root = Gpa(0x1000);
    controls.nxe = paging != Paging::kTwoLevel;
    if (!long_mode(paging)) address = Gva(0x1234'5008);
    if (paging == Paging::kPae) controls.pdpte_registers.fill(0x1001);
    for (unsigned level = memory_levels(paging); level >= 1; --level)
      entry(level) = (level == 1 ? 0x9000 : table(level - 1)) | kOpen;
  }
  [[nodiscard]] std::uint64_t table(unsigned level) const {
    return 0x1000 * (memory_levels(controls.paging) - level + 1);
  }
  std::uint64_t& entry(unsigned level) {
    const std::uint64_t mask = (1U << index_bits(controls.paging, level)) - 1;
    const std::uint64_t index = address.raw() >> index_shift(controls.paging, level) & mask;
    return tables[table(level) + index * entry_bytes(controls.paging)];
  }
  Answer access(Kind kind, bool user = false, unsigned bytes = 8, bool ac = false) {
    return predict(tables, cpu, controls, {.address = address, .bytes = bytes, .kind = kind, .user = user, .ac = ac});
  }
};

}  // namespace faultline::model::test
