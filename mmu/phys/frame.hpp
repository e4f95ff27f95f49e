// What is known of one guest frame (Linux struct page/folio, order 0 only).
#pragma once

#include <atomic>
#include <cstdint>

#include "mmu/base/address.hpp"

namespace faultline::mmu {

class FileMapping;

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
  std::atomic<std::int32_t> refcount;  // mappings plus other holders; 0 = free
  std::atomic<std::int32_t> mapcount;  // leaf entries that map it; <= refcount
  FrameKind kind;
  std::uint8_t order;        // of the free block it heads, valid in kFree
  bool anon_exclusive;       // Linux PageAnonExclusive: one owner, may be written in place
  bool dirty;                // file frame: differs from the backing store
  std::uint32_t prev, next;  // free list links, valid for the head of a free block
  bool touched;              // was handed out before: its bytes may not be zero
  bool lazy_free;            // kAnon: goes when memory is short (MADV_FREE; Linux !PageSwapBacked)
  // Where it belongs: kFile, its offset in `mapping`; kAnon, Linux's linear_page_index.
  std::uint64_t index;
  FileMapping* mapping;  // kFile only
};
static_assert(sizeof(Frame) == 40);

}  // namespace faultline::mmu
