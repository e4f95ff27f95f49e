// The kernel's record of the faults that user code takes: the tracepoint exceptions:page_fault_user
// of this process and its children, by perf_event_open.
#include <linux/mman.h>
#include <linux/perf_event.h>

#include "vmm/fuzz/host/runner/runner.hpp"
#include "vmm/fuzz/host/runner/syscalls.hpp"

namespace faultline::vmm::fuzz::host {

namespace {

constexpr int kRingFd = kFds;
constexpr std::uint64_t kDataBytes = kRingPages * 4096;

// A sample: header, pid, tid, the size of the raw data, and the raw data.
constexpr std::uint64_t kPidAt = 8, kRawAt = 20;

perf_event_mmap_page& page() { return *reinterpret_cast<perf_event_mmap_page*>(kRingAt); }
bool on() { return shared().tracepoint != 0 && shared().ring_error == 0; }

std::uint8_t byte_of(std::uint64_t at) {
  return reinterpret_cast<const std::uint8_t*>(kRingAt + 4096)[at % kDataBytes];
}

template <class T>
T value_of(std::uint64_t at) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < sizeof(T); ++i) value |= std::uint64_t{byte_of(at + i)} << 8 * i;
  return static_cast<T>(value);
}

std::uint64_t head() { return __atomic_load_n(&page().data_head, __ATOMIC_ACQUIRE); }

void record(Seen& seen, std::uint64_t sample) {
  Shared& s = shared();
  if (s.fault_count == kFaultRoom) {
    s.faults_lost = true;
    return;
  }
  const std::uint64_t raw = sample + kRawAt;
  s.faults[s.fault_count++] = {value_of<std::uint64_t>(raw + s.address_at), value_of<std::uint64_t>(raw + s.error_at)};
  ++seen.faults;
}

}  // namespace

void open_ring() {
  Shared& s = shared();
  if (s.tracepoint == 0) return;
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = PERF_TYPE_TRACEPOINT;
  attributes.config = s.tracepoint;
  attributes.inherit = 1;
  attributes.sample_period = 1;
  attributes.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_RAW;
  const std::int64_t fd = call(__NR_perf_event_open, &attributes, 0, s.cpu, -1, 0);
  if (fd != kRingFd) {
    s.ring_error = fd < 0 ? static_cast<std::int32_t>(-fd) : 9;
    return;
  }
  map_ring();
}

void map_ring() {
  if (!on()) return;
  const std::int64_t at = call(__NR_mmap, kRingAt, 4096 + kDataBytes, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, kRingFd, 0);
  if (at < 0) shared().ring_error = static_cast<std::int32_t>(-at);
}

void skip_faults() {
  if (on()) page().data_tail = head();
}

void take_faults(Seen& seen) {
  Shared& s = shared();
  seen.first_fault = s.fault_count;
  if (!on()) return;
  const auto pid = static_cast<std::uint32_t>(call(__NR_getpid));
  const std::uint64_t end = head();
  std::uint64_t at = page().data_tail;
  while (at < end) {
    const auto type = value_of<std::uint32_t>(at);
    const auto size = value_of<std::uint16_t>(at + 6);
    if (type == PERF_RECORD_LOST) s.faults_lost = true;
    if (type == PERF_RECORD_SAMPLE && value_of<std::uint32_t>(at + kPidAt) == pid) record(seen, at);
    at += size;
  }
  __atomic_store_n(&page().data_tail, end, __ATOMIC_RELEASE);
}

}  // namespace faultline::vmm::fuzz::host
