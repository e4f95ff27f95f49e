// Metamorphic relations: a program changed in a way that must not matter, judged twice by the same
// judge. They find what no second judge is there for, and need no knowledge of what is right.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/fuzz/judge.hpp"
#include "vmm/fuzz/trace.hpp"

namespace faultline::vmm::fuzz {

// A program that must do the same. Step i of the original is step step_of[i] here.
struct Transformed {
  Program program;
  std::vector<std::size_t> step_of;
};

struct Relation {
  std::string_view name;
  std::string_view summary;  // what is changed, and why that must not matter
  std::uint8_t judges;       // JudgeKind bits of those who can run the changed program
  std::uint16_t fields;      // Field bits of what has to stay equal
  // Nothing: the program has no place for it, or something in it would see the difference.
  std::optional<Transformed> (*transform)(const Program& program);
};

[[nodiscard]] std::span<const Relation> relations();
// Null: there is none of that name.
[[nodiscard]] const Relation* find_relation(std::string_view name);

// Runs the program (unless its trace is there already) and the changed one. The disagreement's
// first is the judge's name, its second that with the relation's: "model~split-map"; its step is
// the original's. Nothing: they agree, or the relation is not for this judge or program.
// Error: the judge failed.
[[nodiscard]] Result<std::optional<Disagreement>> check_relation(const Relation& relation, Judge& judge,
                                                                 const Program& program);
[[nodiscard]] Result<std::optional<Disagreement>> check_relation(const Relation& relation, Judge& judge,
                                                                 const Program& program, const Trace& first_run);

}  // namespace faultline::vmm::fuzz
