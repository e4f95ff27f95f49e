#include "vmm/ram/guest_ram.hpp"

#include <fmt/format.h>

#include <cstring>

namespace faultline::vmm {
namespace {

constexpr std::uint64_t kAlignment = 1ULL << 30;

}  // namespace

Result<GuestRam> GuestRam::create(std::uint64_t bytes) {
  if (bytes == 0 || bytes % kPageSize != 0 || bytes > kMaxGuestMemory) {
    return fail(fmt::format("guest memory of {} bytes: must be a whole number of 4 KiB pages, at most 64 GiB", bytes));
  }
  GuestRam ram;
  ram.size_ = bytes;
  ram.fd_ = FileDescriptor(::memfd_create("faultline-guest-ram", MFD_CLOEXEC));
  if (!ram.fd_.valid()) return fail(fmt::format("memfd_create for guest memory: {}", std::strerror(errno)));
  if (::ftruncate(ram.fd_.get(), static_cast<off_t>(bytes)) != 0) {
    return fail(fmt::format("cannot size guest memory to {} bytes: {}", bytes, std::strerror(errno)));
  }
  // Address space first, RAM into its aligned part afterwards.
  const std::uint64_t reserved = bytes + kAlignment;
  void* around = ::mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (around == MAP_FAILED) {
    return fail(fmt::format("no address space for {} bytes of guest memory: {}", bytes, std::strerror(errno)));
  }
  ram.reservation_ = Mapping(around, reserved);
  const auto start = reinterpret_cast<std::uintptr_t>(around);
  ram.base_ = ram.reservation_.data() + ((kAlignment - start % kAlignment) % kAlignment);
  void* mapped =
      ::mmap(ram.base_, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, ram.fd_.get(), 0);
  if (mapped == MAP_FAILED) {
    return fail(fmt::format("cannot map {} bytes of guest memory: {}", bytes, std::strerror(errno)));
  }
  // Advice: a kernel without huge pages refuses it, and nothing is lost. Core dumps leave it out.
  ::madvise(mapped, bytes, MADV_HUGEPAGE);
  ::madvise(mapped, bytes, MADV_DONTDUMP);
  return ram;
}

}  // namespace faultline::vmm
