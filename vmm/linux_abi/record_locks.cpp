#include "vmm/linux_abi/record_locks.hpp"

#include <algorithm>

namespace faultline::vmm::linux_abi {

std::optional<RecordLock> RecordLocks::conflict(mmu::FileId file, const RecordLock& wanted) const {
  const auto of_file = locks_.find(file);
  if (of_file == locks_.end()) return std::nullopt;
  std::optional<RecordLock> first;
  for (const RecordLock& lock : of_file->second)
    if (lock.conflicts(wanted) && (!first || lock.first < first->first)) first = lock;
  return first;
}

void RecordLocks::unlock(mmu::FileId file, const void* owner, std::uint64_t first, std::uint64_t last) {
  const auto of_file = locks_.find(file);
  if (of_file == locks_.end()) return;
  std::vector<RecordLock> kept;
  bool ended = false;
  for (const RecordLock& lock : of_file->second) {
    if (lock.owner != owner || lock.first > last || lock.last < first) {
      kept.push_back(lock);
      continue;
    }
    ended = true;
    RecordLock part = lock;
    if (lock.first < first) {
      part.last = first - 1;
      kept.push_back(part);
    }
    if (lock.last > last) {
      part = lock;
      part.first = last + 1;
      kept.push_back(part);
    }
  }
  of_file->second = std::move(kept);
  if (of_file->second.empty()) locks_.erase(of_file);
  if (ended && on_release) on_release();
}

// Neighbours of one kind become one, as in Linux: a process that locks byte after byte has one lock.
void RecordLocks::set(mmu::FileId file, const RecordLock& wanted) {
  unlock(file, wanted.owner, wanted.first, wanted.last);
  RecordLock merged = wanted;
  std::vector<RecordLock>& all = locks_[file];
  std::erase_if(all, [&merged](const RecordLock& lock) {
    const bool touches = (lock.last != RecordLock::kToTheEnd && lock.last + 1 == merged.first) ||
                         (merged.last != RecordLock::kToTheEnd && merged.last + 1 == lock.first);
    if (lock.owner != merged.owner || lock.kind != merged.kind || !touches) return false;
    merged.first = std::min(merged.first, lock.first);
    merged.last = std::max(merged.last, lock.last);
    return true;
  });
  all.push_back(merged);
}

void RecordLocks::release_all(const void* owner) {
  bool ended = false;
  for (auto it = locks_.begin(); it != locks_.end();) {
    ended |= std::erase_if(it->second, [owner](const RecordLock& lock) { return lock.owner == owner; }) != 0;
    it = it->second.empty() ? locks_.erase(it) : std::next(it);
  }
  waits_.erase(owner);
  if (ended && on_release) on_release();
}

bool RecordLocks::wait_for(const void* owner, const void* holder) {
  waits_.erase(owner);
  if (holder == nullptr) return true;
  for (auto at = waits_.find(holder); at != waits_.end(); at = waits_.find(at->second))
    if (at->second == owner) return false;
  waits_[owner] = holder;
  return true;
}

}  // namespace faultline::vmm::linux_abi
