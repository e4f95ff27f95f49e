#include "vmm/linux_abi/elf_loader.hpp"

#include <elf.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "mmu/space/operations.hpp"
#include "mmu/space/uaccess.hpp"

namespace faultline::vmm::linux_abi {
namespace {

constexpr std::uint64_t page_floor(std::uint64_t a) { return a & ~kPageMask; }

int protection(std::uint32_t segment_flags) {
  return ((segment_flags & PF_R) != 0 ? PROT_READ : 0) | ((segment_flags & PF_W) != 0 ? PROT_WRITE : 0) |
         ((segment_flags & PF_X) != 0 ? PROT_EXEC : 0);
}

tl::unexpected<LoadError> no_room(const std::string& path, Errno error) {
  return cannot_execute(fmt::format("{}: cannot be mapped: {}", path, std::strerror(error.value())), error.value());
}

class Mapper {
 public:
  Mapper(mmu::AddressSpace& mm, const ElfImage& image, const std::shared_ptr<mmu::FileMapping>& file,
         const std::string& path)
      : mm_(mm), image_(image), file_(file), path_(path) {}

  // Linux load_elf_binary's choice of load_bias: a static PIE goes to the top of the mmap
  // area, its whole extent reserved by one mapping that is cut back at once.
  SysResult<std::uint64_t> choose_bias() {
    if (!image_.position_independent) return 0;
    const std::uint64_t low = page_floor(image_.low());
    const std::uint64_t extent = page_align(image_.high() - low);
    auto area = mmu::do_mmap(mm_, {.length = extent, .prot = PROT_READ, .flags = MAP_PRIVATE | MAP_ANONYMOUS});
    if (!area) return tl::unexpected(area.error());
    if (auto gone = mmu::do_munmap(mm_, area->raw(), extent); !gone) return tl::unexpected(gone.error());
    return (area->raw() & ~(image_.max_align() - 1)) - low;
  }

  // Linux elf_load: the file part, the zeroed rest of its last page, and anonymous pages.
  SysResult<void> load(const ElfSegment& s, std::uint64_t bias, bool first) {
    const std::uint64_t start = bias + s.vaddr;
    const int fixed = first ? MAP_FIXED_NOREPLACE : MAP_FIXED;
    const std::uint64_t file_end = start + s.filesz, end = start + s.memsz;
    if (s.filesz != 0) {
      mmu::MmapRequest request{.address = page_floor(start),
                               .length = page_align(file_end) - page_floor(start),
                               .prot = protection(s.flags),
                               .flags = MAP_PRIVATE | fixed,
                               .offset = page_floor(s.offset),
                               .file = file_,
                               .file_writable = false,
                               .name = path_};
      if (auto at = mmu::do_mmap(mm_, request); !at) return tl::unexpected(at.error());
      if (end == file_end) return {};
      // Only a writable segment must have its tail zeroed; Linux ignores failure for others.
      const std::uint64_t tail = std::min(end, page_align(file_end)) - file_end;
      if (mmu::clear_user(mm_, Gva(file_end), page_align(file_end) - file_end) != 0 && (s.flags & PF_W) != 0 &&
          tail != 0)
        return sys_error(ENOMEM);
    }
    return brk_area(s.filesz != 0 ? page_align(file_end) : page_floor(start), page_align(end), (s.flags & PF_X) != 0,
                    s.filesz != 0 ? MAP_FIXED : fixed);
  }

 private:
  // Linux vm_brk_flags: always readable and writable.
  SysResult<void> brk_area(std::uint64_t start, std::uint64_t end, bool executable, int fixed) {
    if (start >= end) return {};
    mmu::MmapRequest request{.address = start,
                             .length = end - start,
                             .prot = PROT_READ | PROT_WRITE | (executable ? PROT_EXEC : 0),
                             .flags = MAP_PRIVATE | MAP_ANONYMOUS | fixed};
    if (auto at = mmu::do_mmap(mm_, request); !at) return tl::unexpected(at.error());
    return {};
  }

