// Filters over a recording, as the command line spells them.
#pragma once

#include <optional>
#include <string_view>

#include "vmm/inspect/filter.hpp"

namespace CLI {
class App;
}

namespace faultline::tools {

// --address, --vma, --path, --outcome, --process and --time.
void add_filter_options(CLI::App* app, vmm::inspect::Filter& filter);

// "0x401000..0x402000", "0x401000+8K", or one address: the page that it lies in.
std::optional<vmm::inspect::AddressRange> parse_address_range(std::string_view text);
// "1.5ms..20ms", "..1s", "5ms..".
std::optional<vmm::inspect::TimeRange> parse_time_range(std::string_view text);

}  // namespace faultline::tools
