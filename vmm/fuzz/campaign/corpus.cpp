#include "vmm/fuzz/campaign/corpus.hpp"

namespace faultline::vmm::fuzz {

void Corpus::add(Program program, std::size_t worth) {
  entries_.push_back({std::move(program), 1.0 + static_cast<double>(worth)});
}

std::size_t Corpus::pick(std::mt19937_64& random) {
  const auto energy = [this](std::size_t i) {
    const Entry& e = entries_[i];
    return e.worth / ((1.0 + static_cast<double>(e.chosen)) * (8.0 + static_cast<double>(e.program.operations.size())));
  };
  // The best of a few: cheap, and nobody is left out for good.
  constexpr unsigned kCandidates = 4;
  std::size_t best = random() % entries_.size();
  for (unsigned i = 1; i < kCandidates; ++i) {
    const std::size_t other = random() % entries_.size();
    if (energy(other) > energy(best)) best = other;
  }
  ++entries_[best].chosen;
  return best;
}

}  // namespace faultline::vmm::fuzz