  mmu::AddressSpace& mm_;
  const ElfImage& image_;
  const std::shared_ptr<mmu::FileMapping>& file_;
  const std::string& path_;
};

std::uint64_t pages_needed(const ElfImage& image) {
  std::uint64_t pages = 0;
  for (const ElfSegment& s : image.loads) pages += (page_align(s.vaddr + s.memsz) - page_floor(s.vaddr)) >> kPageShift;
  return pages;
}

LoadResult<void> check_fit(const mmu::AddressSpace& mm, const ElfImage& image, const std::string& path) {
  const std::uint64_t need = pages_needed(image), have = mm.frames().free_frames();
  if (need > have) {
    return cannot_execute(fmt::format("{}: needs {} KiB of memory, the guest has {} KiB", path, need * 4, have * 4),
                          ENOMEM);
  }
  if (!image.position_independent && page_floor(image.low()) < mm.limits.mmap_min_addr)
    return cannot_execute(fmt::format("{}: loads below the lowest address that may be mapped", path));
  if (page_align(image.high()) > mm.mmap_base.raw())
    return cannot_execute(fmt::format("{}: segments reach into the stack", path));
  return {};
}

// Linux load_elf_binary: what stat and status of /proc/PID call code and data.
void note_segments(mmu::ProgramLayout& program, const ElfImage& image, std::uint64_t bias) {
  std::uint64_t start_code = ~std::uint64_t{0}, end_code = 0, start_data = 0, end_data = 0;
  for (const ElfSegment& s : image.loads) {
    const std::uint64_t end = s.vaddr + s.filesz;
    start_data = std::max(start_data, s.vaddr);
    end_data = std::max(end_data, end);
    if ((s.flags & PF_X) == 0) continue;
    start_code = std::min(start_code, s.vaddr);
    end_code = std::max(end_code, end);
  }
  program.start_code = Gva(start_code + bias), program.end_code = Gva(end_code + bias);
  program.start_data = Gva(start_data + bias), program.end_data = Gva(end_data + bias);
}

// Below the lowest mapping of the mmap area, with the vDSO's room left out.
Gva next_mmap_base(const mmu::AddressSpace& mm, const ElfImage& image, std::uint64_t bias) {
  const std::uint64_t top = image.position_independent ? page_floor(bias + image.low()) : mm.mmap_base.raw();
  return Gva(top - AddressLayout::kVdsoHole);
}

}  // namespace

std::uint64_t AddressLayout::mmap_base(std::uint64_t stack_limit, std::uint64_t stack_guard_gap) {
  constexpr std::uint64_t kMinGap = 128ULL << 20, kMaxGap = kStackTop / 6 * 5;
  std::uint64_t gap = stack_limit;
  if (gap + stack_guard_gap > gap) gap += stack_guard_gap;
  return page_align(kStackTop - std::clamp(gap, kMinGap, kMaxGap));
}

LoadResult<LoadedImage> map_elf(mmu::AddressSpace& mm, const ElfImage& image,
                                const std::shared_ptr<mmu::FileMapping>& file, const std::string& path) {
  mm.mmap_base = Gva(AddressLayout::mmap_base(mm.limits.stack, mm.limits.stack_guard_gap));
  if (auto fits = check_fit(mm, image, path); !fits) return tl::unexpected(fits.error());

  Mapper mapper(mm, image, file, path);
  const auto bias = mapper.choose_bias();
  if (!bias) return no_room(path, bias.error());
  for (const ElfSegment& segment : image.loads) {
    const bool first = &segment == &image.loads.front();
    if (auto loaded = mapper.load(segment, *bias, first); !loaded) return no_room(path, loaded.error());
  }

  mm.start_brk = Gva(image.position_independent ? AddressLayout::kPieBrk : page_align(image.high()));
  mm.brk = mm.start_brk;
  note_segments(mm.program, image, *bias);
  mm.mmap_base = next_mmap_base(mm, image, *bias);
  LoadedImage loaded;
  loaded.load_bias = *bias;
  loaded.entry = *bias + image.entry;
  loaded.phdr = *bias + image.phdr_vaddr;
  loaded.phnum = image.phnum;
  loaded.executable_stack = image.executable_stack;
  return loaded;
}

}  // namespace faultline::vmm::linux_abi
