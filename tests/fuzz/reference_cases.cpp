#include "tests/fuzz/reference_cases.hpp"

#include <csignal>
#include <sstream>

#include "vmm/fuzz/judge.hpp"
#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/text.hpp"

namespace faultline::vmm::fuzz {
namespace {

// Addresses as tests write them: pages and bytes from 2m, else hexadecimal.
std::string address_text(std::uint64_t address) {
  const std::uint64_t base = kPlaces[2].address;
  std::ostringstream out;
  if (address - base >= 128 * kPageSize) {
    out << "0x" << std::hex << address;
    return out.str();
  }
  out << (address - base) / kPageSize << 'p';
  if ((address & kPageMask) != 0) out << '+' << (address & kPageMask);
  return out.str();
}

std::string code_text(const StepResult& r) {
  if (r.code == SI_KERNEL) return "kernel";
  if (r.signal == SIGBUS) return r.code == BUS_ADRERR ? "adrerr" : "?";
  return r.code == SEGV_MAPERR ? "maperr" : r.code == SEGV_ACCERR ? "accerr" : "?";
}

std::string step_text(const Operation& operation, const StepResult& r) {
  if (r.end == StepEnd::kNotJudged) return "not judged";
  if (r.end == StepEnd::kSignal) return code_text(r) + " " + address_text(r.address);
  if (row(operation.op).op_class == OpClass::kAccess) {
    std::ostringstream out;
    out << "done" << std::hex;
    for (unsigned i = 0; i < r.byte_count; ++i)
      out << (i == 0 ? " " : "") << (r.bytes[i] < 16 ? "0" : "") << +r.bytes[i];
    return out.str();
  }
  const bool place = r.result >= static_cast<std::int64_t>(kPlaces[2].address);
  return place ? address_text(static_cast<std::uint64_t>(r.result)) : std::to_string(r.result);
}

std::string vma_text(const SeenVma& vma) {
  constexpr std::array<std::string_view, 3> kNames{"anonymous", "disk", "memory"};
  std::ostringstream out;
  out << address_text(vma.start) << '-' << address_text(vma.end) << ' ';
  out << std::string_view(vma.rights.data(), 4) << ' ' << kNames[static_cast<std::size_t>(vma.file)];
  if (vma.file != FileOperand::kNone) out << ' ' << vma.offset / kPageSize << 'p';
  return out.str();
}

struct Expected {
  Program program;
  std::vector<std::string> results;
};

Expected parse(const Case& c) {
  Expected expected;
  std::string text = std::string(kTextHeader) + "\n";
  std::istringstream lines{std::string(c.lines)};
  for (std::string line; std::getline(lines, line);) {
    const auto arrow = line.find("=> ");
    if (arrow == std::string::npos) continue;
    text += line.substr(0, arrow) + "\n";
    expected.results.push_back(line.substr(arrow + 3));
  }
  auto program = parse_text(text, c.name);
  EXPECT_TRUE(program) << (program ? "" : program.error().message);
  if (program) expected.program = *program;
  return expected;
}

std::string vmas_text(const Trace& trace) {
  std::string text;
  for (const SeenProcess& process : trace.processes)
    for (const SeenVma& vma : process.vmas) text += std::to_string(process.number) + ": " + vma_text(vma) + "\n";
  return text;
}

}  // namespace

void check(const Case& c) {
  SCOPED_TRACE(c.name);
  const Expected expected = parse(c);
  const auto trace = make_reference()->run(expected.program);
  ASSERT_TRUE(trace);
  ASSERT_EQ(trace->steps.size(), expected.results.size());
  for (std::size_t i = 0; i < trace->steps.size(); ++i) {
    const Operation& operation = expected.program.operations[i];
    EXPECT_EQ(step_text(operation, trace->steps[i]), expected.results[i]) << to_text(operation);
  }
  if (!c.vmas.empty()) {
    EXPECT_EQ(vmas_text(*trace), c.vmas);
  }
}

}  // namespace faultline::vmm::fuzz
