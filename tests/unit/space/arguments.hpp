// Rows of system calls with their arguments, each asked of mmu and of the kernel, which decides.
#pragma once

#include <sys/mman.h>
#include <sys/syscall.h>

#include <span>
#include <vector>

#include "tests/unit/space/mirror_files.hpp"

namespace faultline::mmu::testing {

inline constexpr std::uint64_t kStart = 0x2000'0000'0000;
inline constexpr std::uint64_t kPages = 64;
inline constexpr std::uint64_t kTask = 0x7ffffffff000;
inline constexpr std::uint64_t kMax = ~0ULL;
constexpr std::uint64_t at(std::uint64_t page) { return kStart + page * kPageSize; }

inline constexpr std::uint64_t kAnon = MAP_PRIVATE | MAP_ANONYMOUS, kSharedAnon = MAP_SHARED | MAP_ANONYMOUS;
inline constexpr std::uint64_t kFixed = MAP_FIXED, kNoreplace = MAP_FIXED_NOREPLACE;
inline constexpr std::uint64_t kRw = PROT_READ | PROT_WRITE;
inline constexpr std::uint64_t kPg = kPageSize;
inline constexpr std::uint64_t kMove = MREMAP_MAYMOVE, kTo = MREMAP_MAYMOVE | MREMAP_FIXED, kDontUnmap = 4;
enum File : std::uint64_t { kMemory, kDisk, kReadOnly, kWriteOnly };

// What the rows find: VMAs at pages 0-4 (rw), 4-6 (none), 8-12 (shared file), 12-13 (read-only
// file, shared), 16-18 (grows down, rw), 20-22 (locked), 24-28 (rw, touched), 40-44 shared
// anonymous. The rest is free.
inline constexpr Request kSetting[] = {
    {SYS_mmap, {at(0), 4 * kPg, kRw, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {at(4), 2 * kPg, PROT_NONE, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {at(8), 4 * kPg, kRw, MAP_SHARED | kFixed, kDisk, 0}},
    {SYS_mmap, {at(12), kPg, PROT_READ, MAP_SHARED | kFixed, kReadOnly, 0}},
    {SYS_mmap, {at(16), 2 * kPg, kRw, kAnon | kFixed | MAP_GROWSDOWN, 0, 0}},
    {SYS_mmap, {at(20), 2 * kPg, kRw, kAnon | kFixed | MAP_LOCKED, 0, 0}},
    {SYS_mmap, {at(24), 4 * kPg, kRw, kAnon | kFixed | MAP_POPULATE, 0, 0}},
    {SYS_mmap, {at(40), 4 * kPg, kRw, kSharedAnon | kFixed, 0, 0}},
};

// Each row in a fresh process and a fresh address space.
inline void ask(std::span<const Request> rows, std::span<const Request> more_setting = {}) {
  for (const Request& row : rows) {
    World world;
    const std::vector<MirrorFile> files = make_mirror_files(world);
    Mirror mirror({kStart, kStart + kPages * kPageSize}, files, world);
    close_mirror_files(files);
    if (!mirror.ready()) GTEST_SKIP() << mirror.why();
    for (const Request& step : kSetting) {
      const auto difference = mirror.step(step);
      ASSERT_FALSE(difference) << *difference;
    }
    for (const Request& step : more_setting) {
      const auto difference = mirror.step(step);
      ASSERT_FALSE(difference) << *difference;
    }
    const auto difference = mirror.step(row);
    EXPECT_FALSE(difference) << *difference;
  }
}

}  // namespace faultline::mmu::testing
