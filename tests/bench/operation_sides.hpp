// The two sides of an operation: mmu over memory of this process, and the kernel underneath.
// Both have the same few verbs, so that an operation is written once.
#pragma once

#include <sys/mman.h>
#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <memory>
#include <vector>

#include "mmu/backing/file_mapping.hpp"
#include "mmu/space/address_space.hpp"

namespace faultline::bench {

// CPU time of this thread.
class Stopwatch {
 public:
  Stopwatch() : start_(now()) {}
  [[nodiscard]] double ns() const { return now() - start_; }

 private:
  static double now() {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
  }
  double start_;
};

// A memfd, and a file on a disk file system, both with all pages cached and clean.
enum class FileOf : std::uint8_t { kMemory, kDisk };

// There is one mapping at a time; pages are counted from its start.
class MmuSide {
 public:
  explicit MmuSide(std::uint64_t bytes);
  ~MmuSide();
  MmuSide(const MmuSide&) = delete;
  MmuSide& operator=(const MmuSide&) = delete;

  void map(std::uint64_t pages, int prot, int flags);
  void map_file(FileOf file, std::uint64_t pages, int flags);
  void unmap(std::uint64_t pages) { unmap_at(0, pages); }
  void unmap_at(std::uint64_t page, std::uint64_t pages);
  // A fault as the CPU would report it, where it would take one.
  void touch(std::uint64_t page, bool write);
  void protect(std::uint64_t page, std::uint64_t pages, int prot);
  void advise(std::uint64_t page, std::uint64_t pages, int advice);
  void fork();
  void end_child();
  void clean(FileOf file);

 private:
  std::shared_ptr<mmu::FileMapping> file(FileOf which, std::uint64_t pages);
  struct Sink;
  void* base_;
  std::uint64_t bytes_;
  std::unique_ptr<Sink> sink_;
  std::unique_ptr<mmu::FrameAllocator> frames_;
  std::unique_ptr<mmu::PageCache> cache_;
  std::shared_ptr<mmu::AddressSpace> mm_, child_;
};

class NativeSide {
 public:
  NativeSide() = default;
  ~NativeSide();
  NativeSide(const NativeSide&) = delete;
  NativeSide& operator=(const NativeSide&) = delete;

  void map(std::uint64_t pages, int prot, int flags);
  void map_file(FileOf file, std::uint64_t pages, int flags);
  void unmap(std::uint64_t pages) { unmap_at(0, pages); }
  void unmap_at(std::uint64_t page, std::uint64_t pages);
  void touch(std::uint64_t page, bool write) {
    if (write) {
      base_[page * kPageSize] = 1;
    } else {
      static_cast<void>(base_[page * kPageSize]);
    }
  }
  void protect(std::uint64_t page, std::uint64_t pages, int prot);
  void advise(std::uint64_t page, std::uint64_t pages, int advice);
  void fork();
  void end_child();
  void clean(FileOf file);

 private:
  int file(FileOf which, std::uint64_t pages);
  volatile char* base_ = nullptr;
  pid_t child_ = -1;
  int memory_fd_ = -1, disk_fd_ = -1;
};

}  // namespace faultline::bench
