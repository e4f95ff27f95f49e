// What a judge saw of a program: one result a step, and what was there at the end.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vmm/fuzz/program.hpp"

namespace faultline::vmm::fuzz {

// What a judge can tell at all; two traces are compared in what both know.
enum Field : std::uint16_t {
  kOutcomeField = 1,          // StepEnd, and the result of a call
  kSignalField = 2,           // signal, code and its address
  kErrorField = 4,            // the error code that the signal reports
  kBytesField = 8,            // what was read
  kFaultsField = 16,          // every fault of user code: address and error code, in order
  kCountsField = 32,          // minor and major faults
  kVmasField = 64,            // at the end
  kContentField = 128,        // at the end: the bytes of every page that can be read
  kPagesField = 256,          // at the end: which pages are present, and how
  kAccessedDirtyField = 512,  // at the end: A and D of each present page
};

enum class StepEnd : std::uint8_t {
  kDone,       // an access: made. A call: it returned `result`
  kSignal,     // an access: a signal, in `signal`, `code`, `address`, `error`
  kKilled,     // SIGKILL: memory ran out, or tables are corrupt. The program ends here.
  kNotJudged,  // this judge can't follow from here on
};

struct SeenFault {
  std::uint64_t address = 0;
  std::uint32_t error = 0;
  bool operator==(const SeenFault&) const = default;
};

struct StepResult {
  StepEnd end = StepEnd::kDone;
  // Of a call: what it returned, or -errno. Of kFork: the child's number, -EAGAIN when there is no
  // number left. Of kSwitch: 0, or -ESRCH. Of kExit: 0, or -EPERM for the last process. Of
  // kKernelRead and kKernelWrite: bytes, or -EFAULT. Of the raw operations: 0, or -ENOENT.
  std::int64_t result = 0;
  // Of kSignal, as siginfo has them. kFetch that was stepped: kDone.
  std::uint8_t signal = 0;
  std::int32_t code = 0;
  std::uint64_t address = 0;  // si_addr
  std::uint32_t error = 0;    // the error code in the signal frame
  // What kRead and kLocked loaded; kResident: bit 0 of each page, at most 16.
  std::array<std::uint8_t, 16> bytes{};
  std::uint8_t byte_count = 0;
  std::vector<SeenFault> faults;  // of user code, inside windows and outside, not of a judge's own pages
  std::uint32_t minor = 0, major = 0;
  // Ladder steps taken, hashed; where walks ended. Judges with page tables only; feeds coverage.
  std::vector<std::uint32_t> features;
};

struct SeenVma {
  std::uint64_t start = 0, end = 0;
  std::array<char, 5> rights{};  // "rw-p"
  FileOperand file = FileOperand::kNone;
  std::uint64_t offset = 0;  // bytes; 0 of anonymous memory
  bool operator==(const SeenVma&) const = default;
};

struct SeenPage {
  std::uint64_t address = 0;
  bool present = false;
  bool file = false;  // a file's page, or shared anonymous memory
  bool accessed = false, dirty = false;
  bool operator==(const SeenPage&) const = default;
};

struct SeenContent {
  std::uint64_t address = 0;
  std::uint64_t hash = 0;  // content_hash()
  bool operator==(const SeenContent&) const = default;
};
// XXH3 of a page's bytes.
[[nodiscard]] std::uint64_t content_hash(std::span<const std::byte> page);

// One process that is alive at the end, everything in address order and within the windows and
// their margins. Content: every page of a readable VMA, whether present or not; pages beyond the
// end of a file and guard pages left out.
struct SeenProcess {
  unsigned number = 0;
  std::vector<SeenVma> vmas;
  std::vector<SeenPage> pages;  // present ones
  std::vector<SeenContent> content;
};

// What a run cost where it was not mmu's or the judge's own work.
struct GuestCost {
  std::uint64_t inside_ns = 0;   // inside KVM_RUN or its like
  std::uint64_t control_ns = 0;  // in the host's kernel for the guest's sake: registers, translations to be dropped
  std::uint64_t entries = 0;     // of the guest
  std::uint64_t faults = 0, exceptions = 0, list_ends = 0, others = 0;  // what it was left for
  std::uint64_t steps = 0;  // ends of lists at which the guest went on with another program's, without being left
  std::uint64_t switches = 0, flushes = 0, full_drops = 0;  // what control_ns was spent on
  GuestCost& operator+=(const GuestCost& other);
};

struct Trace {
  std::string judge;
  std::uint16_t fields = 0;  // Field bits
  std::vector<StepResult> steps;
  std::vector<SeenProcess> processes;  // empty unless every step was judged
  std::vector<std::string> broken;     // invariants that did not hold: a finding by itself
  GuestCost guest;                     // of a judge that has a guest
  [[nodiscard]] bool complete(const Program& program) const {
    return steps.size() == program.operations.size() && (steps.empty() || steps.back().end != StepEnd::kNotJudged);
  }
};

// Two judges disagree.
struct Disagreement {
  std::string first, second;  // judges
  std::size_t step = 0;       // of the program; its length: at the end
  std::string field;          // "outcome", "signal", "address", "error", "bytes", "faults", "counts", "vmas", ...
  std::string first_value, second_value;
  bool operator==(const Disagreement&) const = default;
};
// The first, by step and then by field. A broken invariant is a disagreement of `a` with "invariants".
[[nodiscard]] std::optional<Disagreement> compare(const Program& program, const Trace& a, const Trace& b);

}  // namespace faultline::vmm::fuzz
