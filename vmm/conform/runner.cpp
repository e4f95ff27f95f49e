#include "vmm/conform/runner.hpp"

#include <algorithm>
#include <cstring>

#include "guest/abi.h"

namespace faultline::vmm::conform {
namespace {

using std::chrono::milliseconds;

// A batch takes some hundred milliseconds where supervisor code is emulated.
constexpr milliseconds kLimit{20'000}, kLeastLimit{1'000};

}  // namespace

Result<void> Runner::prepare() {
  if (machine_) return {};
  auto machine = Machine::create(system_, offered_, paging_);
  if (!machine) return tl::unexpected(machine.error());
  machine_ = std::move(*machine);
  return {};
}

std::chrono::nanoseconds Runner::time_in_guest() const {
  return in_guest_ + (machine_ ? machine_->time_in_guest() : std::chrono::nanoseconds{0});
}

// Where one vCPU never came back many may not, each for the whole of its limit: then it is what this
// machine's batches have shown to be plenty.
milliseconds Runner::limit() const { return hung_ ? std::clamp(10 * longest_, kLeastLimit, kLimit) : kLimit; }

Result<void> Runner::run_machine() {
  const milliseconds limit = this->limit();
  const auto start = std::chrono::steady_clock::now();
  auto ran = machine_->run(limit);
  const auto took = std::chrono::ceil<milliseconds>(std::chrono::steady_clock::now() - start);
  if (ran) longest_ = std::max(longest_, took);
  hung_now_ = !ran && took >= limit;
  hung_ = hung_ || hung_now_;
  return ran;
}

Result<void> Runner::run(std::span<const Case> cases, const Take& take) {
  while (!cases.empty()) {
    const auto dealt_with = run_batch(cases, take);
    if (!dealt_with) return tl::unexpected(dealt_with.error());
    cases = cases.subspan(*dealt_with);
  }
  return {};
}

Result<std::size_t> Runner::run_batch(std::span<const Case> cases, const Take& take) {
  if (auto ready = prepare(); !ready) return tl::unexpected(ready.error());
  Compiler compiler(machine_->memory(kCode, kAreaBytes), paging_);
  placed_.clear();
  while (placed_.size() < std::min(cases.size(), kBatch) && !compiler.full()) {
    const auto index = static_cast<unsigned>(placed_.size());
    placed_.push_back(compiler.add(cases[index], index));
  }
  compiler.finish();
  const std::size_t count = placed_.size();
  std::memset(machine_->memory(kRecords, count * FL_CONFORM_RECORD_BYTES).data(), 0xff,
              count * FL_CONFORM_RECORD_BYTES);

  const Result<void> ran = run_machine();
  std::size_t done = 0;
  for (; done < count; ++done) {
    Observation o = observe(static_cast<unsigned>(done));
    if (!o.done && !ran) o.death = ran.error().message, o.hung = hung_now_;
    take(cases[done], o);
    if (!o.done) break;
  }
  if (ran && done == count) return done;
  ++deaths_;
  in_guest_ += machine_->time_in_guest();
  machine_.reset();
  return std::min(done + 1, count);
}

Observation Runner::observe(unsigned index) const {
  const std::span<const std::byte> record =
      machine_->memory(kRecords + std::uint64_t{index} * FL_CONFORM_RECORD_BYTES, FL_CONFORM_RECORD_BYTES);
  const auto load = [&](std::size_t offset, std::size_t bytes = 8) {
    std::uint64_t value = 0;
    std::memcpy(&value, record.data() + offset, bytes);
    return value;
  };
  // Registers are as wide as the code's.
  const auto word = [&](std::size_t offset) { return load(offset, model::long_mode(paging_) ? 8 : 4); };
  Observation o;
  o.done = word(FL_CONFORM_DONE) == 1;
  o.vector = word(FL_CONFORM_VECTOR);
  o.error = word(FL_CONFORM_ERROR);
  o.rip = word(FL_CONFORM_RIP);
  o.cs = word(FL_CONFORM_CS);
  o.rflags = word(FL_CONFORM_RFLAGS);
  o.rsp = word(FL_CONFORM_RSP);
  o.rax = word(FL_CONFORM_RAX);
  o.cr2 = word(FL_CONFORM_CR2);
  o.rcx = word(FL_CONFORM_RCX);
  for (unsigned i = 0; i < o.entries.size(); ++i)
    o.entries[i] = load(FL_CONFORM_ENTRIES + i * 8, model::entry_bytes(paging_));
  for (unsigned i = 0; i < o.data.size(); ++i) o.data[i] = load(FL_CONFORM_DATA + i * 8);
  o.placed = placed_[index];
  return o;
}

}  // namespace faultline::vmm::conform
