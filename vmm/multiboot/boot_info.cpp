#include "vmm/multiboot/boot_info.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>

namespace faultline::vmm::multiboot {

namespace {

struct Info {
  std::uint32_t flags, memory_lower, memory_upper, boot_device, command_line, module_count, modules;
  std::array<std::uint32_t, 4> symbols;
  std::uint32_t map_bytes, map, drives_bytes, drives, configuration, loader_name;
};
static_assert(sizeof(Info) == 68);
enum Flag : std::uint32_t {
  kMemory = 1U << 0,
  kCommandLine = 1U << 2,
  kModules = 1U << 3,
  kMap = 1U << 6,
  kLoader = 1U << 9
};

struct ModuleEntry {
  std::uint32_t start, end, name, reserved;
};
static_assert(sizeof(ModuleEntry) == 16);

struct [[gnu::packed]] MapEntry {
  std::uint32_t size;  // of what follows
  std::uint64_t base, length;
  std::uint32_t type;
};
static_assert(sizeof(MapEntry) == 24);
constexpr std::uint32_t kAvailable = 1, kReserved = 2;

// A PC's map: conventional memory, the hole for video memory and firmware, the rest.
constexpr std::uint64_t kConventionalEnd = 0x9'fc00, kHighMemory = 0x10'0000;

// Puts one thing behind another into guest memory.
class Writer {
 public:
  Writer(std::span<std::byte> ram, Gpa at) : ram_(ram), next_(at.raw()) {}

  std::uint32_t put(const void* data, std::size_t bytes) {
    const std::uint64_t at = next_;
    next_ += (bytes + 7) / 8 * 8;
    if (fits()) std::memcpy(ram_.data() + at, data, bytes);
    return static_cast<std::uint32_t>(at);
  }
  std::uint32_t put(const std::string& text) { return put(text.c_str(), text.size() + 1); }
  void align() { next_ = (next_ + kPageSize - 1) / kPageSize * kPageSize; }
  [[nodiscard]] bool fits() const { return next_ <= ram_.size(); }

 private:
  std::span<std::byte> ram_;
  std::uint64_t next_;
};

std::array<MapEntry, 3> memory_map(std::uint64_t ram_bytes) {
  constexpr std::uint32_t kSize = sizeof(MapEntry) - sizeof(std::uint32_t);
  return {{{kSize, 0, kConventionalEnd, kAvailable},
           {kSize, kConventionalEnd, kHighMemory - kConventionalEnd, kReserved},
           {kSize, kHighMemory, ram_bytes - kHighMemory, kAvailable}}};
}

}  // namespace

void write_bios_data(std::span<std::byte> ram) {
  constexpr std::uint64_t kExtendedAreaSegment = 0x40e, kKibibytes = 0x413;
  const std::uint16_t segment = kConventionalEnd >> 4, kibibytes = kConventionalEnd >> 10;
  std::memcpy(ram.data() + kExtendedAreaSegment, &segment, sizeof segment);
  std::memcpy(ram.data() + kKibibytes, &kibibytes, sizeof kibibytes);
}

Result<Gpa> write_boot_info(std::span<std::byte> ram, Gpa at, const std::string& command_line,
                            const std::optional<Module>& module) {
  Info info{};
  Writer writer(ram, at);
  writer.put(&info, sizeof info);  // its place; filled in at the end
  info.flags = kMemory | kCommandLine | kModules | kMap | kLoader;
  info.memory_lower = kConventionalEnd >> 10;
  info.memory_upper = static_cast<std::uint32_t>((ram.size() - kHighMemory) >> 10);
  const auto map = memory_map(ram.size());
  info.map = writer.put(&map, sizeof map);
  info.map_bytes = sizeof map;
  info.command_line = writer.put(command_line);
  info.loader_name = writer.put("faultline");
  if (module) {
    ModuleEntry entry{};
    entry.name = writer.put(module->name);
    // The entry comes first and says where the module will be: on the next page.
    Writer behind = writer;
    behind.put(&entry, sizeof entry);
    behind.align();
    entry.start = behind.put(module->bytes.data(), module->bytes.size());
    entry.end = static_cast<std::uint32_t>(entry.start + module->bytes.size());
    info.modules = writer.put(&entry, sizeof entry);
    info.module_count = 1;
    writer = behind;
  }
  if (!writer.fits()) {
    return fail(
        fmt::format("kernel, boot information and module do not fit into {} MiB of guest memory: raise --memory",
                    ram.size() >> 20));
  }
  std::memcpy(ram.data() + at.raw(), &info, sizeof info);
  return at;
}

}  // namespace faultline::vmm::multiboot
