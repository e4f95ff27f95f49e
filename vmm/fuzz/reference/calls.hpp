// The memory system calls, on one process: arguments as the call has them, -errno or what it
// returns. Checks come in the order in which Linux 6.18 makes them.
#pragma once

#include <cstdint>
#include <memory>

#include "vmm/fuzz/reference/process.hpp"

namespace faultline::vmm::fuzz::reference {

struct MapCall {
  std::uint64_t address = 0, length = 0;
  int prot = 0;
  unsigned flags = 0;              // MapFlag
  std::shared_ptr<Object> object;  // null: anonymous
  std::uint64_t index = 0;         // page of it
};
std::int64_t map(Process& process, const MapCall& call);
std::int64_t unmap(Process& process, std::uint64_t address, std::uint64_t length);
std::int64_t protect(Process& process, std::uint64_t address, std::uint64_t length, int prot);

struct RemapCall {
  std::uint64_t address = 0, old_length = 0, new_length = 0;
  int flags = 0;
  std::uint64_t to = 0;
};
std::int64_t remap(Process& process, const RemapCall& call);

std::int64_t advise(Process& process, std::uint64_t address, std::uint64_t length, int advice);
std::int64_t lock(Process& process, std::uint64_t address, std::uint64_t length, bool on_fault);
std::int64_t unlock(Process& process, std::uint64_t address, std::uint64_t length);
std::int64_t sync(Process& process, std::uint64_t address, std::uint64_t length, int flags);

// What a fork leaves the child.
[[nodiscard]] Process child_of(const Process& parent);

// ftruncate: what the object keeps. Private copies beyond the end are the caller's affair.
void resize(Object& object, std::uint64_t size);
void drop_copies_beyond(Process& process, const Object& object);

}  // namespace faultline::vmm::fuzz::reference
