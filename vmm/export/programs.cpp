#include "vmm/export/programs.hpp"

namespace faultline::vmm::exports {

namespace {
constexpr std::string_view kUnknown = "?";

std::string file_name(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  return name.empty() ? std::string(kUnknown) : name;
}
}  // namespace

void Programs::see(const recording::Event& event) {
  const auto known = names_.try_emplace(event.process, kUnknown).first;
  const auto* change = std::get_if<recording::ProcessChange>(&event.body);
  if (change == nullptr) return;
  switch (change->event) {
    case recording::ProcessEvent::kStart:
    case recording::ProcessEvent::kExec: known->second = file_name(change->program); break;
    case recording::ProcessEvent::kFork: known->second = name(change->parent); break;
    case recording::ProcessEvent::kExit: break;
  }
}

std::string_view Programs::name(std::uint32_t process) const {
  const auto found = names_.find(process);
  return found == names_.end() ? kUnknown : std::string_view(found->second);
}

}  // namespace faultline::vmm::exports
