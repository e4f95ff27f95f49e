// The stub's region as C++ sees it; the layout is stub_layout.h's.
#pragma once

#include <linux/filter.h>
#include <signal.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "mmu/base/address.hpp"
#include "vmm/hosted/stub_layout.h"
#include "vmm/hosted/stub_place.hpp"

namespace faultline::vmm::hosted {

// TASK_SIZE_MAX of a host with four levels: the end of what the stub can map.
inline constexpr Gva kMappableEnd{0x7fff'ffff'f000};

// One mapping call that the helper thread makes.
struct StubCall {
  std::uint64_t number = 0;
  std::array<std::uint64_t, 6> arguments{};
  std::uint64_t unused = 0;
};
static_assert(sizeof(StubCall) == FLH_CALL_BYTES);

struct StubCommands {
  std::uint32_t count;
  std::uint32_t resume;  // 1: let the guest run on afterwards, 0: acknowledge
  std::array<std::byte, FLH_FIRST_CALL - 8> unused;
  std::array<StubCall, FLH_MAX_CALLS> calls;
};
static_assert(offsetof(StubCommands, resume) == FLH_COMMAND_RESUME);
static_assert(offsetof(StubCommands, calls) == FLH_FIRST_CALL && sizeof(StubCommands) == FLH_DATA - FLH_COMMANDS);

// Written by the stub, and by guest code that goes astray: nothing in it is trusted.
struct StubData {
  std::uint32_t state;
  std::uint32_t tid;
  std::int32_t error;  // negative errno of what failed
  std::uint32_t scratch;
  std::uint64_t fs_base, gs_base;
  std::uint64_t frame;  // RSP at the handler's entry
  std::uint64_t full_mask;
  stack_t stack;
  std::uint32_t go;
  std::uint32_t cpuid_faults;  // 1: CPUID raises #GP in the stub
  sock_fprog guest_filter, helper_filter;
  std::array<std::byte, 16> unused2;
  std::array<std::byte, FLH_FILTERS_BYTES> filters;
};
static_assert(offsetof(StubData, tid) == FLH_TID && offsetof(StubData, error) == FLH_ERROR);
static_assert(offsetof(StubData, fs_base) == FLH_FS_BASE && offsetof(StubData, gs_base) == FLH_GS_BASE);
static_assert(offsetof(StubData, frame) == FLH_FRAME && offsetof(StubData, full_mask) == FLH_FULL_MASK);
static_assert(offsetof(StubData, stack) == FLH_STACK_T && offsetof(StubData, guest_filter) == FLH_GUEST_FILTER);
static_assert(offsetof(StubData, go) == FLH_GO);
static_assert(offsetof(StubData, helper_filter) == FLH_HELPER_FILTER && offsetof(StubData, filters) == FLH_FILTERS);
static_assert(sizeof(StubData) <= FLH_STACK - FLH_DATA);

// The VMM's view of the region.
struct StubArea {
  std::array<std::byte, FLH_COMMANDS> code;
  StubCommands commands;
  StubData data;
  std::array<std::byte, FLH_STACK - FLH_DATA - sizeof(StubData)> unused;
  std::array<std::byte, FLH_REGION_BYTES - FLH_STACK> stack;
};
static_assert(offsetof(StubArea, commands) == FLH_COMMANDS && offsetof(StubArea, data) == FLH_DATA);
static_assert(offsetof(StubArea, stack) == FLH_STACK && sizeof(StubArea) == FLH_REGION_BYTES);

}  // namespace faultline::vmm::hosted
