#include "vmm/linux_abi/initial_stack.hpp"

#include <elf.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "mmu/space/operations.hpp"
#include "mmu/space/uaccess.hpp"

namespace faultline::vmm::linux_abi {
namespace {

constexpr std::uint64_t kMaxStringBytes = 128 * 1024;  // MAX_ARG_STRLEN
constexpr std::uint64_t kMaxArgBytes = 6ULL << 20;     // three quarters of _STK_LIM
constexpr std::uint64_t kMinArgBytes = 128 * 1024;     // ARG_MAX
constexpr std::uint64_t kStackExpand = 128 * 1024;     // stack_expand of setup_arg_pages
constexpr char kPlatform[] = "x86_64";
// Since 6.3: what rseq(2) may be registered with at least, and how aligned.
constexpr std::uint64_t kAtRseqFeatureSize = 27, kAtRseqAlign = 28, kAtMinSigStkSz = 51;
constexpr std::uint64_t kRseqFeatureSize = 28, kRseqAlign = 32;

// The strings at the top of the stack: argv[0].. envp[0].. exec name, then 8 zero bytes.
struct Strings {
  std::vector<std::byte> bytes;
  std::vector<std::uint64_t> argv, envp;  // offsets into `bytes`
  std::uint64_t exec_name = 0;

  std::uint64_t add(const std::string& s) {
    const std::uint64_t at = bytes.size();
    const auto* first = reinterpret_cast<const std::byte*>(s.c_str());
    bytes.insert(bytes.end(), first, first + s.size() + 1);
    return at;
  }
};

LoadResult<Strings> collect(const std::vector<std::string>& argv, const std::vector<std::string>& envp,
                            const std::string& exec_name, std::uint64_t stack_limit) {
  const std::uint64_t limit = std::max(std::min(kMaxArgBytes, stack_limit / 4), kMinArgBytes);
  std::uint64_t used = (argv.size() + envp.size()) * sizeof(std::uint64_t) + exec_name.size() + 1;
  Strings s;
  auto take = [&](const std::vector<std::string>& from, std::vector<std::uint64_t>& to) {
    for (const std::string& one : from) {
      used += one.size() + 1;
      if (one.size() + 1 > kMaxStringBytes || used > limit) return false;
      to.push_back(s.add(one));
    }
    return true;
  };
  if (!take(argv, s.argv) || !take(envp, s.envp))
    return cannot_execute("argument list too long: arguments and environment do not fit on the stack", E2BIG);
  s.exec_name = s.add(exec_name);
  s.bytes.resize(s.bytes.size() + sizeof(std::uint64_t));
  return s;
}

// Linux setup_arg_pages: the pages of the strings and 128 KiB more, within RLIMIT_STACK.
SysResult<void> make_stack_area(mmu::AddressSpace& mm, std::uint64_t string_bytes, bool executable) {
  std::uint64_t size = page_align(string_bytes) + kStackExpand;
  size = std::min(size, std::max(mm.limits.stack & ~kPageMask, kPageSize));
  auto at = mmu::do_mmap(mm, {.address = AddressLayout::kStackTop - size,
                              .length = size,
                              .prot = PROT_READ | PROT_WRITE | (executable ? PROT_EXEC : 0),
                              .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE,
                              .name = "[stack]"});
  if (!at) return tl::unexpected(at.error());
  return {};
}

// In the order in which Linux 6.18 writes it (create_elf_tables).
std::vector<std::uint64_t> auxiliary_vector(const LoadedImage& image, const ProcessFacts& facts,
                                            std::uint64_t random_at, std::uint64_t exec_name_at,
                                            std::uint64_t platform_at) {
  return {
      AT_IGNORE,
      0,  // where AT_SYSINFO_EHDR would be: there is no vDSO
      kAtMinSigStkSz,
      facts.minsigstksz,
      AT_HWCAP,
      facts.hwcap,
      AT_PAGESZ,
      kPageSize,
      AT_CLKTCK,
      facts.clock_ticks,
      AT_PHDR,
      image.phdr,
      AT_PHENT,
      sizeof(Elf64_Phdr),
      AT_PHNUM,
      image.phnum,
      AT_BASE,
      0,
      AT_FLAGS,
      0,
      AT_ENTRY,
      image.entry,
      AT_UID,
      facts.uid,
      AT_EUID,
      facts.euid,
      AT_GID,
      facts.gid,
      AT_EGID,
      facts.egid,
      AT_SECURE,
      facts.secure ? 1U : 0U,
      AT_RANDOM,
      random_at,
      AT_HWCAP2,
      facts.hwcap2,
      AT_EXECFN,
      exec_name_at,
      AT_PLATFORM,
      platform_at,
      kAtRseqFeatureSize,
      kRseqFeatureSize,
      kAtRseqAlign,
      kRseqAlign,
      AT_NULL,
      0,
  };
}

}  // namespace

LoadResult<InitialStack> build_initial_stack(mmu::AddressSpace& mm, const LoadedImage& image,
                                             const std::vector<std::string>& argv, const std::vector<std::string>& envp,
                                             const std::string& exec_name, const ProcessFacts& facts) {
  const auto no_room = [] { return cannot_execute("the initial stack does not fit in guest memory", ENOMEM); };
  auto strings = collect(argv, envp, exec_name, mm.limits.stack);
  if (!strings) return tl::unexpected(strings.error());
  const std::uint64_t bytes = strings->bytes.size();
  if (bytes > mm.frames().free_frames() * kPageSize) return no_room();
  if (!make_stack_area(mm, bytes, image.executable_stack)) return no_room();

  const std::uint64_t strings_at = AddressLayout::kStackTop - bytes;
  const std::uint64_t platform_at = (strings_at & ~std::uint64_t{15}) - sizeof(kPlatform);
  const std::uint64_t random_at = platform_at - facts.random.size();

  std::vector<std::uint64_t> table{argv.size()};
  for (std::uint64_t offset : strings->argv) table.push_back(strings_at + offset);
  table.push_back(0);
  for (std::uint64_t offset : strings->envp) table.push_back(strings_at + offset);
  table.push_back(0);
  const auto aux = auxiliary_vector(image, facts, random_at, strings_at + strings->exec_name, platform_at);
  // STACK_ROUND: what lies below the auxiliary vector moves it to a 16-byte boundary.
  const std::uint64_t aux_end = random_at;
  const std::uint64_t rsp = (aux_end - (aux.size() + table.size()) * sizeof(std::uint64_t)) & ~std::uint64_t{15};
  table.insert(table.end(), aux.begin(), aux.end());
  const std::uint64_t env_at = envp.empty() ? strings->exec_name : strings->envp.front();
  mm.program.start_stack = Gva(rsp);
  mm.program.arg_start = Gva(strings_at);
  mm.program.arg_end = mm.program.env_start = Gva(strings_at + env_at);
  mm.program.env_end = Gva(strings_at + strings->exec_name);
  mm.program.auxv = aux;

  const auto put = [&](std::uint64_t at, std::span<const std::byte> what) {
    return mmu::copy_to_user(mm, Gva(at), what) == 0;
  };
  // The strings come by get_arg_page, before the program's own faults count anything with registers.
  if (mmu::write_remote(mm, Gva(strings_at), strings->bytes) != bytes ||
      !put(platform_at, std::as_bytes(std::span(kPlatform))) || !put(random_at, facts.random) ||
      !put(rsp, std::as_bytes(std::span<const std::uint64_t>(table))))
    return no_room();
  return InitialStack{rsp, strings_at};
}

}  // namespace faultline::vmm::linux_abi
