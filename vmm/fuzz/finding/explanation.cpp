#include "vmm/fuzz/finding/explanation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/relations.hpp"
#include "vmm/fuzz/text.hpp"
#include "vmm/fuzz/text_operand.hpp"

namespace faultline::vmm::fuzz {

namespace {

std::string who_is(std::string_view judge) {
  if (judge == "reference") return "the plain reference: VMAs and bytes, no page tables";
  if (judge == "model") return "`mmu` with the model's processor, in plain memory";
  if (judge == "linux") return "the Linux underneath: the same operations as its own system calls";
  if (judge == "hosted") return "`mmu` with the hosted backend's processor";
  if (judge.starts_with("kvm")) return "`mmu` with a vCPU of KVM";
  if (judge == "invariants") return "what has to hold in every address space, frame and VMA";
  if (judge == "answers") return "that a judge comes to a verdict at all";
  const std::size_t tilde = judge.find('~');
  if (tilde == std::string_view::npos) return "a judge";
  const Relation* relation = find_relation(judge.substr(tilde + 1));
  const std::string what = relation == nullptr ? "changed" : std::string(relation->summary);
  return fmt::format("the same judge, with the program changed so that it must not matter: {}", what);
}

std::string field_means(std::string_view field) {
  if (field == "outcome") return "how the step ended";
  if (field == "signal") return "which signal, and its code";
  if (field == "address") return "the address that the signal reports";
  if (field == "error") return "the page-fault error code that the signal frame has";
  if (field == "bytes") return "the bytes that were read";
  if (field == "faults") return "which page faults user code had, in which order";
  if (field == "counts") return "how many minor and major faults were counted";
  if (field == "vmas") return "which mappings there are at the end";
  if (field == "content") return "the bytes of a page at the end (a hash of them)";
  if (field == "pages") return "which pages are present at the end";
  if (field == "accessed-dirty") return "the Accessed and Dirty flags at the end";
  if (field == "processes") return "which processes are alive at the end";
  if (field == "invariants") return "an invariant that is broken";
  if (field == "failed") return "a judge that failed";
  if (field == "crash") return "a judge that died";
  return "something else";
}

std::string where(const Finding& f) {
  if (f.disagreement.step >= f.shrunk.operations.size()) return "when the program has ended";
  return fmt::format("at step {}, `{}`", f.disagreement.step, to_text(f.shrunk.operations[f.disagreement.step]));
}

bool is_one_of(const Disagreement& d, std::string_view judge) { return d.first == judge || d.second == judge; }
bool is_relation(const Disagreement& d) { return (d.first + d.second).find('~') != std::string::npos; }

// What somebody who sees a finding for the first time would look at.
std::string what_it_may_mean(const Disagreement& d) {
  if (d.field == "crash" || d.field == "failed")
    return "No program may do this to a judge: whatever the program is, this is a bug of Faultline.";
  if (d.field == "invariants") return "This holds after every operation, whatever the program is: a bug of `mmu`.";
  if (is_relation(d)) return "The change cannot matter to a program, so one of the two runs of this judge is wrong.";
  if (is_one_of(d, "linux"))
    return "Linux is what is imitated, so the other judge is wrong, unless this kernel or this processor does "
           "something "
           "of its own here. What was found to be so is a rule with its reason in `vmm/fuzz/known-deviations.json`.";
  if (is_one_of(d, "reference"))
    return "The reference knows nothing but mappings and bytes, so it is rarely wrong about those. Linux, asked as "
           "below, says who is alone.";
  return "Both run the same `mmu`, over different processors: an invalidation is missing, the backend does something "
         "of its own, or the model of the processor is wrong.";
}

// "mmap; 512g is 0x200000000000".
std::string in_words(const Operation& operation) {
  const OpRow& r = row(operation.op);
  std::string words(r.summary);
  std::string last;
  for (std::size_t i = 0; i < r.operand_count(); ++i) {
    if (r.operands[i] != OperandKind::kAddress) continue;
    const Address address = unpack_address(operation.operands[i]);
    std::string place =
        fmt::format("; {} is {:#x}", operand_text(r.operands[i], operation.operands[i]), address_of(address).raw());
    if (place != last) words += place;
    last = std::move(place);
  }
  return words;
}

std::string program_table(const Program& program) {
  std::size_t width = 0;
  for (const Operation& o : program.operations) width = std::max(width, to_text(o).size());
  std::string text;
  for (std::size_t i = 0; i < program.operations.size(); ++i) {
    const Operation& o = program.operations[i];
    text += fmt::format("    {:3}  {:<{}}  {}\n", i, to_text(o), width, in_words(o));
  }
  return text;
}

// What mmu decided at the step in question.
std::string decided_there(const Finding& f) {
  constexpr std::size_t kMost = 2;
  std::string text;
  std::size_t shown = 0;
  for (const StepFault& fault : f.faults) {
    if (fault.step != f.disagreement.step || shown++ == kMost) continue;
    text += "\n";
    std::istringstream lines(fault.text);
    for (std::string line; std::getline(lines, line);) text += "    " + line + "\n";
  }
  if (text.empty()) return "";
  return "What `mmu` decides there, over the model's processor:\n" + text + "\n";
}

bool shown_by_reproducer(std::string_view field) {
  static constexpr std::string_view kShown[] = {"outcome", "signal", "address", "error", "bytes"};
  return std::ranges::find(kShown, field) != std::end(kShown);
}

bool known_to_linux(const Program& program) {
  return std::ranges::all_of(program.operations, [](const Operation& o) { return (row(o.op).judges & kHost) != 0; });
}

std::string reproducer_note(const Finding& f) {
  std::string text =
      "The same calls and accesses as a C program of their own, which says what this Linux does at each step";
  if (!known_to_linux(f.shrunk))
    text += "; what only a model of a processor can do (flips, invalidations, failures) is left out";
  text += ":\n\n    cc -O1 -o reproducer reproducer.c && ./reproducer\n\n";
  if (!shown_by_reproducer(f.disagreement.field))
    text += fmt::format("It shows how steps end, not `{}`: that is in `traces.txt`.\n\n", f.disagreement.field);
  return text;
}

std::string contents(const Finding& f) {
  std::string text =
      "| file | what is in it |\n|---|---|\n"
      "| `shrunk.txt` | the program above |\n"
      "| `traces.txt` | every step of it as both judges saw it, side by side |\n";
  if (!f.faults.empty())
    text +=
        "| `faults.txt`, `faults.jsonl` | its page faults: walk, mapping, way through the fault path, entries changed "
        "|\n";
  text +=
      "| `reproducer.c` | the same in C |\n"
      "| `program.txt`, `program.bin` | the program as it was found |\n"
      "| `finding.json` | this page for programs |\n\n";
  return text;
}

}  // namespace

std::string explanation(const Finding& f) {
  const Disagreement& d = f.disagreement;
  std::string text = fmt::format("# {}\n\n{}\n\n## What was run\n\n", f.signature, summary(f.shrunk, d));
  text += fmt::format("{} operations, shrunk to {} (docs/fuzz-language.md of Faultline has the language):\n\n{}\n",
                      f.program.operations.size(), f.shrunk.operations.size(), program_table(f.shrunk));
  text += fmt::format("## Where they part\n\nThey part {}, in `{}`: {}.\n\n", where(f), d.field, field_means(d.field));
  text += "| who | what that is | says |\n|---|---|---|\n";
  text += fmt::format("| {} | {} | {} |\n| {} | {} | {} |\n\n", d.first, who_is(d.first), d.first_value, d.second,
                      who_is(d.second), d.second_value);
  text += what_it_may_mean(d) + "\n\n" + decided_there(f);
  text += "## What to do\n\nIn this folder, judge it again by the two, and see what all judges say of each step:\n\n";
  text += "    faultline fuzz replay .\n    faultline fuzz run shrunk.txt\n\n" + reproducer_note(f);
  text += "## What is here\n\n" + contents(f);
  text += fmt::format("Found by Faultline {} on {}\n\n- backend: {}\n- judges: {}\n", f.version, f.kernel,
                      f.backend.empty() ? "none" : f.backend, fmt::join(f.judges, ", "));
  if (f.seed != 0) text += fmt::format("- seed of the campaign: {}\n", f.seed);
  return text;
}

}  // namespace faultline::vmm::fuzz
