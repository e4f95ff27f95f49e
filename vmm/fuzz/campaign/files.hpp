// Files that are whole or not there, whenever the writer is killed; and reading what others wrote.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/host/handles.hpp"

namespace faultline::vmm::fuzz {

// What a temporary file's name begins with. One that is left over is nobody's.
inline constexpr std::string_view kTemporary = ".tmp-";

// Writes `folder`/`name` through a temporary file there: written, synchronised, renamed, and the
// folder synchronised. Nobody ever sees a part of it.
Result<void> write_whole(const std::string& folder, std::string_view name, std::span<const std::byte> bytes);
Result<void> write_whole(const std::string& folder, std::string_view name, std::string_view text);

// The bytes of a regular file. Error: one line, "FILE: byte N: why" where there is a place. Links,
// devices, pipes and what is larger than `limit` are refused.
Result<std::vector<std::byte>> read_whole(const std::string& path, std::size_t limit);
[[nodiscard]] inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Names in a folder, sorted, without temporary files, "." and "..".
Result<std::vector<std::string>> list_folder(const std::string& path);
// Creates a folder where there is none. Error: it cannot be, or there is something else.
Result<void> make_folder(const std::string& path);
// Removes temporary files whose writer is gone.
void remove_leftovers(const std::string& folder);

[[nodiscard]] bool exists(const std::string& path);

}  // namespace faultline::vmm::fuzz
