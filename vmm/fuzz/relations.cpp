#include "vmm/fuzz/relations.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "vmm/fuzz/relation_transforms.hpp"

namespace faultline::vmm::fuzz {

namespace {

constexpr std::uint16_t kEverything = 0x3ff;
// What a program can see itself, but for how often it faulted.
constexpr std::uint16_t kVisible = kOutcomeField | kSignalField | kBytesField | kVmasField | kContentField;
constexpr std::uint8_t kNotHost = kReference | kMachine;

constexpr std::array<Relation, 13> kRelations{{
    {"replay", "the same program once more", kNotHost, kEverything, repeat_program},
    // How long a page stays in the page cache is not the program's.
    {"replay-host", "the same program once more", kHost, kEverything & ~kCountsField, repeat_program},
    {"split-map", "a mapping of n pages is made as two of its halves", kEveryJudge, kVisible | kErrorField, split_maps},
    {"split-unmap", "n pages are unmapped half by half", kEveryJudge, kEverything, split_unmaps},
    // An entry that allows more than the processor has cached is made without a flush: those faults may go away.
    {"invalidate", "the processor's caches lose each page that is used", kMachine,
     kEverything & ~(kFaultsField | kCountsField), invalidate_more},
    // The page is there when the store comes: P of its error code, and what counts as present, may differ.
    {"read-first", "a byte is loaded before each store", kEveryJudge, kVisible, read_before_write},
    {"protect-same", "each new mapping is given the rights that it has", kEveryJudge, kEverything, protect_to_the_same},
    {"advise-normal", "each new mapping is advised what it is by itself", kEveryJudge, kEverything, advise_normal},
    {"lock-unlock", "each new anonymous mapping is locked and unlocked", kEveryJudge, kVisible, lock_and_unlock},
    {"unmap-again", "what was unmapped is unmapped again", kEveryJudge, kEverything, unmap_again},
    {"switch-again", "whoever is current becomes current", kEveryJudge, kEverything, switch_again},
    {"sync-later", "msync(MS_ASYNC), which only checks its range, after each store", kEveryJudge, kEverything,
     sync_later},
    // Pages are write-protected and then nobody's but the parent's again: one more fault each.
    {"fork-exit", "a child comes and goes", kEveryJudge,
     kEverything & ~(kFaultsField | kCountsField | kAccessedDirtyField), fork_and_exit},
}};

// String copies through two names of one page leave what nobody can tell (vmm/fuzz/machine/alias.hpp), and the host
// does not see which are of that kind: whether any can be.
bool may_copy_through_alias(const Program& program) {
  std::array<unsigned, 1 + kFiles> mapped{}, shared{};
  bool copies = false, moves = false;
  for (const Operation& o : program.operations) {
    copies = copies || o.op == Op::kCopy;
    moves = moves || o.op == Op::kRemap;
    if (o.op != Op::kMap) continue;
    const auto file = static_cast<std::size_t>(o.operands[4]);
    ++mapped[file];
    if ((o.operands[3] & kMapShared) != 0) ++shared[file];
  }
  if (!copies) return false;
  for (std::size_t file = 0; file < mapped.size(); ++file) {
    const bool twice = file == static_cast<std::size_t>(FileOperand::kNone) ? moves : moves || mapped[file] > 1;
    if (shared[file] != 0 && twice) return true;
  }
  return false;
}

// Whether `relation` can be put to `judge` and `program`.
bool applies(const Relation& relation, const Judge& judge, const Program& program) {
  return (relation.judges & judge.kind()) != 0 && !(judge.kind() == kHost && may_copy_through_alias(program));
}

// `trace`, of the changed program, as if it were the original's.
Trace as_original(const Transformed& changed, Trace trace, const Relation& relation, const Trace& original) {
  Trace mapped;
  mapped.judge = original.judge + "~" + std::string(relation.name);
  mapped.fields = trace.fields & relation.fields;
  mapped.broken = std::move(trace.broken);
  for (const std::size_t step : changed.step_of) {
    if (step >= trace.steps.size()) {
      // It ended early. In a step that the original does not have: as if it were the one that comes next.
      const std::size_t mine = mapped.steps.empty() ? 0 : changed.step_of[mapped.steps.size() - 1] + 1;
      if (mine < trace.steps.size()) mapped.steps.push_back(std::move(trace.steps.back()));
      break;
    }
    mapped.steps.push_back(std::move(trace.steps[step]));
  }
  if (trace.steps.size() == changed.program.operations.size()) mapped.processes = std::move(trace.processes);
  return mapped;
}

}  // namespace

std::span<const Relation> relations() { return kRelations; }

const Relation* find_relation(std::string_view name) {
  const auto found = std::ranges::find(kRelations, name, &Relation::name);
  return found == kRelations.end() ? nullptr : &*found;
}

Result<std::optional<Disagreement>> check_relation(const Relation& relation, Judge& judge, const Program& program,
                                                   const Trace& first_run) {
  if (!applies(relation, judge, program)) return std::nullopt;
  const auto changed = relation.transform(program);
  if (!changed) return std::nullopt;
  auto trace = judge.run(changed->program);
  if (!trace) return tl::unexpected(trace.error());
  return compare(program, first_run, as_original(*changed, std::move(*trace), relation, first_run));
}

Result<std::optional<Disagreement>> check_relation(const Relation& relation, Judge& judge, const Program& program) {
  if (!applies(relation, judge, program) || !relation.transform(program)) return std::nullopt;
  const auto trace = judge.run(program);
  if (!trace) return tl::unexpected(trace.error());
  return check_relation(relation, judge, program, *trace);
}

}  // namespace faultline::vmm::fuzz
