// Follows clear_refs_write (fs/proc/task_mmu.c), comm_write and oom_score_adj_write
// (fs/proc/base.c).
#include "vmm/linux_abi/proc/control_files.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

#include "mmu/space/page_stats.hpp"
#include "vmm/linux_abi/proc/process_text.hpp"
#include "vmm/linux_abi/proc/seq_file.hpp"

namespace faultline::vmm::linux_abi::proc {
namespace {

constexpr std::size_t kNumberBytes = 12;  // PROC_NUMB less its NUL

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Linux kstrtoint of what strstrip leaves.
std::optional<int> number_of(std::span<const std::byte> bytes) {
  const std::string text = text_of(bytes.first(std::min(bytes.size(), kNumberBytes)));
  constexpr const char* kBlanks = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string::npos) return std::nullopt;
  std::string_view digits(text);
  digits = digits.substr(first, text.find_last_not_of(kBlanks) + 1 - first);
  if (digits.starts_with('+')) digits.remove_prefix(1);
  int value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

class ClearRefs final : public VirtualFile {
 public:
  ClearRefs(VirtualAttributes attributes, std::string path, Subject subject)
      : VirtualFile(attributes, std::move(path)), subject_(std::move(subject)) {}

  SysResult<std::size_t> read(Task&, std::uint64_t, std::span<std::byte>) override { return sys_error(EINVAL); }

  SysResult<std::size_t> write(Task& writer, std::uint64_t, std::span<const std::byte> from) override {
    constexpr int kAll = 1, kAnonymous = 2, kMapped = 3, kSoftDirty = 4, kPeak = 5;
    const auto what = number_of(from);
    if (!what || *what < kAll || *what > kPeak) return sys_error(EINVAL);
    Task* task = subject_.find(writer);
    if (task == nullptr) return sys_error(ESRCH);
    mmu::AddressSpace& mm = task->mm();
    switch (*what) {
      case kAll: mmu::clear_references(mm, mmu::ClearRefs::kAll); break;
      case kAnonymous: mmu::clear_references(mm, mmu::ClearRefs::kAnonymous); break;
      case kMapped: mmu::clear_references(mm, mmu::ClearRefs::kMapped); break;
      case kSoftDirty: break;  // CONFIG_MEM_SOFT_DIRTY is off
      default: mm.rss.high_water = mm.rss.total(); break;
    }
    return from.size();
  }

 private:
  Subject subject_;
};

// One line to read, and something to do when it is written.
class Setting final : public SeqFile {
 public:
  using Show = std::string (*)(Task& task);
  using Store = SysResult<void> (*)(Task& writer, Task& task, std::span<const std::byte> from);
  Setting(VirtualAttributes attributes, std::string path, Subject subject, Show show, Store store)
      : SeqFile(attributes, std::move(path)), subject_(std::move(subject)), show_(show), store_(store) {}

  SysResult<std::size_t> write(Task& writer, std::uint64_t, std::span<const std::byte> from) override {
    Task* task = subject_.find(writer);
    if (task == nullptr) return sys_error(ESRCH);
    if (auto stored = store_(writer, *task, from); !stored) return tl::unexpected(stored.error());
    return from.size();
  }

 protected:
  void restart() override { done_ = false; }
  SysResult<bool> next(Task& reader, std::string& out) override {
    if (done_) return false;
    Task* task = subject_.find(reader);
    if (task == nullptr) return sys_error(ESRCH);
    out += show_(*task);
    done_ = true;
    return true;
  }

 private:
  Subject subject_;
  Show show_;
  Store store_;
  bool done_ = false;
};

SysResult<void> store_comm(Task& writer, Task& task, std::span<const std::byte> from) {
  if (&writer != &task) return sys_error(EINVAL);  // of its own thread group only
  const std::string text = text_of(from.first(std::min<std::size_t>(from.size(), 15)));
  task.name = text.substr(0, text.find('\0'));
  return {};
}

SysResult<void> store_oom_score_adj(Task& writer, Task& task, std::span<const std::byte> from) {
  const auto value = number_of(from);
  if (!value || *value < -1000 || *value > 1000) return sys_error(EINVAL);
  if (*value < task.oom_score_adj && writer.config().euid != 0) return sys_error(EACCES);
  task.oom_score_adj = *value;
  return {};
}

}  // namespace

std::unique_ptr<VirtualFile> make_clear_refs(VirtualAttributes attributes, std::string path, Subject subject) {
  return std::make_unique<ClearRefs>(attributes, std::move(path), std::move(subject));
}
std::unique_ptr<VirtualFile> make_comm(VirtualAttributes attributes, std::string path, Subject subject) {
  return std::make_unique<Setting>(attributes, std::move(path), std::move(subject), comm_text, store_comm);
}
std::unique_ptr<VirtualFile> make_oom_score_adj(VirtualAttributes attributes, std::string path, Subject subject) {
  return std::make_unique<Setting>(attributes, std::move(path), std::move(subject), oom_adj_text, store_oom_score_adj);
}

}  // namespace faultline::vmm::linux_abi::proc
