// Text that a guest, its files or its user chose, made fit to be shown.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace faultline::vmm {

// Length of the valid UTF-8 sequence that begins at `at`, 0 when there is none (RFC 3629).
std::size_t utf8_length(std::string_view text, std::size_t at);

// The same text with every control character (C0, DEL, C1) and every byte that is no UTF-8
// replaced by '?', so that no terminal obeys it.
std::string printable(std::string_view text);

}  // namespace faultline::vmm
