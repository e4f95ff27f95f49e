// Follows copy_to_user, copy_from_user and GUP in what faults and what it returns.
#include "mmu/space/uaccess.hpp"

#include <algorithm>
#include <cstring>

#include "mmu/fault/fault.hpp"
#include "mmu/pgtable/editor.hpp"
#include "mmu/space/stack.hpp"

namespace faultline::mmu {

namespace {

// Linux access_ok: the range lies below TASK_SIZE_MAX and does not wrap.
bool access_ok(const AddressSpace& mm, Gva address, std::uint64_t length) {
  const auto end = address.checked_add(length);
  return end && *end <= mm.task_size();
}

// Accessed and Dirty as the CPU would set them, had the guest made the access.
void touch(AddressSpace& mm, PteSlot slot, Gva address, UserAccess access) {
  const std::uint64_t wanted = Pte::kAccessed | (access == UserAccess::kWrite ? Pte::kDirty : 0);
  const Pte entry = slot.load();
  if (entry.has(wanted)) return;
  TlbGather gather(mm.tables());
  PtEditor(gather).widen(slot, address.page_base(), entry, entry.with(wanted));
}

}  // namespace

SysResult<std::span<std::byte>> user_bytes(AddressSpace& mm, Gva address, std::uint64_t max_bytes, UserAccess access) {
  if (!access_ok(mm, address, 1)) return sys_error(EFAULT);
  const bool write = access == UserAccess::kWrite;
  if (const auto ready = fault_in_page(mm, address, write, FaultOrigin::kKernel); !ready)
    return sys_error(EFAULT);  // -ENOMEM in a copy is -EFAULT to its caller
  const LeafSlot leaf = find_leaf(mm.frames().memory(), mm.tables().root(), mm.mode(), address);
  touch(mm, leaf.slot, address, access);
  const std::span<std::byte, kPageSize> page = mm.frames().memory().page(leaf.slot.load().frame());
  const std::uint64_t offset = address.page_offset();
  return page.subspan(offset, std::min<std::uint64_t>(max_bytes, kPageSize - offset));
}

std::vector<std::span<std::byte>> user_spans(AddressSpace& mm, Gva address, std::uint64_t length, UserAccess access,
                                             std::size_t max_spans) {
  std::vector<std::span<std::byte>> spans;
  while (length > 0) {
    const auto bytes = user_bytes(mm, address, length, access);
    if (!bytes) break;
    if (!spans.empty() && spans.back().data() + spans.back().size() == bytes->data()) {
      spans.back() = {spans.back().data(), spans.back().size() + bytes->size()};
    } else {
      if (spans.size() == max_spans) break;
      spans.push_back(*bytes);
    }
    length -= bytes->size();
    address = address + bytes->size();
  }
  return spans;
}

namespace {
// Runs `step(host bytes)` over the range page by page; returns the bytes not reached.
template <class Step>
std::uint64_t for_each_page(AddressSpace& mm, Gva address, std::uint64_t length, UserAccess access, Step step) {
  while (length > 0) {
    const auto bytes = user_bytes(mm, address, length, access);
    if (!bytes) break;
    step(*bytes);
    length -= bytes->size();
    address = address + bytes->size();
  }
  return length;
}
}  // namespace

std::uint64_t copy_from_user(AddressSpace& mm, std::span<std::byte> to, Gva from) {
  if (!access_ok(mm, from, to.size())) return to.size();
  return for_each_page(mm, from, to.size(), UserAccess::kRead, [&to](std::span<std::byte> bytes) {
    std::memcpy(to.data(), bytes.data(), bytes.size());
    to = to.subspan(bytes.size());
  });
}

std::uint64_t copy_to_user(AddressSpace& mm, Gva to, std::span<const std::byte> from) {
  if (!access_ok(mm, to, from.size())) return from.size();
  return for_each_page(mm, to, from.size(), UserAccess::kWrite, [&from](std::span<std::byte> bytes) {
    std::memcpy(bytes.data(), from.data(), bytes.size());
    from = from.subspan(bytes.size());
  });
}

std::uint64_t clear_user(AddressSpace& mm, Gva to, std::uint64_t bytes) {
  if (!access_ok(mm, to, bytes)) return bytes;
  return for_each_page(mm, to, bytes, UserAccess::kWrite,
                       [](std::span<std::byte> page) { std::memset(page.data(), 0, page.size()); });
}

SysResult<std::string> string_from_user(AddressSpace& mm, Gva from, std::uint64_t max_bytes) {
  std::string text;
  while (text.size() <= max_bytes) {
    const auto bytes = user_bytes(mm, from, kPageSize, UserAccess::kRead);
    if (!bytes) return tl::unexpected(bytes.error());
    const auto nul = std::ranges::find(*bytes, std::byte{0});
    text.append(reinterpret_cast<const char*>(bytes->data()), static_cast<std::size_t>(nul - bytes->begin()));
    if (nul != bytes->end()) {
      if (text.size() > max_bytes) break;
      return text;
    }
    from = from + bytes->size();
  }
  return sys_error(ENAMETOOLONG);
}

namespace {
// Host bytes behind one piece of a page that GUP found.
SysResult<std::span<std::byte>> remote_bytes(AddressSpace& mm, Gva address, std::uint64_t max_bytes,
                                             UserAccess access) {
  if (!access_ok(mm, address, 1)) return sys_error(EFAULT);
  const bool write = access == UserAccess::kWrite;
  const auto ready = fault_in_page(mm, address, write, FaultOrigin::kGup, {.force = true, .remote = true});
  if (!ready) return tl::unexpected(ready.error());
  const PteSlot slot = mm.tables().find(address);
  const Pte entry = slot.load();
  const Gfn frame = entry.frame();
  // The frame is dirty (set_page_dirty_lock); an entry that the process may use says so too.
  if (Frame& meta = mm.frames().at(frame); write && meta.kind == FrameKind::kFile) meta.dirty = true;
  if (write && entry.present()) touch(mm, slot, address, UserAccess::kWrite);
  const std::uint64_t offset = address.page_offset();
  return mm.frames().memory().page(frame).subspan(offset, std::min<std::uint64_t>(max_bytes, kPageSize - offset));
}

template <class Step>
std::uint64_t for_each_remote_page(AddressSpace& mm, Gva address, std::uint64_t length, UserAccess access, Step step) {
  // A stack that could grow to hold the address does.
  if (Vma* above = mm.vmas.find(address); above != nullptr && above->start > address)
    static_cast<void>(expand_stack(mm, *above, address));
  std::uint64_t done = 0;
  while (done < length) {
    const auto at = address.checked_add(done);
    if (!at) break;
    const auto bytes = remote_bytes(mm, *at, length - done, access);
    if (!bytes) break;
    step(*bytes, done);
    done += bytes->size();
  }
  return done;
}
}  // namespace

std::uint64_t read_remote(AddressSpace& mm, std::span<std::byte> to, Gva from) {
  return for_each_remote_page(
      mm, from, to.size(), UserAccess::kRead,
      [&](std::span<std::byte> bytes, std::uint64_t done) { std::memcpy(&to[done], bytes.data(), bytes.size()); });
}

std::uint64_t write_remote(AddressSpace& mm, Gva to, std::span<const std::byte> from) {
  return for_each_remote_page(
      mm, to, from.size(), UserAccess::kWrite,
      [&](std::span<std::byte> bytes, std::uint64_t done) { std::memcpy(bytes.data(), &from[done], bytes.size()); });
}

std::uint64_t peek_user(const AddressSpace& mm, std::span<std::byte> to, Gva from) {
  std::uint64_t done = 0;
  while (done < to.size()) {
    const auto at = from.checked_add(done);
    if (!at) break;
    const Walk w = mm.tables().walk(*at);
    if (!w.mapped()) break;
    const std::uint64_t n = std::min<std::uint64_t>(kPageSize - at->page_offset(), to.size() - done);
    if (!mm.frames().memory().contains(w.physical().page())) break;
    std::memcpy(to.data() + done, mm.frames().memory().at(w.physical()), n);
    done += n;
  }
  return done;
}

}  // namespace faultline::mmu
