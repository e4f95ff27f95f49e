#include "vmm/fuzz/host/end_state.hpp"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <vector>

#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/normalise.hpp"

namespace faultline::vmm::fuzz::host {

namespace {

constexpr std::uint64_t kPresentBit = 1ULL << 63, kFileBit = 1ULL << 61;

tl::unexpected<Error> failed(const std::string& what) { return fail("linux: " + what + ": " + std::strerror(errno)); }

FileDescriptor open_of(int pid, const char* name) {
  const std::string path = "/proc/" + std::to_string(pid) + "/" + name;
  return FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

// A hexadecimal number and the letter behind it.
std::uint64_t take_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  text.remove_prefix(std::min(text.size(), static_cast<std::size_t>(end - text.data()) + 1));
  return value;
}

// "7f00-7f10 rw-p 00000000 00:01 42 path", but the inode is decimal.
SeenVma parse_line(std::string_view line, const HostFiles& files) {
  SeenVma vma;
  vma.start = take_number(line);
  vma.end = take_number(line);
  for (std::size_t i = 0; i < 4 && i < line.size(); ++i) vma.rights[i] = line[i];
  line.remove_prefix(std::min<std::size_t>(line.size(), 5));
  vma.offset = take_number(line);
  const auto major = static_cast<unsigned>(take_number(line)), minor = static_cast<unsigned>(take_number(line));
  std::uint64_t inode = 0;
  std::from_chars(line.data(), line.data() + line.size(), inode);
  vma.file = files.find(makedev(major, minor), inode);
  return vma;
}

Result<std::vector<SeenVma>> read_maps(int pid, const HostFiles& files) {
  const FileDescriptor maps = open_of(pid, "maps");
  if (!maps.valid()) return failed("maps of a process");
  std::string text;
  std::array<char, 16384> part{};
  for (ssize_t n = 0; (n = ::read(maps.get(), part.data(), part.size())) > 0;)
    text.append(part.data(), static_cast<std::size_t>(n));
  std::vector<SeenVma> vmas;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size() - 1);
    const SeenVma vma = parse_line(rest.substr(0, end), files);
    if (in_window(vma.start)) vmas.push_back(vma);
    rest.remove_prefix(end + 1);
  }
  return vmas;
}

Result<void> read_pages(const FileDescriptor& pagemap, const SeenVma& vma, std::vector<SeenPage>& pages) {
  std::vector<std::uint64_t> entries((vma.end - vma.start) >> kPageShift);
  const auto bytes = static_cast<ssize_t>(entries.size() * sizeof(std::uint64_t));
  if (::pread(pagemap.get(), entries.data(), static_cast<std::size_t>(bytes),
              static_cast<off_t>(vma.start >> kPageShift) * 8) != bytes)
    return failed("pagemap of a process");
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if ((entries[i] & kPresentBit) == 0) continue;
    pages.push_back({.address = vma.start + i * kPageSize, .present = true, .file = (entries[i] & kFileBit) != 0});
  }
  return {};
}

struct Page {
  alignas(64) std::array<std::byte, kPageSize> bytes;
};

// Reads as many of `addresses` from `first` on as can be read, one vector element each: what cannot
// be read ends it.
ssize_t read_some(int pid, std::span<const std::uint64_t> addresses, std::vector<Page>& into) {
  constexpr std::size_t kMost = 256;
  std::array<iovec, kMost> from{};
  const std::size_t count = std::min(kMost, addresses.size());
  into.resize(count);
  for (std::size_t i = 0; i < count; ++i) from[i] = {reinterpret_cast<void*>(addresses[i]), kPageSize};
  const iovec to{into.data(), count * kPageSize};
  return ::process_vm_readv(pid, &to, 1, from.data(), count, 0);
}

}  // namespace

Result<SeenProcess> read_areas(unsigned number, int pid, const HostFiles& files) {
  SeenProcess process;
  process.number = number;
  auto vmas = read_maps(pid, files);
  if (!vmas) return tl::unexpected(vmas.error());
  const FileDescriptor pagemap = open_of(pid, "pagemap");
  if (!pagemap.valid()) return failed("pagemap of a process");
  for (const SeenVma& vma : *vmas)
    if (auto read = read_pages(pagemap, vma, process.pages); !read) return tl::unexpected(read.error());
  normalise(*vmas);
  process.vmas = std::move(*vmas);
  return process;
}

Result<void> read_content(SeenProcess& process, int pid) {
  std::vector<std::uint64_t> addresses;
  for (const SeenVma& vma : process.vmas) {
    if (vma.rights[0] != 'r') continue;
    for (std::uint64_t at = vma.start; at < vma.end; at += kPageSize) addresses.push_back(at);
  }
  std::vector<Page> pages;
  for (std::span<const std::uint64_t> rest = addresses; !rest.empty();) {
    const ssize_t got = read_some(pid, rest, pages);
    if (got < 0 && errno != EFAULT) return failed("content of a process");
    const std::size_t read = got < 0 ? 0 : static_cast<std::size_t>(got) / kPageSize;
    for (std::size_t i = 0; i < read; ++i) process.content.push_back({rest[i], content_hash(pages[i].bytes)});
    // The one behind them could not be read: a guard page, or beyond the end of its file.
    rest = rest.subspan(std::min(rest.size(), read == pages.size() ? read : read + 1));
  }
  return {};
}

}  // namespace faultline::vmm::fuzz::host
