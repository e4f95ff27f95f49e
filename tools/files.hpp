// Files that a command is told to write: looked at before anything is done for them.
#pragma once

#include <string>

namespace faultline::tools {

// Whether writing to `a` destroys `b`: both name one file, there already or not. False of devices, pipes and "-".
[[nodiscard]] bool same_file(const std::string& a, const std::string& b);

// Why `file` cannot be written, with its name; empty when it can. Creates it.
[[nodiscard]] std::string unwritable(const std::string& file);

}  // namespace faultline::tools
