// Follows show_map_vma, show_smap and PROCMAP_QUERY's owner file of fs/proc/task_mmu.c.
#include "vmm/linux_abi/proc/maps.hpp"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>

#include "vmm/linux_abi/proc/procmap_query.hpp"

namespace faultline::vmm::linux_abi::proc {
namespace {

constexpr std::size_t kNameColumn = 73;

std::string line(std::string text, std::string_view name) {
  if (!name.empty()) text.resize(std::max(text.size(), kNameColumn), ' ');
  text += name;
  text += '\n';
  return text;
}

// One record for each VMA, from the address at which the last one ended.
class VmaFile final : public SeqFile {
 public:
  using Show = std::string (*)(const mmu::AddressSpace&, const mmu::Vma&);
  enum class Query : std::uint8_t { kNone, kServed };

  VmaFile(VirtualAttributes attributes, std::string path, Subject subject, Show show, Query query)
      : SeqFile(attributes, std::move(path)), subject_(std::move(subject)), show_(show), query_(query) {}

  SyscallValue ioctl(Task& caller, std::uint32_t command, Gva argument) override {
    if (query_ == Query::kNone || command != kProcmapQuery) return sys_error(ENOTTY);
    const auto mm = subject_.mm.lock();
    return mm ? procmap_query(caller, *mm, argument) : SyscallValue(sys_error(ESRCH));
  }

 protected:
  void restart() override { from_ = Gva(0); }
  SysResult<bool> next(Task&, std::string& out) override {
    const auto mm = subject_.mm.lock();
    if (!mm) return false;
    const mmu::Vma* vma = mm->vmas.find(from_);
    if (vma == nullptr) return false;
    out += show_(*mm, *vma);
    from_ = vma->end;
    return true;
  }

 private:
  Subject subject_;
  Show show_;
  Query query_;
  Gva from_{0};
};

class RollupFile final : public SeqFile {
 public:
  RollupFile(VirtualAttributes attributes, std::string path, Subject subject)
      : SeqFile(attributes, std::move(path)), subject_(std::move(subject)) {}

 protected:
  void restart() override { done_ = false; }
  SysResult<bool> next(Task&, std::string& out) override {
    const auto mm = subject_.mm.lock();
    if (!mm) return sys_error(ESRCH);
    if (std::exchange(done_, true)) return false;
    out += smaps_rollup(*mm);
    return true;
  }

 private:
  Subject subject_;
  bool done_ = false;
};

}  // namespace

std::string_view maps_name(const mmu::AddressSpace& mm, const mmu::Vma& vma) {
  const bool heap = !vma.file && vma.start < mm.brk && vma.end > mm.start_brk && vma.name.empty();
  return heap ? std::string_view("[heap]") : std::string_view(vma.name);
}

std::string maps_line(const mmu::AddressSpace& mm, const mmu::Vma& vma) {
  const auto id = vma.file ? vma.file->file().id() : mmu::FileId{};
  const std::uint64_t offset = vma.file ? vma.pgoff.raw() << kPageShift : 0;
  const auto device = static_cast<dev_t>(id.device);
  return line(fmt::format("{:08x}-{:08x} {} {:08x} {:02x}:{:02x} {} ", vma.start.raw(), vma.end.raw(), vma.flags.text(),
                          offset, major(device), minor(device), id.inode),
              maps_name(mm, vma));
}

std::string smaps_rollup(const mmu::AddressSpace& mm) {
  mmu::PageStats total;
  Gva start(0), end(0);
  for (const auto& [at, vma] : mm.vmas) {
    if (start == end) start = vma.start;
    end = vma.end;
    total += mmu::gather_page_stats(mm, vma);
  }
  return line(fmt::format("{:08x}-{:08x} ---p 00000000 00:00 0 ", start.raw(), end.raw()), "[rollup]") +
         page_stats_text(total, StatsShape::kRollup);
}

std::unique_ptr<VirtualFile> make_maps(VirtualAttributes attributes, std::string path, Subject subject) {
  return std::make_unique<VmaFile>(attributes, std::move(path), std::move(subject), maps_line, VmaFile::Query::kServed);
}
std::unique_ptr<VirtualFile> make_smaps(VirtualAttributes attributes, std::string path, Subject subject) {
  return std::make_unique<VmaFile>(attributes, std::move(path), std::move(subject), smaps_record,
                                   VmaFile::Query::kNone);
}
std::unique_ptr<VirtualFile> make_smaps_rollup(VirtualAttributes attributes, std::string path, Subject subject) {
  return std::make_unique<RollupFile>(attributes, std::move(path), std::move(subject));
}

}  // namespace faultline::vmm::linux_abi::proc
