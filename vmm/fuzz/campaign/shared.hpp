// Memory that a campaign's processes share.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "mmu/base/result.hpp"
#include "vmm/fuzz/campaign/tally.hpp"

namespace faultline::vmm::fuzz {

inline constexpr unsigned kMaxJobs = 256;

struct Shared {
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> claimed{0};  // programs begun, of all jobs
  // Signatures (hashes of them) that have a finding, of all jobs: a table that only grows.
  std::array<std::atomic<std::uint64_t>, 4096> signatures{};
  std::atomic<std::uint32_t> job_count{0};
  std::array<Tally, kMaxJobs> tallies{};

  // True: `signature` was not there. When the table is full everything is taken for known.
  bool claim_signature(std::uint64_t signature);
  void forget_signature(std::uint64_t signature);
};

// An anonymous mapping of one, inherited by fork.
class SharedMemory {
 public:
  static Result<SharedMemory> create();
  SharedMemory(SharedMemory&& other) noexcept : at_(other.at_) { other.at_ = nullptr; }
  SharedMemory& operator=(SharedMemory&&) = delete;
  ~SharedMemory();
  Shared* operator->() const { return at_; }
  Shared& operator*() const { return *at_; }

 private:
  explicit SharedMemory(Shared* at) : at_(at) {}
  Shared* at_;
};

}  // namespace faultline::vmm::fuzz
