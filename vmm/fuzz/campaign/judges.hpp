// Judges by the names that people give them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/fuzz/campaign/files.hpp"
#include "vmm/fuzz/campaign/settings.hpp"

namespace faultline::vmm::fuzz {

// "reference", "model", "kvm", "hosted", "linux".
[[nodiscard]] std::vector<std::string_view> judge_names();
// `name`: one of judge_names(), or "guest": whatever `backend` chooses. Error: it cannot be had here.
Result<std::unique_ptr<Judge>> make_judge(std::string_view name, std::string_view backend);
// All of `names`, in the order of judge_names().
Result<Judges> make_judges(std::span<const std::string> names, std::string_view backend);

// Which of all judges can be had here, tried in a process of its own; for the others, why not.
struct Available {
  std::vector<std::string> names;  // to be given to make_judges()
  std::vector<std::string> missing;
};
[[nodiscard]] Available available_judges(std::span<const std::string> names, std::string_view backend);
// What judges when nobody says: the reference, the model, the guest, the host.
[[nodiscard]] std::vector<std::string> default_judges();

}  // namespace faultline::vmm::fuzz
