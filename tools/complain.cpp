#include "tools/complain.hpp"

#include <cstdio>

namespace faultline::tools {

// Not fmt::print: that throws when the descriptor cannot be written.
void complain(const std::string& message) { std::fputs(("faultline: " + message + "\n").c_str(), stderr); }

int complain_with(int status, const std::string& message) {
  complain(message);
  return status;
}

}  // namespace faultline::tools
