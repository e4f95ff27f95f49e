#include "vmm/fuzz/finding/explanation.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "vmm/fuzz/relations.hpp"
#include "vmm/fuzz/text.hpp"

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

bool known_to_linux(const Program& program) {
  return std::ranges::all_of(program.operations, [](const Operation& o) { return (row(o.op).judges & kHost) != 0; });
}

std::string reproducer_note(const Finding& f) {
  std::string text =
      "`reproducer.c` makes the same calls and accesses as a program of its own, on the Linux underneath";
  if (!known_to_linux(f.shrunk))
    text += "; it leaves out what only a processor model can do (flips, invalidations, failures)";
  return text + ":\n\n    cc -O1 -o reproducer reproducer.c && ./reproducer\n";
}

}  // namespace

std::string explanation(const Finding& f) {
  const Disagreement& d = f.disagreement;
  std::string text = fmt::format("# {}\n\n{}\n\n## What was run\n\n", f.signature, summary(f.shrunk, d));
  text += fmt::format("{} operations, shrunk to {}:\n\n", f.program.operations.size(), f.shrunk.operations.size());
  for (std::size_t i = 0; i < f.shrunk.operations.size(); ++i)
    text += fmt::format("    {:3}  {}\n", i, to_text(f.shrunk.operations[i]));
  text +=
      fmt::format("\n## Where they part\n\nThey part {}, in `{}`: {}.\n\n", where(f), d.field, field_means(d.field));
  text += "| who | what that is | says |\n|---|---|---|\n";
  text += fmt::format("| {} | {} | {} |\n| {} | {} | {} |\n\n", d.first, who_is(d.first), d.first_value, d.second,
                      who_is(d.second), d.second_value);
  text += "What each of them says of every step is in `traces.txt`.\n\n## How to replay it\n\n";
  text += fmt::format("    faultline fuzz replay {}\n\njudges it again. {}\n", f.signature, reproducer_note(f));
  text += fmt::format("## Where it was found\n\n- Faultline {}\n- {}\n- backend: {}\n- judges: {}\n", f.version,
                      f.kernel, f.backend.empty() ? "none" : f.backend, fmt::join(f.judges, ", "));
  if (f.seed != 0) text += fmt::format("- seed of the campaign: {}\n", f.seed);
  text +=
      "\n`program.txt` and `program.bin` are the program as it was found, `shrunk.txt` is what is left of it,\n"
      "`finding.json` has all this for programs.\n";
  return text;
}

}  // namespace faultline::vmm::fuzz
