// Whole runs, recorded: the recording says what the live fault log said, and gives page tables and
// VMAs as they were at the moment. On every backend that works here.
#include "vmm/recording/state.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <regex>

#include "tests/support/scratch_folder.hpp"
#include "vmm/kvm/system.hpp"
#include "vmm/record/format.hpp"
#include "vmm/run/session.hpp"

namespace faultline::vmm::recording {
namespace {

// Of entries, by address of the entry: what the host does not see change is left out.
using Entries = std::map<std::uint64_t, std::uint64_t>;
using Vmas = std::map<std::uint64_t, std::string>;
struct Memory {
  Entries entries;
  Vmas vmas;
  bool operator==(const Memory&) const = default;
};
using Moment = std::map<std::uint32_t, Memory>;  // by process

// A of every present entry and D of leaves are the CPU's to set.
std::uint64_t without_cpu_bits(mmu::Pte entry, mmu::Level level) {
  return entry.kind(level) == mmu::PteKind::kLeaf ? entry.without(mmu::Pte::kAccessed | mmu::Pte::kDirty).raw()
                                                  : entry.raw();
}

std::string describe(const VmaInfo& vma) {
  return fmt::format("{:x} {:x} {:x} {}", vma.end.raw(), vma.flags.raw(), vma.pgoff.raw(), vma.name.view());
}

void collect(const mmu::PhysMemory& memory, Gfn table, mmu::Level level, unsigned entries, Entries& to) {
  for (unsigned i = 0; i < entries; ++i) {
    const mmu::PteSlot slot(memory, table, i);
    const mmu::Pte entry = slot.load();
    if (entry.none()) continue;
    to[slot.address().raw()] = without_cpu_bits(entry, level);
    if (entry.kind(level) == mmu::PteKind::kTable)
      collect(memory, entry.frame(level), level - 1, mmu::kEntriesPerTable, to);
  }
}

Memory live(const mmu::AddressSpace& mm) {
  Memory memory;
  collect(mm.frames().memory(), mm.tables().root(), mmu::levels(mm.mode()), mmu::kEntriesPerTable / 2, memory.entries);
  for (const auto& [start, vma] : mm.vmas) memory.vmas[start.raw()] = describe(VmaInfo(vma));
  return memory;
}

Moment live(Session& session) {
  Moment moment;
  for (const auto& [pid, task] : session.processes().all())
    if (task->has_mm()) moment[static_cast<std::uint32_t>(pid)] = live(task->mm());
  return moment;
}

Moment recorded(const MachineState& state) {
  Moment moment;
  for (const auto& [pid, process] : state.processes) {
    if (process.status) continue;
    Memory& memory = moment[pid];
    for (const auto& [slot, entry] : process.entries) memory.entries[slot] = without_cpu_bits(entry.entry, entry.level);
    for (const auto& [start, vma] : process.vmas) memory.vmas[start.raw()] = describe(vma);
  }
  return moment;
}

void expect_same(const Moment& now, const Moment& then, std::uint64_t event) {
  ASSERT_EQ(now.size(), then.size()) << "event " << event;
  for (const auto& [pid, memory] : then) {
    ASSERT_TRUE(now.contains(pid)) << pid;
    const Memory& read = now.at(pid);
    EXPECT_EQ(read.vmas, memory.vmas) << "process " << pid << ", event " << event;
    if (read.entries == memory.entries) continue;
    for (const auto& [slot, entry] : memory.entries) {
      const auto found = read.entries.find(slot);
      ASSERT_TRUE(found != read.entries.end()) << fmt::format("slot {:x} entry {:x} event {}", slot, entry, event);
      ASSERT_EQ(found->second, entry) << fmt::format("slot {:x} event {}", slot, event);
    }
    FAIL() << "event " << event << ": entries that are not there, " << read.entries.size() << " for "
           << memory.entries.size();
  }
}

std::string json(const FaultRecord& record) {
  fmt::memory_buffer out;
  append_json(out, record);
  static const std::regex times(R"re("times_ns":\{[^}]*\})re");
  return std::regex_replace(fmt::to_string(out), times, "");
}

class RecordedRunTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (GetParam() == std::string("kvm"))
      if (auto system = kvm::System::open(); !system) GTEST_SKIP() << system.error().message;
  }

  // Runs it and keeps what the log said, and the machine as it was at every `every`th fault.
  void run(std::vector<std::string> argv, unsigned every, std::uint64_t ring_bytes = 0) {
    SessionConfig config;
    config.machine.memory_bytes = 128 << 20;
    config.machine.backend = GetParam();
    config.exec.program = argv.front();
    config.exec.argv = argv;
    config.exec.envp = {"PATH=/bin:/usr/bin"};
    config.limits.time = std::chrono::seconds(60);
    config.record = RecordOptions{.path = path_,
                                  .faultline_version = "test",
                                  .linux_behaviour = "6.18",
                                  .command = argv,
                                  .registers = true,
                                  .ring_bytes = ring_bytes,
                                  .on_error = {}};
    config.on_fault = [this, every](const FaultRecord& record) {
      log_.push_back(json(record));
      // Complete when the guest was entered again: nothing has happened since.
      if (record.times.resume != 0 && log_.size() % every == 0)
        moments_[session_->recording()->writer().events()] = live(*session_);
    };
    auto session = Session::create(std::move(config));
    if (!session && GetParam() == std::string("hosted")) GTEST_SKIP() << session.error().message;
    ASSERT_TRUE(session.has_value()) << session.error().message;
    session_ = std::move(*session);
    const auto end = session_->run();
    ASSERT_TRUE(end.has_value()) << end.error().message;
    ASSERT_TRUE(std::holds_alternative<TaskExited>(*end));
    EXPECT_TRUE(session_->recording()->close().has_value());
    last_ = live(session_->mm());
  }

