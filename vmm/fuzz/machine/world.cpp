#include "vmm/fuzz/machine/world.hpp"

#include <cstring>

#include <fmt/format.h>

#include "mmu/space/checker.hpp"
#include "mmu/space/fork.hpp"
#include "mmu/space/zap.hpp"

namespace faultline::vmm::fuzz {

namespace {
constexpr Pgoff kLastPage = Pgoff(~0ULL >> kPageShift);

// A page of the cache that is clean and is not what the file has: a store that nobody would ever
// write back. Precondition: nobody maps the file, so that no entry is dirty instead.
std::optional<std::string> lost_store(mmu::FileMapping& mapping, const mmu::FrameAllocator& frames) {
  std::array<std::byte, kPageSize> kept;
  for (Pgoff page(0); page.raw() < mapping.size_in_pages(); page = page + 1) {
    const auto frame = mapping.find(page);
    if (!frame || frames.at(*frame).dirty) continue;
    static_cast<const ProgramFile&>(mapping.file()).copy_page(page, kept);
    const std::size_t bytes = std::min<std::size_t>(kPageSize, mapping.file().size() - page.raw() * kPageSize);
    if (std::memcmp(frames.memory().page(*frame).data(), kept.data(), bytes) != 0)
      return fmt::format("page {} of a file is clean, and not what the file has", page.raw());
  }
  return std::nullopt;
}
}  // namespace

Result<std::unique_ptr<World>> World::create(const WorldParts& parts) {
  const auto zero = parts.frames.allocate(mmu::FrameKind::kZero, mmu::Zeroing::kNeeded);
  if (!zero) return fail("no guest memory for a zero page");
  return std::unique_ptr<World>(new World(parts, *zero));
}

World::~World() { parts_.frames.put(zero_frame_); }

mmu::MmuEnv World::env() {
  return {.frames = parts_.frames,
          .cache = *cache_,
          .sink = parts_.sink,
          .zero_frame = zero_frame_,
          .kernel_half = parts_.kernel_half,
          .mode = parts_.mode,
          .user_half = parts_.user_half,
          .edits = parts_.edits};
}

// What a processor needs of memory in an address space is its own affair: an allocation that is to
// fail is one of the program's.
Result<void> World::adopt(Processor& processor, mmu::AddressSpace& mm) {
  mm.observer = parts_.faults;
  const std::uint64_t failing = parts_.frames.failing_nth();
  parts_.frames.fail_nth(0);
  Result<void> adopted = processor.adopt(mm);
  parts_.frames.fail_nth(failing);
  return adopted;
}

Result<void> World::begin(Processor& processor) {
  FL_CHECK(!cache_);
  cache_.emplace(parts_.frames);
  for (unsigned i = 0; i < kFiles; ++i)
    files_[i] = cache_->open(std::make_unique<ProgramFile>(static_cast<FileOperand>(i + 1)));
  current_ = 0;
  corrupted_ = false;
  processes_[0] = mmu::AddressSpace::create(env());
  if (!processes_[0]) return fail("no guest memory for an address space");
  return adopt(processor, *processes_[0]);
}

std::vector<std::string> World::end(Processor& processor) {
  std::vector<std::string> broken;
  parts_.frames.fail_nth(0);
  for (auto& mm : processes_) {
    if (!mm) continue;
    processor.release(*mm);
    mm.reset();
  }
  for (auto& file : files_) {
    if (auto lost = corrupted_ ? std::nullopt : lost_store(*file, parts_.frames)) broken.push_back(std::move(*lost));
    file.reset();
  }
  cache_.reset();
  if (const std::uint64_t left = parts_.frames.used_frames(), before = mark_.used_frames(); left != before)
    broken.push_back(fmt::format("{} frames leaked", static_cast<std::int64_t>(left - before)));
  if (const std::int64_t bytes = parts_.frames.metadata_bytes(); bytes != mark_.metadata_bytes())
    broken.push_back(fmt::format("{} bytes of metadata leaked", bytes - mark_.metadata_bytes()));
  parts_.frames.rewind(mark_);
  if (!clean_zero_page() && !corrupted_) broken.push_back("the zero page was written");
  return broken;
}

// False: it had to be cleaned. It is looked at first: a page that nobody writes stays clean for
// whoever restores memory by dirty pages.
bool World::clean_zero_page() const {
  const auto page = parts_.frames.memory().page(zero_frame_);
  if (page[0] == std::byte{0} && std::memcmp(page.data(), page.data() + 1, page.size() - 1) == 0) return true;
  std::memset(page.data(), 0, page.size());
  return false;
}

Result<SysResult<unsigned>> World::fork(Processor& processor) {
  unsigned number = 0;
  while (number < kMaxProcesses && processes_[number]) ++number;
  if (number == kMaxProcesses) return SysResult<unsigned>(sys_error(EAGAIN));
  auto child = mmu::fork_address_space(mm());
  if (!child) return SysResult<unsigned>(tl::unexpected(child.error()));
  processes_[number] = std::move(*child);
  if (auto adopted = adopt(processor, *processes_[number]); !adopted) return tl::unexpected(adopted.error());
  return SysResult<unsigned>(number);
}

bool World::switch_to(unsigned number) {
  if (!processes_[number]) return false;
  current_ = number;
  return true;
}

bool World::exit(Processor& processor) {
  unsigned next = 0;
  while (next < kMaxProcesses && (next == current_ || !processes_[next])) ++next;
  if (next == kMaxProcesses) return false;
  processor.release(mm());
  processes_[current_].reset();
  current_ = next;
  return true;
}

std::shared_ptr<mmu::FileMapping> World::mapping(FileOperand file) const {
  return files_.at(static_cast<std::size_t>(file) - 1);
}

const ProgramFile& World::file(FileOperand file) const {
  return static_cast<const ProgramFile&>(mapping(file)->file());
}

FileOperand World::file_of(const mmu::Vma& vma) const {
  for (unsigned i = 0; i < kFiles; ++i)
    if (vma.file == files_[i]) return static_cast<FileOperand>(i + 1);
  return FileOperand::kNone;
}

// What is cached is newer than the file, and stays cached: nothing needs to be written back first.
void World::resize(FileOperand file, std::uint64_t bytes) {
  mmu::FileMapping& mapping = *files_.at(static_cast<std::size_t>(file) - 1);
  const std::uint64_t before = mapping.file().size();
  static_cast<ProgramFile&>(mapping.file()).resize(bytes);
  mmu::unmap_file_range(mapping, Pgoff(page_align(bytes) >> kPageShift), kLastPage, mmu::PrivateCopies::kZapToo);
  if (bytes <= before) return mapping.truncate(bytes);
  // What was stored behind the old end, in its last page: a disk file system zeroes it, a file in
  // memory keeps it.
  const std::vector<std::byte> zeroes(page_align(before) - before);
  if (mapping.kind() == mmu::FileKind::kRegular) return mapping.update_cached(before, zeroes);
  mapping.mark_dirty(Pgoff(before >> kPageShift));
}

std::optional<std::string> World::check() const {
  std::vector<const mmu::AddressSpace*> spaces;
  for (const auto& mm : processes_)
    if (mm) spaces.push_back(mm.get());
  return mmu::check_invariants(spaces.front()->env(), spaces);
}

}  // namespace faultline::vmm::fuzz
