// What is known of one guest frame (Linux struct page/folio, order 0 only).
#pragma once

#include <atomic>
#include <cstdint>

#include "mmu/base/address.hpp"

namespace faultline::mmu {

class FileMapping;
struct AnonVma;

enum class FrameKind : std::uint8_t {
  kUntouched,  // never handed out, or inside a larger free block (the zero value of this type)
  kFree,       // heads a free block of the buddy
  kReserved,   // owned outside mmu (descriptor tables, stubs)
  kTable,      // a page-table page
  kAnon,       // anonymous memory
  kFile,       // in a FileMapping
  kZero,       // the shared zero page
};

// Zero-initialised memory is a valid array of these, so that metadata for RAM that is never
// touched is never touched either. Atomics, because several vCPUs will count at once.
struct Frame {
  struct FreeLinks {
    std::uint32_t prev, next;
  };

  std::atomic<std::int32_t> refcount;  // mappings plus other holders; 0 = free
  std::atomic<std::int32_t> mapcount;  // leaf entries that map it; <= refcount
  FrameKind kind;
  std::uint8_t order;   // of the free block it heads, valid in kFree
  bool anon_exclusive;  // Linux PageAnonExclusive: one owner, may be written in place
  bool dirty;           // file frame: differs from the backing store
  bool touched;         // was handed out before: its bytes may not be zero
  bool lazy_free;       // kAnon: goes when memory is short (MADV_FREE; Linux !PageSwapBacked)
  union {
    // Where it belongs: kFile, its offset in the mapping; kAnon, Linux's linear_page_index.
    std::uint64_t index;
    FreeLinks free;  // kFree: its neighbours on the free list
  };

  // Whose page it is (Linux page->mapping): with index, the way back to the entries that map it
  // (backing/rmap.hpp). Null unless the frame is of that kind.
  [[nodiscard]] FileMapping* mapping() const { return kind == FrameKind::kFile ? owner_.mapping : nullptr; }
  [[nodiscard]] AnonVma* anon_vma() const { return kind == FrameKind::kAnon ? owner_.anon_vma : nullptr; }
  void set_mapping(FileMapping* mapping) { owner_.mapping = mapping; }
  // Valid while the frame is mapped: the VMAs that map it keep the anon_vma.
  void set_anon_vma(AnonVma* anon_vma) { owner_.anon_vma = anon_vma; }

 private:
  union {
    FileMapping* mapping;
    AnonVma* anon_vma;
  } owner_;
};
static_assert(sizeof(Frame) == 32);

}  // namespace faultline::mmu
