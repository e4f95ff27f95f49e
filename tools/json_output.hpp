// What the JSON outputs of the command line have in common (docs/json.md).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace faultline::tools {

// "version" of an output; changes when a key of it changes its meaning or goes.
inline constexpr int kJsonVersion = 1;

// An object with its version, for people and programs: indented, with a newline.
inline std::string versioned(nlohmann::json object) {
  object["version"] = kJsonVersion;
  return object.dump(2) + "\n";
}

}  // namespace faultline::tools
