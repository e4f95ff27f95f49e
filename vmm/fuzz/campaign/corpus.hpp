// Programs that are worth changing, and how often each is chosen.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

class Corpus {
 public:
  // `worth`: new features that it showed.
  void add(Program program, std::size_t worth);
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  // One, preferably with much to show, that was chosen seldom, and that is short. Precondition: not empty.
  std::size_t pick(std::mt19937_64& random);
  [[nodiscard]] const Program& program(std::size_t i) const { return entries_[i].program; }
  // What came of changing it: new features.
  void reward(std::size_t i, std::size_t features) { entries_[i].worth += 4.0 * static_cast<double>(features); }

 private:
  struct Entry {
    Program program;
    double worth;
    std::uint64_t chosen = 0;
  };
  std::vector<Entry> entries_;
};

}  // namespace faultline::vmm::fuzz
