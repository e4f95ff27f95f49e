// Wrong and odd arguments: every row is asked of the kernel as well, which decides.
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tests/unit/space/mirror_files.hpp"

namespace faultline::mmu {
namespace {

using testing::Mirror;
using testing::MirrorFile;
using testing::Request;
using testing::Window;
using testing::World;

constexpr std::uint64_t kStart = 0x2000'0000'0000;
constexpr std::uint64_t kPages = 64;
constexpr std::uint64_t kTask = 0x7ffffffff000;
constexpr std::uint64_t kMax = ~0ULL;
constexpr std::uint64_t at(std::uint64_t page) { return kStart + page * kPageSize; }

constexpr std::uint64_t kAnon = MAP_PRIVATE | MAP_ANONYMOUS, kSharedAnon = MAP_SHARED | MAP_ANONYMOUS;
constexpr std::uint64_t kFixed = MAP_FIXED, kNoreplace = MAP_FIXED_NOREPLACE;
constexpr std::uint64_t kRw = PROT_READ | PROT_WRITE;
constexpr std::uint64_t kPg = kPageSize;
constexpr std::uint64_t kMove = MREMAP_MAYMOVE, kTo = MREMAP_MAYMOVE | MREMAP_FIXED, kDontUnmap = 4;
enum File : std::uint64_t { kMemory, kDisk, kReadOnly, kWriteOnly };

// What the rows find: VMAs at pages 0-4 (rw), 4-6 (none), 8-12 (shared file), 12-13 (read-only
// file, shared), 16-18 (grows down, rw), 20-22 (locked), 24-28 (rw, touched), 40-44 shared
// anonymous. The rest is free.
constexpr Request kSetting[] = {
    {SYS_mmap, {at(0), 4 * kPg, kRw, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {at(4), 2 * kPg, PROT_NONE, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {at(8), 4 * kPg, kRw, MAP_SHARED | kFixed, kDisk, 0}},
    {SYS_mmap, {at(12), kPg, PROT_READ, MAP_SHARED | kFixed, kReadOnly, 0}},
    {SYS_mmap, {at(16), 2 * kPg, kRw, kAnon | kFixed | MAP_GROWSDOWN, 0, 0}},
    {SYS_mmap, {at(20), 2 * kPg, kRw, kAnon | kFixed | MAP_LOCKED, 0, 0}},
    {SYS_mmap, {at(24), 4 * kPg, kRw, kAnon | kFixed | MAP_POPULATE, 0, 0}},
    {SYS_mmap, {at(40), 4 * kPg, kRw, kSharedAnon | kFixed, 0, 0}},
};

constexpr Request kMmapRows[] = {
    {SYS_mmap, {0, 0, kRw, kAnon, 0, 0}},
    {SYS_mmap, {at(30), 0, kRw, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {0, kPg, kRw, MAP_ANONYMOUS, 0, 0}},
    {SYS_mmap, {0, kPg, kRw, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, 0, 0}},
    {SYS_mmap, {0, kPg, kRw, 0x7 | MAP_ANONYMOUS, 0, 0}},
    {SYS_mmap, {0, kPg, kRw, 0, kMemory, 0}},
    {SYS_mmap, {0, kPg, kRw, 0x5, kMemory, 0}},
    {SYS_mmap, {0, kPg, kRw, kAnon, 0, 1}},
    {SYS_mmap, {0, kPg, kRw, kAnon, 0, 0xfff}},
    {SYS_mmap, {0, kPg, kRw, MAP_PRIVATE, kMemory, 0x800}},
    {SYS_mmap, {0, kMax, kRw, kAnon, 0, 0}},
    {SYS_mmap, {0, kMax - kPg + 1, kRw, kAnon, 0, 0}},
    {SYS_mmap, {0, kMax - kPg, kRw, kAnon, 0, 0}},
    {SYS_mmap, {0, kMax - 2 * kPg, kRw, kAnon, 0, kMax - kPg + 1}},
    {SYS_mmap, {0, kTask, PROT_NONE, kAnon | MAP_NORESERVE, 0, 0}},
    {SYS_mmap, {0, kTask + kPg, PROT_NONE, kAnon | MAP_NORESERVE, 0, 0}},
    {SYS_mmap, {0, kTask - 0x10000, PROT_NONE, kAnon | MAP_NORESERVE, 0, 0}},
    {SYS_mmap, {0, kPages* kPg, PROT_NONE, kAnon, 0, 0}},
    {SYS_mmap, {0, 1ULL << 46, kRw, kAnon | MAP_FIXED, 0, 0}},
    {SYS_mmap, {0, kPg, kRw, kAnon, 0, kMax - kPg + 1}},
    {SYS_mmap, {0, 2 * kPg, kRw, MAP_PRIVATE, kMemory, kMax - kPg + 1}},
    {SYS_mmap, {0, kPg, kRw, MAP_PRIVATE, kMemory, kMax - kPg + 1}},
    {SYS_mmap, {0, kPg, kRw, MAP_PRIVATE, kMemory, (1ULL << 63) - kPg}},
    {SYS_mmap, {0, kPg, kRw, MAP_PRIVATE, kMemory, (1ULL << 63) - 2 * kPg}},
    {SYS_mmap, {0, kPg, kRw, MAP_PRIVATE, kDisk, (1ULL << 63) - 2 * kPg}},
    {SYS_mmap, {0, kPg, PROT_READ, MAP_PRIVATE, kDisk, 0xfff'ffff'f000}},
    {SYS_mmap, {0, kPg, PROT_READ, MAP_PRIVATE, kDisk, 0xfff'ffff'e000}},
    {SYS_mmap, {at(30) + 1, kPg, kRw, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {at(30) + 0x800, kPg, kRw, kAnon | kNoreplace, 0, 0}},
    {SYS_mmap, {at(30) + 0x800, kPg, kRw, kAnon, 0, 0}},
    {SYS_mmap, {kTask, kPg, kRw, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {kMax, kPg, kRw, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {kMax - 7, kPg, kRw, kSharedAnon | kNoreplace, 0, 0}},
    {SYS_mmap, {kMax - 4094, kPg, kRw, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {kMax - 4095, kPg, kRw, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {kMax - 7, kTask + kPg, kRw, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {kMax - 7, kPg, kRw, kAnon, 0, 0}},
    {SYS_mmap, {kTask - kPg, 2 * kPg, kRw, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {kMax - kPg + 1, kPg, kRw, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {1ULL << 63, kPg, kRw, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {1ULL << 63, kPg, kRw, kAnon, 0, 0}},
    {SYS_mmap, {kMax, kPg, kRw, kAnon, 0, 0}},
    {SYS_mmap, {kTask - kPg, 2 * kPg, kRw, kAnon, 0, 0}},
    {SYS_mmap, {at(2), kPg, kRw, kAnon | kNoreplace, 0, 0}},
    {SYS_mmap, {at(30), 11 * kPg, kRw, kAnon | kNoreplace, 0, 0}},
    {SYS_mmap, {at(30), 10 * kPg, kRw, kAnon | kNoreplace, 0, 0}},
    {SYS_mmap, {at(2), kPg, kRw, kAnon, 0, 0}},
    {SYS_mmap, {at(14), kPg, kRw, kAnon, 0, 0}},
    {SYS_mmap, {at(30), kPg, kRw, kAnon | MAP_GROWSDOWN, 0, 0}},
    {SYS_mmap, {at(30), kPg, kRw, kSharedAnon | MAP_GROWSDOWN | kFixed, 0, 0}},
    {SYS_mmap, {at(30), kPg, kRw, MAP_PRIVATE | MAP_GROWSDOWN | kFixed, kMemory, 0}},
    {SYS_mmap, {at(30), kPg, kRw, MAP_SHARED | kFixed, kReadOnly, 0}},
    {SYS_mmap, {at(30), kPg, PROT_READ, MAP_SHARED | kFixed, kReadOnly, 0}},
    {SYS_mmap, {at(30), kPg, kRw, MAP_PRIVATE | kFixed, kReadOnly, 0}},
    {SYS_mmap, {at(30), kPg, PROT_READ, MAP_PRIVATE | kFixed, kWriteOnly, 0}},
    {SYS_mmap, {at(30), kPg, PROT_NONE, MAP_PRIVATE | kFixed, kWriteOnly, 0}},
    {SYS_mmap, {at(30), kPg, PROT_WRITE, MAP_SHARED | kFixed, kWriteOnly, 0}},
    {SYS_mmap, {at(30), kPg, kRw, MAP_SHARED_VALIDATE | kFixed, kMemory, 0}},
    {SYS_mmap, {at(30), kPg, kRw, MAP_SHARED_VALIDATE | kFixed | 0x400000, kMemory, 0}},
    {SYS_mmap, {at(30), kPg, kRw, MAP_SHARED_VALIDATE | kFixed | MAP_SYNC, kDisk, 0}},
    {SYS_mmap, {at(30), kPg, kRw, MAP_SHARED_VALIDATE | kFixed | kNoreplace, kDisk, 0}},
    {SYS_mmap, {at(30), kPg, kRw, MAP_SHARED | kFixed | MAP_SYNC, kDisk, 0}},
    {SYS_mmap, {at(30), kPg, 0xff, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {at(30), kPg, 0x10, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {at(30), 2 * kPg, kRw, MAP_SHARED | kFixed | MAP_POPULATE, kMemory, 23 * kPg}},
    {SYS_mmap, {at(30), 2 * kPg, kRw, MAP_PRIVATE | kFixed | MAP_LOCKED, kMemory, 23 * kPg}},
    {SYS_mmap, {at(30), kPg, PROT_NONE, kAnon | kFixed | MAP_LOCKED, 0, 0}},
    {SYS_mmap, {at(30), kPg, PROT_NONE, kAnon | kFixed | MAP_POPULATE, 0, 0}},
    {SYS_mmap, {at(30), kPg, kRw, kAnon | kFixed | MAP_POPULATE | MAP_NONBLOCK, 0, 0}},
    {SYS_mmap, {at(30), kPg, kRw, kAnon | kFixed | MAP_LOCKED | MAP_NONBLOCK | MAP_POPULATE, 0, 0}},
    {SYS_mmap, {0, kPg, kRw, kAnon | MAP_32BIT, 0, 0}},
    {SYS_mmap, {0, 0x8000'0000, kRw, kAnon | MAP_32BIT, 0, 0}},
    {SYS_mmap, {0, kPg, kRw, kAnon | 0x80 /* MAP_ABOVE4G */, 0, 0}},
    {SYS_mmap, {at(30), kPg, kRw, MAP_PRIVATE | MAP_HUGETLB | kFixed, kMemory, 0}},
    {SYS_mmap, {at(30), kPg, kRw, kAnon | MAP_HUGETLB | (13 << 26), 0, 0}},
    {SYS_mmap, {at(30), 1ULL << 40, kRw, kAnon | kFixed | kNoreplace, 0, 0}},
};

constexpr Request kUnmapRows[] = {
    {SYS_munmap, {at(0), 0}},
    {SYS_munmap, {at(0) + 1, kPg}},
    {SYS_munmap, {at(0) + 0x800, 0}},
    {SYS_munmap, {kTask, kPg}},
    {SYS_munmap, {kTask + kPg, kPg}},
    {SYS_munmap, {kTask, 0}},
    {SYS_munmap, {kMax - kPg + 1, kPg}},
    {SYS_munmap, {at(0), kMax}},
    {SYS_munmap, {at(0), kTask}},
    {SYS_munmap, {at(30), kPg}},
    {SYS_munmap, {at(0), 1}},
    {SYS_munmap, {at(1), kPg + 1}},
    {SYS_munmap, {at(0), 12 * kPg}},
};

constexpr Request kProtectRows[] = {
    {SYS_mprotect, {at(0), 0, PROT_READ}},
    {SYS_mprotect, {at(30), 0, PROT_READ}},
    {SYS_mprotect, {at(0) + 1, kPg, PROT_READ}},
    {SYS_mprotect, {at(0) + 1, 0, PROT_READ}},
    {SYS_mprotect, {at(0), kPg, 0x10}},
    {SYS_mprotect, {at(0), kPg, 0x100}},
    {SYS_mprotect, {at(0), kPg, PROT_READ | 0x8}},
    {SYS_mprotect, {at(0), kPg, PROT_GROWSDOWN | PROT_GROWSUP | PROT_READ}},
    {SYS_mprotect, {at(0), kPg, PROT_GROWSDOWN | PROT_READ}},
    {SYS_mprotect, {at(0), kPg, PROT_GROWSUP | PROT_READ}},
    {SYS_mprotect, {at(17), kPg, PROT_GROWSDOWN | PROT_READ}},
    {SYS_mprotect, {at(15), 2 * kPg, PROT_GROWSDOWN | PROT_READ}},
    {SYS_mprotect, {at(15), kPg, PROT_GROWSDOWN | PROT_READ}},
    {SYS_mprotect, {at(30), kPg, PROT_READ}},
    {SYS_mprotect, {at(6), 4 * kPg, PROT_READ}},
    {SYS_mprotect, {at(3), 6 * kPg, PROT_READ}},
    {SYS_mprotect, {at(12), kPg, kRw}},
    {SYS_mprotect, {at(10), 3 * kPg, kRw | PROT_EXEC}},
    {SYS_mprotect, {at(0), kMax, PROT_READ}},
    {SYS_mprotect, {at(0), kMax - at(0) - kPg, PROT_READ}},
    {SYS_mprotect, {kMax - kPg + 1, kPg, PROT_READ}},
    {SYS_mprotect, {at(26), kPg, PROT_NONE}},
    {SYS_mprotect, {at(20), kPg, PROT_READ}},
};

constexpr Request kRemapRows[] = {
    {SYS_mremap, {at(0) + 1, kPg, kPg, 0, 0}},
    {SYS_mremap, {at(0), kPg, 0, 0, 0}},
    {SYS_mremap, {at(0), kPg, kMax, kMove, 0}},
    {SYS_mremap, {at(0), kPg, kTask, kMove, 0}},
    {SYS_mremap, {at(0), kPg, kTask + kPg, kMove, 0}},
    {SYS_mremap, {at(0), kPg, kPg, 8, 0}},
    {SYS_mremap, {at(0), kPg, kPg, MREMAP_FIXED, at(30)}},
    {SYS_mremap, {at(0), kPg, kPg, kDontUnmap, at(30)}},
    {SYS_mremap, {at(0), kPg, 2 * kPg, kMove | kDontUnmap, at(30)}},
    {SYS_mremap, {at(0), kPg, kPg, kTo, at(30) + 1}},
    {SYS_mremap, {at(0), kPg, kPg, kTo, kTask}},
    {SYS_mremap, {at(0), kPg, kPg, kTo, kMax - kPg + 1}},
    {SYS_mremap, {at(0), 2 * kPg, 2 * kPg, kTo, at(1)}},
    {SYS_mremap, {at(0), 2 * kPg, 2 * kPg, kTo, at(0)}},
    {SYS_mremap, {at(0), kPg, 3 * kPg, kTo, at(2)}},
    {SYS_mremap, {at(0), kMax - kPg + 1, kPg, kTo, at(0)}},
    {SYS_mremap, {at(0), kPg, kPg, kMove | kDontUnmap, at(0)}},
    {SYS_mremap, {at(30), kPg, kPg, 0, 0}},
    {SYS_mremap, {at(30), kPg, kPg, kTo, at(34)}},
    {SYS_mremap, {at(30), kPg, 2 * kPg, kMove, 0}},
    {SYS_mremap, {at(3), 3 * kPg, 4 * kPg, kMove, 0}},
    {SYS_mremap, {at(3), 3 * kPg, 2 * kPg, 0, 0}},
    {SYS_mremap, {at(2), 5 * kPg, kPg, 0, 0}},
    {SYS_mremap, {at(2), 4 * kPg, 4 * kPg, kTo, at(50)}},
    {SYS_mremap, {at(2), 8 * kPg, 8 * kPg, kTo, at(50)}},
    {SYS_mremap, {at(7), 3 * kPg, 3 * kPg, kTo, at(50)}},
    {SYS_mremap, {at(0), 0, kPg, 0, 0}},
    {SYS_mremap, {at(0), 0, kPg, kMove, 0}},
    {SYS_mremap, {at(8), 0, 2 * kPg, kMove, 0}},
    {SYS_mremap, {at(40), 0, 2 * kPg, kTo, at(50)}},
    {SYS_mremap, {at(40), 0, 2 * kPg, 0, 0}},
    {SYS_mremap, {at(0), 4 * kPg, 6 * kPg, 0, 0}},
    {SYS_mremap, {at(24), 4 * kPg, 6 * kPg, 0, 0}},
    {SYS_mremap, {at(24), 2 * kPg, 6 * kPg, 0, 0}},
    {SYS_mremap, {at(24), 2 * kPg, 6 * kPg, kMove, 0}},
    {SYS_mremap, {at(24), 4 * kPg, 4 * kPg, kMove | kDontUnmap, 0}},
    {SYS_mremap, {at(20), 2 * kPg, 2 * kPg, kTo | kDontUnmap, at(50)}},
    {SYS_mremap, {at(20), kPg, kPg, kTo | kDontUnmap, at(50)}},
    {SYS_mremap, {at(20), 2 * kPg, 4 * kPg, 0, 0}},
    {SYS_mremap, {at(8), 4 * kPg, kMax - kPg, kMove, 0}},
    {SYS_mremap, {at(0), kMax, kPg, 0, 0}},
    {SYS_mremap, {at(24), 4 * kPg, 0x3000'0000'0000, kMove, 0}},
};

constexpr Request kAdviseRows[] = {
    {SYS_madvise, {at(0), kPg, 5}},
    {SYS_madvise, {at(0), kPg, 26}},
    {SYS_madvise, {at(0), kPg, 99}},
    {SYS_madvise, {at(0), kPg, kMax}},
    {SYS_madvise, {at(0), 0, 99}},
    {SYS_madvise, {at(0) + 1, kPg, MADV_NORMAL}},
    {SYS_madvise, {at(0) + 1, 0, MADV_NORMAL}},
    {SYS_madvise, {at(30), 0, MADV_DONTNEED}},
    {SYS_madvise, {at(0), kMax, MADV_DONTNEED}},
    {SYS_madvise, {at(0), kMax - kPg, MADV_DONTNEED}},
    {SYS_madvise, {at(30), kPg, MADV_DONTNEED}},
    {SYS_madvise, {at(24), 8 * kPg, MADV_DONTNEED}},
    {SYS_madvise, {at(20), kPg, MADV_DONTNEED}},
    {SYS_madvise, {at(20), kPg, 24}},
    {SYS_madvise, {at(20), kPg, MADV_FREE}},
    {SYS_madvise, {at(8), kPg, MADV_FREE}},
    {SYS_madvise, {at(40), kPg, MADV_FREE}},
    {SYS_madvise, {at(24), kPg, MADV_FREE}},
    {SYS_madvise, {at(20), kPg, MADV_COLD}},
    {SYS_madvise, {at(20), kPg, MADV_PAGEOUT}},
    {SYS_madvise, {at(0), kPg, MADV_PAGEOUT}},
    {SYS_madvise, {at(0), kPg, MADV_REMOVE}},
    {SYS_madvise, {at(20), kPg, MADV_REMOVE}},
    {SYS_madvise, {at(12), kPg, MADV_REMOVE}},
    {SYS_madvise, {at(40), kPg, MADV_REMOVE}},
    {SYS_madvise, {at(8), kPg, MADV_REMOVE}},
    {SYS_madvise, {at(8), kPg, MADV_WIPEONFORK}},
    {SYS_madvise, {at(40), kPg, MADV_WIPEONFORK}},
    {SYS_madvise, {at(3), 8 * kPg, MADV_WIPEONFORK}},
    {SYS_madvise, {at(8), kPg, MADV_MERGEABLE}},
    {SYS_madvise, {at(1), kPg, MADV_MERGEABLE}},
    {SYS_madvise, {at(1), kPg, MADV_UNMERGEABLE}},
    {SYS_madvise, {at(1), 10 * kPg, MADV_DONTFORK}},
    {SYS_madvise, {at(4), kPg, 22}},
    {SYS_madvise, {at(4), kPg, 23}},
    {SYS_madvise, {at(12), kPg, 23}},
    {SYS_madvise, {at(12), kPg, 22}},
    {SYS_madvise, {at(3), 2 * kPg, 23}},
    {SYS_madvise, {at(6), kPg, 22}},
    {SYS_madvise, {at(0), 7 * kPg, 22}},
    {SYS_madvise, {at(0), 4 * kPg, 22}},
    {SYS_madvise, {at(0), 4 * kPg, 23}},
    {SYS_madvise, {at(30), kPg, MADV_WILLNEED}},
    {SYS_madvise, {at(3), 7 * kPg, MADV_WILLNEED}},
    {SYS_madvise, {at(1), kPg, 100}},
};

constexpr Request kLockRows[] = {
    {SYS_mlock, {at(0), 0}},
    {SYS_mlock, {at(30), 0}},
    {SYS_mlock, {at(30), kPg}},
    {SYS_mlock, {at(0) + 5, kPg}},
    {SYS_mlock, {at(0) + 5, 0}},
    {SYS_mlock, {at(3), 2 * kPg}},
    {SYS_mlock, {at(3), 4 * kPg}},
    {SYS_mlock, {at(12), kPg}},
    {SYS_mlock, {at(8), 4 * kPg}},
    {SYS_mlock, {at(0), kMax}},
    {SYS_mlock, {kMax, 1}},
    {SYS_mlock, {kMax - kPg + 1, kPg}},
    {SYS_mlock, {at(0), kMax - at(0)}},
    {SYS_mlock2, {at(0), kPg, 1}},
    {SYS_mlock2, {at(3), 4 * kPg, 1}},
    {SYS_munlock, {at(0), 0}},
    {SYS_munlock, {at(20) + 1, 1}},
    {SYS_munlock, {at(30), kPg}},
    {SYS_munlock, {at(20), 3 * kPg}},
    {SYS_munlock, {at(0), kMax}},
    {SYS_munlock, {kMax, 1}},
    {SYS_mlockall, {0}},
    {SYS_mlockall, {8}},
    {SYS_mlockall, {MCL_ONFAULT}},
    {SYS_mlockall, {MCL_FUTURE | MCL_ONFAULT}},
    {SYS_mlockall, {MCL_FUTURE | 16}},
};

constexpr Request kSyncRows[] = {
    {SYS_msync, {at(8), 0, MS_SYNC}},
    {SYS_msync, {at(8) + 1, kPg, MS_SYNC}},
    {SYS_msync, {at(8), kPg, 8}},
    {SYS_msync, {at(8), kPg, MS_SYNC | MS_ASYNC}},
    {SYS_msync, {at(8), kPg, MS_SYNC | MS_INVALIDATE}},
    {SYS_msync, {at(8), kPg, 0}},
    {SYS_msync, {at(8), kMax, MS_SYNC}},
    {SYS_msync, {at(8), kMax - at(8), MS_SYNC}},
    {SYS_msync, {at(30), kPg, MS_SYNC}},
    {SYS_msync, {at(30), kPg, MS_ASYNC}},
    {SYS_msync, {at(3), 7 * kPg, MS_SYNC}},
    {SYS_msync, {at(3), 7 * kPg, MS_ASYNC}},
    {SYS_msync, {at(3), 7 * kPg, MS_INVALIDATE}},
    {SYS_msync, {at(6), 4 * kPg, MS_ASYNC}},
    {SYS_msync, {at(20), kPg, MS_INVALIDATE}},
    {SYS_msync, {at(18), 3 * kPg, MS_INVALIDATE | MS_ASYNC}},
    {SYS_msync, {at(20), kPg, MS_SYNC}},
    {SYS_mincore, {at(0) + 1, kPg}},
    {SYS_mincore, {at(0), 0}},
    {SYS_mincore, {at(30), 0}},
    {SYS_mincore, {at(30), kPg}},
    {SYS_mincore, {at(0), 7 * kPg}},
    {SYS_mincore, {at(0), 6 * kPg}},
    {SYS_mincore, {at(24), 4 * kPg - 1}},
    {SYS_mincore, {kMax - kPg + 1, kPg}},
    {SYS_mincore, {at(0), kMax}},
    {SYS_mincore, {kTask, kPg}},
    {SYS_mincore, {kTask, 0}},
    {SYS_mincore, {at(8), 5 * kPg}},
    {SYS_mincore, {at(40), 4 * kPg}},
    {SYS_mincore, {at(1), kPg + 1}},
};

// For the rows below, besides: 30-32 sealed rw, 32-34 sealed r--, 34-36 droppable, 36-37 sealed
// r-- private file, 37-38 sealed r-- shared file, 44-46 guarded in 44-48.
constexpr std::uint64_t kDroppable = 0x08 | MAP_ANONYMOUS, kMseal = Request::kMseal;
constexpr std::uint64_t kInstall = 102, kRemoveGuard = 103, kCollapse = 25;
constexpr Request kNewSetting[] = {
    {SYS_mmap, {at(30), 2 * kPg, kRw, kAnon | kFixed | MAP_POPULATE, 0, 0}},
    {SYS_mmap, {at(32), 2 * kPg, PROT_READ, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {at(34), 2 * kPg, kRw, kDroppable | kFixed | MAP_POPULATE, 0, 0}},
    {SYS_mmap, {at(36), kPg, PROT_READ, MAP_PRIVATE | kFixed, kDisk, 0}},
    {SYS_mmap, {at(37), kPg, PROT_READ, MAP_SHARED | kFixed, kMemory, 0}},
    {SYS_mmap, {at(44), 4 * kPg, kRw, kAnon | kFixed | MAP_POPULATE, 0, 0}},
    {kMseal, {at(30), 4 * kPg, 0}},
    {kMseal, {at(36), 2 * kPg, 0}},
    {SYS_madvise, {at(44), 2 * kPg, kInstall}},
};

constexpr Request kNewRows[] = {
    // Keys of a CPU that has none.
    {SYS_pkey_alloc, {0, 0}},
    {SYS_pkey_alloc, {1, 0}},
    {SYS_pkey_alloc, {0, 4}},
    {SYS_pkey_alloc, {0, kMax}},
    {SYS_pkey_free, {0}},
    {SYS_pkey_free, {kMax}},
    {SYS_pkey_free, {16}},
    {SYS_pkey_mprotect, {at(0), kPg, PROT_READ, kMax}},
    {SYS_pkey_mprotect, {at(0), kPg, PROT_READ, 0}},
    {SYS_pkey_mprotect, {at(0), kPg, PROT_READ, 1}},
    {SYS_pkey_mprotect, {at(0), kPg, PROT_READ, kMax - 1}},
    {SYS_pkey_mprotect, {at(0), 0, PROT_READ, 1}},
    {SYS_pkey_mprotect, {at(0) + 1, kPg, PROT_READ, 1}},
    {SYS_pkey_mprotect, {at(0), kMax, PROT_READ, 1}},
    {SYS_pkey_mprotect, {at(0), kPg, 0x10, 1}},
    {SYS_pkey_mprotect, {at(6), kPg, PROT_READ, 1}},
    // Seals.
    {kMseal, {at(0), kPg, 1}},
    {kMseal, {at(0) + 1, kPg, 0}},
    {kMseal, {at(0) + 1, 0, 0}},
    {kMseal, {at(6), 0, 0}},
    {kMseal, {at(6), kPg, 0}},
    {kMseal, {at(3), 4 * kPg, 0}},
    {kMseal, {at(1), kPg + 1, 0}},
    {kMseal, {at(0), kMax, 0}},
    {kMseal, {at(0), kMax - at(0), 0}},
    {kMseal, {at(0), 1ULL << 63, 0}},
    {kMseal, {at(8), 5 * kPg, 0}},
    {kMseal, {at(24), 2 * kPg, 0}},
    {kMseal, {at(30), 4 * kPg, 0}},
    {SYS_munmap, {at(30), kPg}},
    {SYS_munmap, {at(28), 3 * kPg}},
    {SYS_munmap, {at(24), 7 * kPg}},
    {SYS_munmap, {at(34), 3 * kPg}},
    {SYS_mprotect, {at(30), kPg, PROT_READ}},
    {SYS_mprotect, {at(30), kPg, kRw}},
    {SYS_mprotect, {at(24), 8 * kPg, PROT_READ}},
    {SYS_mremap, {at(30), kPg, kPg, 0, 0}},
    {SYS_mremap, {at(30), 2 * kPg, kPg, 0, 0}},
    {SYS_mremap, {at(30), kPg, 2 * kPg, kMove, 0}},
    {SYS_mremap, {at(30), kPg, kPg, kTo, at(50)}},
    {SYS_mremap, {at(0), kPg, kPg, kTo, at(30)}},
    {SYS_mmap, {at(30), kPg, kRw, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {at(29), 2 * kPg, kRw, kAnon | kFixed, 0, 0}},
    {SYS_mmap, {at(30), kPg, kRw, kAnon | kNoreplace, 0, 0}},
    {SYS_mlock, {at(30), 4 * kPg}},
    {SYS_madvise, {at(30), kPg, MADV_DONTNEED}},
    {SYS_madvise, {at(30), kPg, MADV_DONTFORK}},
    {SYS_madvise, {at(32), kPg, MADV_DONTNEED}},
    {SYS_madvise, {at(32), kPg, MADV_FREE}},
    {SYS_madvise, {at(32), kPg, MADV_DONTFORK}},
    {SYS_madvise, {at(32), kPg, MADV_WIPEONFORK}},
    {SYS_madvise, {at(32), kPg, MADV_REMOVE}},
    {SYS_madvise, {at(32), kPg, 24}},
    {SYS_madvise, {at(32), kPg, kInstall}},
    {SYS_madvise, {at(32), kPg, kRemoveGuard}},
    {SYS_madvise, {at(32), kPg, MADV_COLD}},
    {SYS_madvise, {at(32), kPg, MADV_DODUMP}},
    {SYS_madvise, {at(36), kPg, MADV_DONTNEED}},
    {SYS_madvise, {at(37), kPg, MADV_DONTNEED}},
    {SYS_madvise, {at(37), kPg, MADV_REMOVE}},
    {SYS_madvise, {at(36), 2 * kPg, kInstall}},
    // Droppable memory.
    {SYS_mmap, {at(50), kPg, kRw, kDroppable | kFixed, 0, 0}},
    {SYS_mmap, {at(50), kPg, PROT_NONE, kDroppable | kFixed | MAP_NORESERVE, 0, 0}},
    {SYS_mmap, {at(50), kPg, kRw, 0x08 | kFixed, kMemory, 0}},
    {SYS_mmap, {at(50), kPg, kRw, 0x09 | MAP_ANONYMOUS | kFixed, 0, 0}},
    {SYS_mmap, {at(50), kPg, kRw, kDroppable | kFixed | MAP_LOCKED, 0, 0}},
    {SYS_mmap, {at(50), kPg, kRw, kDroppable | kFixed | MAP_GROWSDOWN, 0, 0}},
    {SYS_mmap, {at(50), kPg, kRw, kDroppable | kFixed | MAP_HUGETLB, 0, 0}},
    {SYS_mmap, {at(50), kPg, kRw, kDroppable | kFixed, 0, kPg}},
    {SYS_mlock, {at(34), 2 * kPg}},
    {SYS_mlock2, {at(34), 2 * kPg, 1}},
    {SYS_munlock, {at(34), 2 * kPg}},
    {SYS_madvise, {at(34), kPg, MADV_KEEPONFORK}},
    {SYS_madvise, {at(34), kPg, MADV_WIPEONFORK}},
    {SYS_madvise, {at(34), kPg, MADV_DODUMP}},
    {SYS_madvise, {at(34), kPg, MADV_DONTDUMP}},
    {SYS_madvise, {at(34), kPg, MADV_MERGEABLE}},
    {SYS_madvise, {at(34), 2 * kPg, MADV_FREE}},
    {SYS_madvise, {at(34), 2 * kPg, MADV_DONTNEED}},
    {SYS_mprotect, {at(34), kPg, PROT_READ}},
    {SYS_mremap, {at(34), kPg, kPg, kTo, at(50)}},
    // Guards.
    {SYS_madvise, {at(0), 4 * kPg, kInstall}},
    {SYS_madvise, {at(0) + 1, kPg, kInstall}},
    {SYS_madvise, {at(4), kPg, kInstall}},
    {SYS_madvise, {at(6), kPg, kInstall}},
    {SYS_madvise, {at(3), 6 * kPg, kInstall}},
    {SYS_madvise, {at(8), 2 * kPg, kInstall}},
    {SYS_madvise, {at(12), kPg, kInstall}},
    {SYS_madvise, {at(16), kPg, kInstall}},
    {SYS_madvise, {at(20), kPg, kInstall}},
    {SYS_madvise, {at(20), kPg, kRemoveGuard}},
    {SYS_madvise, {at(18), 4 * kPg, kInstall}},
    {SYS_madvise, {at(24), 2 * kPg, kRemoveGuard}},
    {SYS_madvise, {at(40), 2 * kPg, kInstall}},
    {SYS_madvise, {at(44), 4 * kPg, kRemoveGuard}},
    {SYS_madvise, {at(44), 4 * kPg, MADV_DONTNEED}},
    {SYS_madvise, {at(44), 4 * kPg, MADV_FREE}},
    {SYS_madvise, {at(44), 4 * kPg, 22}},
    {SYS_madvise, {at(44), 4 * kPg, 23}},
    {SYS_madvise, {at(44), 4 * kPg, MADV_WILLNEED}},
    {Request::kRead, {at(44)}},
    {Request::kWrite, {at(45)}},
    {Request::kWrite, {at(46)}},
    {SYS_mlock, {at(44), 4 * kPg}},
    {SYS_mincore, {at(44), 4 * kPg}},
    {SYS_mprotect, {at(45), 2 * kPg, PROT_READ}},
    {SYS_mremap, {at(44), 4 * kPg, 4 * kPg, kTo, at(50)}},
    {SYS_munmap, {at(45), kPg}},
    // Huge pages that cannot be.
    {SYS_madvise, {at(0), 4 * kPg, kCollapse}},
    {SYS_madvise, {at(8), 4 * kPg, kCollapse}},
    {SYS_madvise, {at(6), kPg, kCollapse}},
    {SYS_madvise, {at(0), 4 * kPg, MADV_HUGEPAGE}},
    {SYS_madvise, {at(40), 4 * kPg, MADV_HUGEPAGE}},
};

// Each row in a fresh process and a fresh address space.
void ask(std::span<const Request> rows, std::span<const Request> more_setting = {}) {
  for (const Request& row : rows) {
    World world;
    const std::vector<MirrorFile> files = testing::make_mirror_files(world);
    Mirror mirror({kStart, kStart + kPages * kPageSize}, files, world);
    testing::close_mirror_files(files);
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

TEST(Arguments, Mmap) { ask(kMmapRows); }
TEST(Arguments, Munmap) { ask(kUnmapRows); }
TEST(Arguments, Mprotect) { ask(kProtectRows); }
TEST(Arguments, Mremap) { ask(kRemapRows); }
TEST(Arguments, Madvise) { ask(kAdviseRows); }
TEST(Arguments, Mlock) { ask(kLockRows); }
TEST(Arguments, SealsKeysGuardsAndDroppable) { ask(kNewRows, kNewSetting); }
TEST(Arguments, MsyncAndMincore) { ask(kSyncRows); }

}  // namespace
}  // namespace faultline::mmu
