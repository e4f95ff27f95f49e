#include "tests/differential/judge/native_faults.hpp"

#include <linux/perf_event.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <vector>

namespace faultline::test {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kDataBytes = 4ULL << 20;  // some 65,000 faults
constexpr std::size_t kRingBytes = kPage + kDataBytes;

int only_cpu_of(pid_t process) {
  cpu_set_t cpus;
  if (::sched_getaffinity(process, sizeof cpus, &cpus) != 0 || CPU_COUNT(&cpus) != 1) return -1;
  int cpu = 0;
  while (CPU_ISSET(cpu, &cpus) == 0) ++cpu;
  return cpu;
}

// Of the process and its children, from the moment it executes its program.
perf_event_attr since_exec() {
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.disabled = 1;
  attributes.enable_on_exec = 1;
  attributes.inherit = 1;
  return attributes;
}

int open_event(perf_event_attr& attributes, pid_t process, int cpu) {
  return static_cast<int>(::syscall(SYS_perf_event_open, &attributes, process, cpu, -1, PERF_FLAG_FD_CLOEXEC));
}

std::uint64_t count_of(int event) {
  std::uint64_t count = 0;
  return ::read(event, &count, sizeof count) == sizeof count ? count : 0;
}

// Bytes of the ring in order, copied out so that no record is split at its end.
std::vector<char> unwrapped(const perf_event_mmap_page& header, const char* data) {
  const std::uint64_t head = std::atomic_ref(const_cast<__u64&>(header.data_head)).load(std::memory_order_acquire);
  std::vector<char> bytes(head - header.data_tail);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = data[(header.data_tail + i) % kDataBytes];
  return bytes;
}

template <class T>
T at(const char* bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes + offset, sizeof value);
  return value;
}

}  // namespace

NativeFaults::NativeFaults() : tracepoint_(vmm::find_fault_tracepoint()), why_not_(tracepoint_.why_not) {}

NativeFaults::~NativeFaults() {
  if (ring_ != nullptr) ::munmap(ring_, kRingBytes);
  if (event_ >= 0) ::close(event_);
  if (counter_ >= 0) ::close(counter_);
}

void NativeFaults::attach(pid_t process) {
  process_ = process;
  if (why_not_.empty()) open_counter(process);
  if (why_not_.empty()) open_tracepoint(process);
}

void NativeFaults::open_counter(pid_t process) {
  perf_event_attr attributes = since_exec();
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_PAGE_FAULTS;
  counter_ = open_event(attributes, process, -1);
  if (counter_ < 0) why_not_ = std::string("perf_event_open of page-faults: ") + std::strerror(errno);
}

void NativeFaults::open_tracepoint(pid_t process) {
  perf_event_attr attributes = since_exec();
  attributes.type = PERF_TYPE_TRACEPOINT;
  attributes.config = tracepoint_.id;
  attributes.sample_period = 1;
  attributes.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_RAW;
  attributes.task = 1;
  attributes.comm = 1;
  attributes.comm_exec = 1;
  // A ring shared with children needs one CPU: it is the one that the process is pinned to.
  const int cpu = only_cpu_of(process);
  if (cpu < 0) {
    why_not_ = "the process is not pinned to one CPU";
    return;
  }
  event_ = open_event(attributes, process, cpu);
  if (event_ < 0) {
    why_not_ = std::string("perf_event_open of page_fault_user: ") + std::strerror(errno);
    return;
  }
  void* ring = ::mmap(nullptr, kRingBytes, PROT_READ | PROT_WRITE, MAP_SHARED, event_, 0);
  if (ring == MAP_FAILED) {
    why_not_ = std::string("mmap of the perf ring: ") + std::strerror(errno);
    return;
  }
  ring_ = ring;
}

FaultHistory NativeFaults::take(std::string& problem) {
  FaultHistory history(1);
  if (ring_ == nullptr) return history;
  std::map<std::uint32_t, std::size_t> place{{static_cast<std::uint32_t>(process_), 0}};
  const auto faults_of = [&](std::uint32_t pid) -> std::vector<UserFault>& {
    const auto [it, fresh] = place.try_emplace(pid, history.size());
    if (fresh) history.emplace_back();
    return history[it->second];
  };
  const auto bytes = unwrapped(*static_cast<perf_event_mmap_page*>(ring_), static_cast<const char*>(ring_) + kPage);
  std::uint64_t samples = 0;
  for (std::size_t i = 0; i + sizeof(perf_event_header) <= bytes.size();) {
    const auto header = at<perf_event_header>(bytes.data(), i);
    const char* body = bytes.data() + i + sizeof header;
    if (header.type == PERF_RECORD_SAMPLE) {
      // pid, tid, then the size of the raw data and the data.
      const char* raw = body + 12;
      faults_of(at<std::uint32_t>(body, 0))
          .push_back({at<std::uint64_t>(raw, tracepoint_.address_at), at<std::uint64_t>(raw, tracepoint_.ip_at),
                      at<std::uint64_t>(raw, tracepoint_.error_at)});
      ++samples;
    } else if (header.type == PERF_RECORD_FORK) {
      faults_of(at<std::uint32_t>(body, 0));
    } else if (header.type == PERF_RECORD_COMM && (header.misc & PERF_RECORD_MISC_COMM_EXEC) != 0) {
      ++programs_;
    }
    i += header.size;
  }
  // The count goes on when the ring is full; so what is missing in the ring is noticed.
  if (const std::uint64_t count = count_of(event_); count != samples) {
    problem = std::to_string(count) + " faults counted, " + std::to_string(samples) + " recorded";
  }
  return history;
}

std::uint64_t NativeFaults::page_faults() const { return counter_ < 0 ? 0 : count_of(counter_); }

}  // namespace faultline::test
