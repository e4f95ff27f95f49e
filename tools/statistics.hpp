// The summary of a run: what the guest did and what it cost.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "vmm/run/session.hpp"

namespace faultline::tools {

// `wall_ns`: from before the machine was made to the end of the run; 0: it has not ended.
nlohmann::ordered_json statistics_json(vmm::Session& session, std::uint64_t wall_ns);
std::string statistics_text(vmm::Session& session, std::uint64_t wall_ns);

}  // namespace faultline::tools
