// What went wrong, told to the user.
#pragma once

#include <string>

namespace faultline::tools {

// "faultline: <message>" on standard error.
void complain(const std::string& message);
// The same; returns `status`, to leave with.
int complain_with(int status, const std::string& message);

}  // namespace faultline::tools
