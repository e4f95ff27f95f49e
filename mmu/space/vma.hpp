// One virtual memory area (Linux struct vm_area_struct).
#pragma once

#include <memory>
#include <string>

#include "mmu/backing/anon_vma.hpp"
#include "mmu/backing/file_mapping.hpp"
#include "mmu/base/address.hpp"
#include "mmu/space/vm_flags.hpp"

namespace faultline::mmu {

class AddressSpace;

struct Vma {
  Gva start, end;  // [start, end), page aligned
  VmFlags flags;
  // Of `start`: offset in the file, or for anonymous memory the page number it had when it
  // was made (moves keep it once a page was faulted in).
  Pgoff pgoff;
  std::shared_ptr<FileMapping> file;  // null: anonymous (private, or MAP_DROPPABLE later)
  // Where its next anonymous pages belong; null until the first one. Owned by its links.
  AnonVma* anon_vma = nullptr;
  // What /proc/PID/maps shows: the path of the file, "[heap]", "[stack]", or empty.
  std::string name;

  // Kept by the VmaSet that it is in: a VMA outside any set has none of these.
  AddressSpace* mm = nullptr;        // non-owning
  AnonVmaChain anon_vma_chain = {};  // every anon_vma whose pages it may map
  VmaInterval file_interval = {};    // its place in file's mappings

  [[nodiscard]] bool anonymous() const { return file == nullptr; }  // Linux vma_is_anonymous
  [[nodiscard]] std::uint64_t bytes() const { return end - start; }
  [[nodiscard]] std::uint64_t pages() const { return bytes() >> kPageShift; }
  [[nodiscard]] bool contains(Gva va) const { return start <= va && va < end; }
  // The flag bits of a new level-1 entry (Linux vm_page_prot after vma_set_page_prot): clean
  // pages of a shared mapping stay write-protected where writes must be noticed
  // (vma_wants_writenotify).
  [[nodiscard]] std::uint64_t page_prot() const {
    std::uint64_t prot = flags.page_prot();
    if (file != nullptr && file->kind() == FileKind::kRegular) prot &= ~Pte::kWrite;
    return prot;
  }
  // What it costs of host memory, roughly: itself, its node, its name.
  static constexpr std::int64_t kMetadataBytes = 512;
  [[nodiscard]] std::uint64_t metadata_bytes() const {
    return static_cast<std::uint64_t>(kMetadataBytes) +
           anon_vma_chain.links().size() * static_cast<std::uint64_t>(AnonVmaLink::kMetadataBytes);
  }
  // Linux linear_page_index.
  [[nodiscard]] Pgoff page_index(Gva va) const { return pgoff + (va.page() - start.page()); }
};

}  // namespace faultline::mmu
