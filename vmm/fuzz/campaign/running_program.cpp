#include "vmm/fuzz/campaign/running_program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "vmm/fuzz/binary.hpp"

namespace faultline::vmm::fuzz {

// As it lies in the file.
struct RunningProgram::Page {
  struct Place {
    std::atomic<std::uint32_t> length;  // 0: none, or it is being written
    std::array<char, 20> judge;
    std::array<std::byte, kMaxBinaryBytes> program;
  };
  std::atomic<std::uint64_t> turn;
  std::array<Place, kPlaces> places;
};

Result<RunningProgram> RunningProgram::create(const std::string& folder, unsigned job) {
  std::string path = fmt::format("{}/{}-{}", folder, ::getpid(), job);
  // One of a dead process with the same number may be there.
  ::unlink(path.c_str());
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file.valid() || ::flock(file.get(), LOCK_EX) != 0 || ::ftruncate(file.get(), sizeof(Page)) != 0)
    return fail(fmt::format("{}: {}", path, std::strerror(errno)));
  void* at = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (at == MAP_FAILED) return fail(fmt::format("{}: {}", path, std::strerror(errno)));
  return RunningProgram(std::move(path), std::move(file), static_cast<Page*>(at), ::getpid());
}

RunningProgram::RunningProgram(RunningProgram&& other) noexcept
    : path_(std::move(other.path_)), file_(std::move(other.file_)), page_(other.page_), creator_(other.creator_) {
  other.page_ = nullptr;
}

RunningProgram::~RunningProgram() {
  if (page_ == nullptr) return;
  ::munmap(page_, sizeof(Page));
  if (creator_ == ::getpid()) ::unlink(path_.c_str());
}

void RunningProgram::set(const Program& program, std::size_t place) {
  const auto bytes = to_binary(program);
  Page::Place& at = page_->places[place];
  at.length.store(0, std::memory_order_release);
  std::ranges::copy(bytes, at.program.begin());
  at.length.store(static_cast<std::uint32_t>(bytes.size()), std::memory_order_release);
  page_->turn.fetch_add(1, std::memory_order_release);
}

void RunningProgram::set_judge(std::string_view judge, std::size_t place) {
  auto& name = page_->places[place].judge;
  name = {};
  std::copy_n(judge.begin(), std::min(judge.size(), name.size() - 1), name.begin());
}

void RunningProgram::clear(std::size_t place) {
  page_->places[place].length.store(0, std::memory_order_release);
  page_->turn.fetch_add(1, std::memory_order_release);
}

std::vector<RunningProgram::Entry> RunningProgram::read(const Page& page) {
  std::vector<Entry> entries;
  for (std::size_t i = kPlaces; i-- > 0;) {
    const Page::Place& place = page.places[i];
    const std::uint32_t length = place.length.load(std::memory_order_acquire);
    if (length == 0 || length > place.program.size()) continue;
    auto program = parse_binary(std::span(place.program).first(length), "");
    if (!program) continue;
    entries.push_back({std::move(*program), {place.judge.data(), ::strnlen(place.judge.data(), place.judge.size())}});
  }
  return entries;
}

std::vector<RunningProgram::Entry> RunningProgram::entries() const { return read(*page_); }
std::uint64_t RunningProgram::turn() const { return page_->turn.load(std::memory_order_acquire); }

std::vector<Program> RunningProgram::take_over(const std::string& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (!file.valid() || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return {};  // its job lives
  std::vector<Program> programs;
  if (info.st_size == static_cast<off_t>(sizeof(Page))) {
    void* at = ::mmap(nullptr, sizeof(Page), PROT_READ, MAP_SHARED, file.get(), 0);
    if (at != MAP_FAILED) {
      for (Entry& entry : read(*static_cast<const Page*>(at))) programs.push_back(std::move(entry.program));
      ::munmap(at, sizeof(Page));
    }
  }
  ::unlink(path.c_str());
  return programs;
}

}  // namespace faultline::vmm::fuzz
