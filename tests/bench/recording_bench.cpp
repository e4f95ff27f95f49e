// What recording costs: a whole run with and without (sha256sum of a file of 64 MiB, in turns), and
// the parts of it. Bytes are those of the file for each fault, its exit and the rest included.
#include <benchmark/benchmark.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <vector>

#include "vmm/recording/state.hpp"
#include "vmm/recording/writer.hpp"
#include "vmm/run/session.hpp"

namespace faultline::vmm {
namespace {

constexpr std::size_t kFileBytes = 64 << 20;

// The scratch files of this process; gone with it.
class Files {
 public:
  Files() {
    std::filesystem::create_directories(folder_);
    std::ofstream file(input(), std::ios::binary);
    std::vector<char> block(1 << 20);
    for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<char>(i * 2654435761U >> 13);
    for (std::size_t n = 0; n < kFileBytes / block.size(); ++n) file.write(block.data(), 1 << 20);
  }
  ~Files() { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string input() const { return folder_ + "/input"; }
  [[nodiscard]] std::string recording() const { return folder_ + "/recording"; }

 private:
  std::string folder_ = std::filesystem::temp_directory_path() / ("faultline-bench-" + std::to_string(::getpid()));
};
const Files& files() {
  static const Files made;
  return made;
}

double cpu_seconds() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

struct Run {
  double wall = 0, cpu = 0;
  std::uint64_t faults = 0, bytes = 0;
};

enum class Guest { kSha256, kTouch };

Result<Run> run(const std::string& backend, Guest guest, bool record, bool registers = false) {
  SessionConfig config;
  config.machine.backend = backend;
  const std::string touch = std::string(FAULTLINE_GUEST_PROGRAMS) + "/touch";
  config.exec.program = guest == Guest::kTouch ? touch : "/bin/busybox";
  // System calls for the most part: 16,384 reads. `touch` is faults alone.
  config.exec.argv = {"busybox", "sha256sum", files().input()};
  if (guest == Guest::kTouch) config.exec.argv = {"touch", "20000"};
  if (record)
    config.record = RecordOptions{.path = files().recording(),
                                  .faultline_version = "bench",
                                  .linux_behaviour = "",
                                  .command = config.exec.argv,
                                  .registers = registers,
                                  .ring_bytes = 0,
                                  .on_error = {}};
  const int out = ::dup(STDOUT_FILENO);
  if (std::freopen("/dev/null", "w", stdout) == nullptr) return fail("no /dev/null");
  Run result;
  const double cpu = cpu_seconds();
  const auto start = std::chrono::steady_clock::now();
  auto session = Session::create(std::move(config));
  const bool ended = session && (*session)->run().has_value();
  if (ended && record && !(*session)->recording()->close()) return fail("the recording could not be written");
  result.wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.cpu = cpu_seconds() - cpu;
  ::dup2(out, STDOUT_FILENO);
  ::close(out);
  if (!session) return fail(session.error().message);
  if (!ended) return fail("the run did not end");
  result.faults = (*session)->runner().statistics().page_faults;
  if (record) result.bytes = std::filesystem::file_size(files().recording());
  return result;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void run_recorded(benchmark::State& state, const std::string& backend, Guest guest, bool registers = false) {
  std::vector<double> plain, recorded, plain_cpu, recorded_cpu;
  Run last;
  for (auto _ : state) {
    const auto without = run(backend, guest, false);
    const auto with = run(backend, guest, true, registers);
    if (!without || !with) return state.SkipWithError((without ? with : without).error().message.c_str());
    plain.push_back(without->wall), recorded.push_back(with->wall);
    plain_cpu.push_back(without->cpu), recorded_cpu.push_back(with->cpu);
    last = *with;
  }
  state.counters["wall_plain_s"] = median(plain);
  state.counters["wall_recorded_s"] = median(recorded);
  state.counters["wall_overhead_percent"] = 100 * (median(recorded) / median(plain) - 1);
  state.counters["cpu_overhead_percent"] = 100 * (median(recorded_cpu) / median(plain_cpu) - 1);
  state.counters["faults"] = static_cast<double>(last.faults);
  state.counters["bytes_per_fault"] = static_cast<double>(last.bytes) / static_cast<double>(last.faults);
}
void BM_RecordSha256Kvm(benchmark::State& state) { run_recorded(state, "kvm", Guest::kSha256); }
BENCHMARK(BM_RecordSha256Kvm)->Iterations(5)->Unit(benchmark::kSecond);
void BM_RecordSha256KvmRegisters(benchmark::State& state) { run_recorded(state, "kvm", Guest::kSha256, true); }
BENCHMARK(BM_RecordSha256KvmRegisters)->Iterations(3)->Unit(benchmark::kSecond);
void BM_RecordSha256Hosted(benchmark::State& state) { run_recorded(state, "hosted", Guest::kSha256); }
BENCHMARK(BM_RecordSha256Hosted)->Iterations(5)->Unit(benchmark::kSecond);
void BM_RecordTouchKvm(benchmark::State& state) { run_recorded(state, "kvm", Guest::kTouch); }
BENCHMARK(BM_RecordTouchKvm)->Iterations(5)->Unit(benchmark::kSecond);
void BM_RecordTouchHosted(benchmark::State& state) { run_recorded(state, "hosted", Guest::kTouch); }
BENCHMARK(BM_RecordTouchHosted)->Iterations(5)->Unit(benchmark::kSecond);

// One pass over what the last run recorded.
void read_pass(benchmark::State& state, bool decode, bool apply) {
  if (!run("auto", Guest::kTouch, true)) return state.SkipWithError("nothing recorded");
  std::int64_t events = 0;
  for (auto _ : state) {
    auto reader = recording::Reader::open(files().recording());
    if (!reader) return state.SkipWithError(reader.error().message.c_str());
    (*reader)->decode_instructions(decode);
    recording::MachineState machine;
    while (const auto event = (*reader)->next()) {
      ++events;
      if (apply) machine.apply(*event);
    }
  }
  state.SetItemsProcessed(events);
}
void BM_ReadEvents(benchmark::State& state) { read_pass(state, false, false); }
BENCHMARK(BM_ReadEvents)->Unit(benchmark::kMillisecond);
void BM_ReadEventsDecoded(benchmark::State& state) { read_pass(state, true, false); }
BENCHMARK(BM_ReadEventsDecoded)->Unit(benchmark::kMillisecond);
void BM_ReadState(benchmark::State& state) { read_pass(state, false, true); }
BENCHMARK(BM_ReadState)->Unit(benchmark::kMillisecond);

// An exit and its fault, as the run loop hands them over; the compressing and writing included.
void BM_WriteFault(benchmark::State& state) {
  auto writer = recording::Writer::open(files().recording(), {});
  if (!writer) return state.SkipWithError(writer.error().message.c_str());
  FaultRecord record;
  InstructionInput input;
  input.count = 15;
  std::vector<mmu::PteEdit> edits(1);
  std::uint64_t time = 0;
  for (auto _ : state) {
    time += 150'000 + time % 977;
    record.address = record.address + kPageSize;
    input.regs[UserRegs::kRdi] = record.address.raw();
    ++record.sequence;
    edits[0] = {record.address, 1, Gpa(0x5000 + record.address.raw() / 512 % kPageSize), mmu::Pte(),
                mmu::Pte(0x67 + (record.sequence << kPageShift))};
    recording::Exit exit;
    exit.qualification = record.address.raw(), exit.entered_ns = time - 120'000, exit.left_ns = time;
    (*writer)->append(time, 1, exit);
    (*writer)->append(time + 900, 1, recording::FaultParts{record, time + 2100, edits, input});
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_WriteFault);

}  // namespace
}  // namespace faultline::vmm
