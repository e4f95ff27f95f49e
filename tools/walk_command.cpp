#include "tools/commands.hpp"
#include "tools/guest.hpp"
#include "tools/output.hpp"
#include "tools/table_tree.hpp"

namespace faultline::tools {

int walk_command(const WalkOptions& options) {
  auto session = make_session(options.guest, {});
  if (!session) return session.error();
  const int status = run_session(**session, options.guest, nullptr);
  const mmu::AddressSpace& mm = (*session)->mm();
  std::string text;
  for (const std::uint64_t address : options.addresses) text += describe_translation(mm, Gva(address));
  if (options.vmas) text += describe_vmas(mm);
  if (options.tree) text += describe_tree(mm);
  return print(text, status);
}

}  // namespace faultline::tools
