#include "vmm/tracepoint/fault_tracepoint.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "vmm/host/handles.hpp"

namespace faultline::vmm {
namespace {

constexpr const char* kEvent = "events/exceptions/page_fault_user/";

// Invalid where the system call failed.
FileDescriptor descriptor(long fd) { return FileDescriptor(static_cast<int>(fd)); }

std::optional<std::string> contents(int folder, const std::string& name) {
  const FileDescriptor file(::openat(folder, name.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  std::string all;
  std::array<char, 4096> part{};
  for (ssize_t n = 0; (n = ::read(file.get(), part.data(), part.size())) > 0;) {
    all.append(part.data(), static_cast<std::size_t>(n));
  }
  return all;
}

FileDescriptor own_mount() {
  const FileDescriptor context = descriptor(::syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC));
  if (!context || ::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return {};
  }
  return descriptor(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0));
}

FileDescriptor tracefs() {
  for (const char* place : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
    FileDescriptor folder(::open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder && ::faccessat(folder.get(), kEvent, F_OK, 0) == 0) return folder;
  }
  return own_mount();
}

// The offset of an 8-byte field in the text of a tracepoint's "format" file.
std::optional<std::uint64_t> offset_of(const std::string& format, const std::string& field) {
  const auto at = format.find(" " + field + ";");
  if (at == std::string::npos) return {};
  std::uint64_t offset = 0, size = 0;
  if (std::sscanf(format.c_str() + at + field.size() + 2, " offset:%lu; size:%lu", &offset, &size) != 2) return {};
  if (size != 8) return {};
  return offset;
}

}  // namespace

FaultTracepoint find_fault_tracepoint() {
  FaultTracepoint result;
  const FileDescriptor folder = tracefs();
  if (!folder) {
    result.why_not = fmt::format("tracefs: {}", std::strerror(errno));
    return result;
  }
  const auto id = contents(folder.get(), std::string(kEvent) + "id");
  const auto format = contents(folder.get(), std::string(kEvent) + "format");
  if (!id || !format) {
    result.why_not = fmt::format("tracefs: {}: {}", kEvent, std::strerror(errno));
    return result;
  }
  const auto address = offset_of(*format, "address"), ip = offset_of(*format, "ip");
  const auto error = offset_of(*format, "error_code");
  if (!address || !ip || !error) {
    result.why_not = "the tracepoint page_fault_user has other fields here";
    return result;
  }
  return {std::strtoull(id->c_str(), nullptr, 10), *address, *ip, *error, {}};
}

}  // namespace faultline::vmm
