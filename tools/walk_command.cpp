#include <cstdio>

#include "tools/commands.hpp"
#include "tools/guest.hpp"
#include "tools/table_tree.hpp"

namespace faultline::tools {

int walk_command(const WalkOptions& options) {
  auto session = make_session(options.guest, {});
  if (!session) return session.error();
  const int status = run_session(**session, options.guest, nullptr);
  const mmu::AddressSpace& mm = (*session)->mm();
  for (const std::uint64_t address : options.addresses)
    std::fputs(describe_translation(mm, Gva(address)).c_str(), stdout);
  if (options.vmas) std::fputs(describe_vmas(mm).c_str(), stdout);
  if (options.tree) std::fputs(describe_tree(mm).c_str(), stdout);
  return status;
}

}  // namespace faultline::tools
