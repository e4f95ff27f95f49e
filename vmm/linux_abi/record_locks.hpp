// POSIX record locks between the processes of the guest (Linux fs/locks.c, FL_POSIX). The host's
// would belong to the harness as a whole: no two guest processes would ever exclude each other.
// An owner is a descriptor table, as in Linux.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "mmu/ports/backing_file.hpp"

namespace faultline::vmm::linux_abi {

struct RecordLock {
  static constexpr std::uint64_t kToTheEnd = ~0ULL;

  enum class Kind : std::uint8_t { kRead, kWrite };
  Kind kind = Kind::kRead;
  std::uint64_t first = 0, last = kToTheEnd;  // bytes, both included
  const void* owner = nullptr;
  int pid = 0;  // of the process that set it, for F_GETLK

  [[nodiscard]] bool overlaps(const RecordLock& o) const { return first <= o.last && o.first <= last; }
  [[nodiscard]] bool conflicts(const RecordLock& o) const {
    return owner != o.owner && overlaps(o) && (kind == Kind::kWrite || o.kind == Kind::kWrite);
  }
};

class RecordLocks {
 public:
  // The first lock of another owner that stands in the way, if there is one.
  [[nodiscard]] std::optional<RecordLock> conflict(mmu::FileId file, const RecordLock& wanted) const;
  // Sets `wanted` in place of what its owner has there. Precondition: no conflict.
  void set(mmu::FileId file, const RecordLock& wanted);
  // Ends what `owner` has of [first, last].
  void unlock(mmu::FileId file, const void* owner, std::uint64_t first, std::uint64_t last);
  void release(const void* owner, mmu::FileId file) { unlock(file, owner, 0, RecordLock::kToTheEnd); }
  void release_all(const void* owner);

  // `owner` waits for `holder` (null: no more). False: that would close a circle (EDEADLK).
  bool wait_for(const void* owner, const void* holder);

  // Told whenever a lock, or a part of one, has ended: who waits may look again.
  std::function<void()> on_release;

 private:
  std::map<mmu::FileId, std::vector<RecordLock>> locks_;  // no two of one owner overlap
  std::map<const void*, const void*> waits_;              // owner -> the owner that it waits for
};

}  // namespace faultline::vmm::linux_abi
