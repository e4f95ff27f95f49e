#include <fcntl.h>
#include <unistd.h>

#include "tools/commands.hpp"
#include "tools/options.hpp"

using namespace faultline::tools;

namespace {
int execute(const RunOptions& options) { return run_command(options); }
int execute(const MultibootOptions& options) { return multiboot_command(options); }
int execute(const KernelOptions& options) { return kernel_command(options); }
int execute(const WalkOptions& options) { return walk_command(options); }
int execute(const InspectOptions& options) { return inspect_command(options); }
int execute(const DoctorOptions& options) { return doctor_command(options); }
int execute(const ConformOptions& options) { return conform_command(options); }
int execute(const FuzzOptions& options) { return fuzz_command(options); }
int execute(const Finished& finished) { return finished.status; }

// A standard descriptor that was closed stays so, whatever is opened: nothing else gets its number. What holds its
// place can be neither read nor written (EBADF).
void hold_closed_descriptors() {
  int fd = 0;
  do fd = ::open("/", O_PATH | O_CLOEXEC);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) ::close(fd);
}
}  // namespace

int main(int argc, char** argv) {
  hold_closed_descriptors();
  return std::visit([](const auto& command) { return execute(command); }, parse_command_line(argc, argv));
}
