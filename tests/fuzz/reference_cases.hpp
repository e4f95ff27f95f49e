// The reference against traces made by hand. A case is a program in text form; what each step comes to
// stands behind it, after "=> ".
#pragma once

#include <gtest/gtest.h>

#include <string_view>

namespace faultline::vmm::fuzz {

struct Case {
  std::string_view name;
  std::string_view lines;      // OPERATION => RESULT
  std::string_view vmas = "";  // at the end, a line each, "N: " before those of process N
};

void check(const Case& c);

}  // namespace faultline::vmm::fuzz
