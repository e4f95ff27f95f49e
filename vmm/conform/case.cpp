#include "vmm/conform/case.hpp"

namespace faultline::vmm::conform {
namespace {

constexpr unsigned kLowerIndex = 1, kUpperIndex = 300, kEdgeIndex = 255, kNonCanonicalIndex = 256;

std::uint64_t target(model::Paging paging, unsigned level, unsigned leaf, Gpa page, Gpa table_below,
                     std::uint64_t flags) {
  if (level != leaf) return table_below.raw() | flags;
  const std::uint64_t size = std::uint64_t{1} << model::index_shift(paging, level);
  return (page.raw() & ~(size - 1)) | flags;
}

}  // namespace

unsigned region_root_index(model::Paging paging, Region region) {
  if (paging == model::Paging::kPae) return 0;
  switch (region) {
    case Region::kLower: return kLowerIndex;
    case Region::kUpper: return kUpperIndex;
    case Region::kLowerEdge: return kEdgeIndex;
    case Region::kNonCanonical: return kNonCanonicalIndex;
  }
  return 0;
}

Gva region_address(model::Paging paging, Region region) {
  const unsigned shift = model::index_shift(paging, table_levels(paging));
  std::uint64_t address = (std::uint64_t{region_root_index(paging, region)} + 1) << shift;
  address -= kPageSize;
  if (region == Region::kUpper && model::long_mode(paging)) address |= ~std::uint64_t{0} << (shift + 9);
  return Gva(address);
}

Gva Case::address() const { return region_address(controls.paging, region) + offset; }

unsigned Case::touch_bytes(unsigned touch) const {
  const Touch& t = instruction().touches[touch];
  if (t.kind != model::Kind::kFetch) return t.bytes;
  return offset % 8 == 7 ? 3 : 2;
}

bool Case::straddles() const {
  const Form& f = instruction();
  if (f.touch_count == 0) return false;
  const unsigned last = f.touch_count - 1;
  return offset + f.touches[last].offset + touch_bytes(last) > kPageSize;
}

Gpa Case::slot_a(unsigned level) const {
  const std::uint64_t bytes = model::entry_bytes(controls.paging);
  const bool root = level == root_level();
  if (out_of_ram(level))
    return (storage == Storage::kAbsent ? kHole : read_only_table(level, a[level])) + (kPageSize - bytes);
  return root ? kRoot + region_root_index(controls.paging, region) * bytes : table_a(level) + (kPageSize - bytes);
}

Gpa Case::slot_b(unsigned level) const {
  const std::uint64_t bytes = model::entry_bytes(controls.paging);
  const bool root = level == root_level();
  return root ? kRoot + (region_root_index(controls.paging, region) + 1) * bytes : table_b(level);
}

Gpa read_only_table(unsigned level, std::uint64_t entry) {
  const std::uint64_t flags = (entry & 7) | (entry >> 5 & 3) << 3;  // P W U, A D
  return kRom + ((level - 1) * kRomPerLevel + flags) * kPageSize;
}

std::uint64_t entry_a(unsigned level, unsigned leaf, std::uint64_t flags, model::Paging paging) {
  return target(paging, level, leaf, kPageA, level > 1 ? table_a(level - 1) : Gpa(), flags);
}
std::uint64_t entry_b(unsigned level, unsigned leaf, std::uint64_t flags, model::Paging paging) {
  return target(paging, level, leaf, kPageB, level > 1 ? table_b(level - 1) : Gpa(), flags);
}

}  // namespace faultline::vmm::conform
