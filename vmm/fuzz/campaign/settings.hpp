// What a campaign is asked to do.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/fuzz/coverage.hpp"
#include "vmm/fuzz/judge.hpp"
#include "vmm/fuzz/shrink.hpp"

namespace faultline::vmm::fuzz {

using Judges = std::vector<std::unique_ptr<Judge>>;
// Called in each job's own process. At most kMaxJudges, in the order in which they are compared.
using JudgeMaker = std::function<Result<Judges>()>;

struct CampaignSettings {
  std::string directory;
  std::string version;  // of Faultline, for findings
  // The same seed, in a new folder and with one job, gives the same programs in the same order.
  std::uint64_t seed = 1;
  unsigned jobs = 1;
  std::chrono::milliseconds time{0};  // 0: until it is stopped
  std::uint64_t programs = 0;         // of all jobs together; 0: no limit
  Means means;
  unsigned operations = 24;  // of a new program, about
  // The host sees each program that shows something new, and one in so many of the others.
  unsigned host_share = 4;
  // One program in so many is also put to the relations.
  unsigned relation_share = 32;
  ShrinkLimits shrink{2000, std::chrono::milliseconds(20'000)};
  std::chrono::seconds hang{120};                                // a job that takes longer over one program has died
  std::chrono::milliseconds save_every{5000}, look_every{2000};  // for programs that others added
};

}  // namespace faultline::vmm::fuzz
