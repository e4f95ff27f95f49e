#include "vmm/kvm/statistics.hpp"

#include <unistd.h>

#include <cstring>
#include <optional>

#include "vmm/kvm/kvm_machine.hpp"

namespace faultline::vmm::kvm {
namespace {

constexpr std::size_t kMostBytes = 1 << 20;

template <class T>
std::optional<T> load(std::span<const std::byte> bytes, std::size_t at) {
  if (at > bytes.size() || bytes.size() - at < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

tl::unexpected<Error> senseless() { return fail("KVM's statistics make no sense"); }

// The fixed part of struct kvm_stats_desc; the name follows.
struct Descriptor {
  std::uint32_t flags;
  std::int16_t exponent;
  std::uint16_t size;
  std::uint32_t offset, bucket_size;
};
static_assert(sizeof(Descriptor) == sizeof(kvm_stats_desc));

std::optional<StatisticKind> kind_of(std::uint32_t flags) {
  switch (flags & KVM_STATS_TYPE_MASK) {
    case KVM_STATS_TYPE_CUMULATIVE: return StatisticKind::kCumulative;
    case KVM_STATS_TYPE_INSTANT: return StatisticKind::kInstant;
    case KVM_STATS_TYPE_PEAK: return StatisticKind::kPeak;
    case KVM_STATS_TYPE_LINEAR_HIST: return StatisticKind::kLinearHistogram;
    case KVM_STATS_TYPE_LOG_HIST: return StatisticKind::kLogarithmicHistogram;
    default: return std::nullopt;  // of a later KVM
  }
}

StatisticUnit unit_of(std::uint32_t flags) {
  constexpr std::uint32_t kBoolean = 0x4 << KVM_STATS_UNIT_SHIFT;  // Linux 5.19
  switch (flags & KVM_STATS_UNIT_MASK) {
    case KVM_STATS_UNIT_BYTES: return StatisticUnit::kBytes;
    case KVM_STATS_UNIT_SECONDS: return StatisticUnit::kSeconds;
    case KVM_STATS_UNIT_CYCLES: return StatisticUnit::kCycles;
    case kBoolean: return StatisticUnit::kBoolean;
    default: return StatisticUnit::kNone;
  }
}

std::vector<std::byte> read_all(int fd) {
  std::vector<std::byte> bytes(4096);
  std::size_t size = 0;
  for (;;) {
    const ssize_t n = ::pread(fd, bytes.data() + size, bytes.size() - size, static_cast<off_t>(size));
    if (n <= 0) break;
    size += static_cast<std::size_t>(n);
    if (size == bytes.size() && size < kMostBytes) bytes.resize(size * 2);
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace

Result<std::vector<HostStatistic>> parse_statistics(std::span<const std::byte> bytes) {
  const auto header = load<kvm_stats_header>(bytes, 0);
  if (!header || header->name_size == 0 || header->name_size > 256) return senseless();
  const std::size_t stride = sizeof(Descriptor) + header->name_size;
  std::vector<HostStatistic> all;
  for (std::uint32_t i = 0; i < header->num_desc; ++i) {
    const std::size_t at = std::size_t{header->desc_offset} + i * stride;
    const auto descriptor = load<Descriptor>(bytes, at);
    if (!descriptor || bytes.size() - at < stride) return senseless();
    const auto* name = reinterpret_cast<const char*>(bytes.data() + at + sizeof(Descriptor));
    HostStatistic statistic{.name = std::string(name, ::strnlen(name, header->name_size)), .values = {}};
    const auto kind = kind_of(descriptor->flags);
    if (!kind) continue;
    statistic.kind = *kind;
    statistic.unit = unit_of(descriptor->flags);
    statistic.power_of_two = (descriptor->flags & KVM_STATS_BASE_MASK) == KVM_STATS_BASE_POW2;
    statistic.exponent = descriptor->exponent;
    statistic.bucket = descriptor->bucket_size;
    for (std::uint16_t v = 0; v < descriptor->size; ++v) {
      const std::size_t where = std::size_t{header->data_offset} + descriptor->offset + v * sizeof(std::uint64_t);
      const auto value = load<std::uint64_t>(bytes, where);
      if (!value) return senseless();
      statistic.values.push_back(*value);
    }
    all.push_back(std::move(statistic));
  }
  return all;
}

Result<std::vector<HostStatistic>> read_statistics(int fd) {
  auto opened = FL_KVM_IOCTL(fd, KVM_GET_STATS_FD);
  if (!opened) return tl::unexpected(opened.error());
  const FileDescriptor statistics(*opened);
  return parse_statistics(read_all(statistics.get()));
}

Result<std::vector<HostStatistic>> KvmMachine::host_statistics() const { return read_statistics(vm_.get()); }
Result<std::vector<HostStatistic>> KvmVcpu::host_statistics() const { return read_statistics(vcpu_.get()); }

}  // namespace faultline::vmm::kvm
