// Bytes for a text file: compressed and in letters.
#pragma once

#include <string>
#include <string_view>

#include "mmu/base/result.hpp"

namespace faultline::vmm::report_html {

// RFC 1951, without any header: what browsers call "deflate-raw".
Result<std::string> deflate_raw(std::string_view bytes);
// RFC 4648, with padding.
std::string base64(std::string_view bytes);

}  // namespace faultline::vmm::report_html
