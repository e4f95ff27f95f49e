// `faultline run --stats-interval`: what happened since the line before, on standard error.
#pragma once

#include <cstdint>

#include "tools/options.hpp"
#include "vmm/run/session.hpp"

namespace faultline::tools {

class LiveStatistics {
 public:
  // The session outlives it. Counts begin here.
  LiveStatistics(vmm::Session& session, vmm::LogFormat format);
  // Called by the runner.
  void print();

 private:
  void print_text(const vmm::RunStatistics& now, std::uint64_t elapsed_ns) const;
  void print_json(const vmm::RunStatistics& now, std::uint64_t elapsed_ns) const;

  vmm::Session& session_;
  vmm::LogFormat format_;
  std::uint64_t began_ns_, last_ns_;
  vmm::RunStatistics last_;
};

}  // namespace faultline::tools
