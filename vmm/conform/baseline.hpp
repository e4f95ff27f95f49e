// Deviations that are known, by backend, each with its reason. What matches one is counted apart
// and fails nothing; so only news does.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mmu/base/result.hpp"

namespace faultline::vmm::conform {

// A failure as baselines and groups see it.
struct Failure {
  std::string rule;    // "walk.reserved"
  std::string what;    // "error code without P"
  std::string who;     // "user", "supervisor"
  std::string access;  // "read", "write", "fetch", "read-modify-write", "none"
  std::string half;    // "lower", "upper", "lower edge", "not canonical"
  std::string section;
  std::string instruction;
  unsigned level = 0;
};

struct Deviation {
  std::string id, backend, reason;
  // Patterns as of fnmatch(3); empty matches everything.
  std::string rule, what, who, access, half, section, instruction;
  [[nodiscard]] bool matches(const Failure& failure) const;
};

class Baseline {
 public:
  // Error: one line that names the place and what is wrong there.
  static Result<Baseline> parse(std::string_view text, const std::string& name);
  static Result<Baseline> read(const std::string& file);
  // The one that comes with Faultline: share/faultline/conformance-baseline.json.
  static Baseline builtin();

  // Leaves those of `backend`.
  [[nodiscard]] Baseline of(const std::string& backend) const;
  [[nodiscard]] const Deviation* find(const Failure& failure) const;
  [[nodiscard]] const std::vector<Deviation>& deviations() const { return deviations_; }

 private:
  std::vector<Deviation> deviations_;
};

}  // namespace faultline::vmm::conform