  void expect_same_log() {
    auto reader = Reader::open(path_);
    ASSERT_TRUE(reader.has_value()) << reader.error().message;
    EXPECT_EQ((*reader)->problem(), "");
    std::size_t n = 0;
    while (const auto event = (*reader)->next()) {
      const auto* fault = std::get_if<Fault>(&event->body);
      if (fault == nullptr) continue;
      ASSERT_LT(n, log_.size());
      ASSERT_EQ(json(fault->record), log_[n]);
      ++n;
    }
    EXPECT_EQ(n, log_.size());
  }

  void expect_same_states() {
    auto reader = Reader::open(path_);
    ASSERT_TRUE(reader.has_value()) << reader.error().message;
    (*reader)->decode_instructions(false);
    ASSERT_GE(moments_.size(), 3U) << "too few samples to mean anything";
    MachineState state;
    while (const auto event = (*reader)->next()) {
      state.apply(*event);
      const auto moment = moments_.find(event->number);
      if (moment == moments_.end()) continue;
      ASSERT_NO_FATAL_FAILURE(expect_same(recorded(state), moment->second, event->number));
    }
    EXPECT_TRUE(state.unowned.empty());
    // At the end the first process's memory is as it was left.
    const auto pid = static_cast<std::uint32_t>(::getpid());
    state.processes.at(pid).status.reset();
    expect_same({{pid, recorded(state).at(pid)}}, {{pid, last_}}, state.event);
    // And once more by its number.
    const auto& [number, memory] = *std::next(moments_.begin(), static_cast<std::ptrdiff_t>(moments_.size() / 2));
    const auto at = state_at(**reader, number);
    ASSERT_TRUE(at.has_value()) << at.error().message;
    expect_same(recorded(*at), memory, number);
  }

  test::ScratchFolder folder_;
  std::string path_ = folder_.path("recording");
  std::unique_ptr<Session> session_;
  std::vector<std::string> log_;
  std::map<std::uint64_t, Moment> moments_;
  Memory last_;
};

const std::string kPrograms = FAULTLINE_GUEST_PROGRAMS;

TEST_P(RecordedRunTest, ProgramsThatChangeTheirMappings) {
  for (const char* program : {"/mremap", "/madvise", "/mprotect", "/signals", "/file_shared", "/around"}) {
    SCOPED_TRACE(program);
    log_.clear();
    moments_.clear();
    ASSERT_NO_FATAL_FAILURE(run({kPrograms + program}, 1));
    if (IsSkipped()) return;
    ASSERT_NO_FATAL_FAILURE(expect_same_log());
    ASSERT_NO_FATAL_FAILURE(expect_same_states());
  }
}

TEST_P(RecordedRunTest, ProcessesThatForkAndExecute) {
  constexpr const char* kScript =
      "i=0; while [ $i -lt 4 ]; do (echo $i | /bin/busybox cat >/dev/null) & i=$((i+1)); done; wait; "
      "/bin/busybox sh -c 'kill -SEGV $$'; x=$(/bin/busybox expr 3 + 4); exit $x";
  ASSERT_NO_FATAL_FAILURE(run({"/bin/busybox", "sh", "-c", kScript}, 7));
  if (IsSkipped()) return;
  expect_same_log();
  expect_same_states();

  auto reader = Reader::open(path_);
  std::map<std::string, unsigned> seen;
  int status = 0;
  while (const auto event = (*reader)->next()) {
    if (const auto* change = std::get_if<ProcessChange>(&event->body)) ++seen[std::string(name(change->event))];
    if (const auto* signal = std::get_if<Signal>(&event->body)) ++seen["signal " + std::string(name(signal->action))];
    if (std::holds_alternative<Switch>(event->body)) ++seen["switch"];
    if (const auto* end = std::get_if<End>(&event->body)) status = end->status;
  }
  EXPECT_EQ(status, 7);
  EXPECT_EQ(seen["start"], 1U);
  EXPECT_GE(seen["fork"], 10U);
  EXPECT_EQ(seen["exit"], seen["fork"] + 1);
  EXPECT_GE(seen["exec"], 5U);
  EXPECT_GE(seen["switch"], seen["fork"]);
  EXPECT_EQ(seen["signal killed"], 1U);
}

TEST_P(RecordedRunTest, ARingStillKnowsWhatTheMachineWasLike) {
  ASSERT_NO_FATAL_FAILURE(run({"/bin/busybox", "sh", "-c", "i=0; while [ $i -lt 200 ]; do (true); i=$((i+1)); done"},
                              40, Writer::kMinRingBytes));
  if (IsSkipped()) return;
  EXPECT_LE(std::filesystem::file_size(path_), Writer::kMinRingBytes);
  auto reader = Reader::open(path_);
  ASSERT_TRUE(reader.has_value());
  EXPECT_EQ((*reader)->problem(), "");
  EXPECT_GT((*reader)->first(), 1U) << "the test must go round";
  const auto& [number, memory] = *moments_.rbegin();
  const auto at = state_at(**reader, number);
  ASSERT_TRUE(at.has_value()) << at.error().message;
  expect_same(recorded(*at), memory, number);
}

INSTANTIATE_TEST_SUITE_P(Backend, RecordedRunTest, ::testing::Values("kvm", "hosted"),
                         [](const auto& backend) { return std::string(backend.param); });

}  // namespace
}  // namespace faultline::vmm::recording
