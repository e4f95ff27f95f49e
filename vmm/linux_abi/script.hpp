// "#!" at the start of a file that execve is given (Linux fs/binfmt_script.c).
#pragma once

#include <optional>
#include <string>

#include "mmu/base/result.hpp"

namespace faultline::vmm::linux_abi {

struct ScriptLine {
  std::string interpreter;
  std::optional<std::string> argument;  // the rest of the line, one word
};

// The first line of the file open as `host_fd`, if it is a script. ENOEXEC: a script whose line
// names no interpreter, or whose name the kernel's 256 bytes cut off.
SysResult<std::optional<ScriptLine>> read_script_line(int host_fd);

}  // namespace faultline::vmm::linux_abi
