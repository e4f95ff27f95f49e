// `faultline inspect`: looks at a recording.
#include "tools/commands.hpp"
#include "tools/guest.hpp"
#include "vmm/run/exit_status.hpp"

namespace faultline::tools {

int inspect_command(const InspectOptions& options) {
  complain(options.file + ": not a recording");
  return vmm::kExitUsage;
}

}  // namespace faultline::tools
