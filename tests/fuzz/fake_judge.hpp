// A judge that says what a test tells it to, and counts how often it is asked.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "vmm/fuzz/coverage.hpp"
#include "vmm/fuzz/judge.hpp"
#include "vmm/fuzz/layout.hpp"

namespace faultline::vmm::fuzz {

class FakeJudge : public Judge {
 public:
  using Answer = std::function<Trace(const Program&)>;
  FakeJudge(std::string name, JudgeKind kind, Answer answer, bool has_guest = false)
      : name_(std::move(name)), kind_(kind), answer_(std::move(answer)), has_guest_(has_guest) {}
  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] JudgeKind kind() const override { return kind_; }
  [[nodiscard]] bool has_guest() const override { return has_guest_; }
  Result<Trace> run(const Program& program) override {
    ++runs;
    Trace trace = answer_(program);
    trace.judge = name_;
    return trace;
  }
  unsigned runs = 0;

 private:
  std::string name_;
  JudgeKind kind_;
  Answer answer_;
  bool has_guest_;
};

// All steps done, nothing at the end.
inline Trace all_done(const Program& program, std::uint16_t fields = 0x3ff) {
  Trace trace;
  trace.judge = "fake";
  trace.fields = fields;
  trace.steps.resize(program.operations.size());
  return trace;
}

// What happens is told by the operations alone, and there is something new to meet for a while.
inline Trace all_met(const Program& program) {
  Trace trace = all_done(program, kOutcomeField);
  for (std::size_t i = 0; i < program.operations.size(); ++i) {
    Met met;
    met.level = static_cast<std::uint8_t>(1 + i % 4);
    met.path = static_cast<std::uint8_t>(program.operations[i].op);
    trace.steps[i].features.push_back(pack(met));
  }
  return trace;
}

inline Operation map_at(Address at, std::uint64_t length, int protection = 3, std::uint8_t flags = kMapFixed) {
  return {Op::kMap, {pack(at), static_cast<std::int64_t>(length), protection, flags, 0, 0}};
}
inline Operation read_at(Address at, int width = 1) { return {Op::kRead, {width, pack(at)}}; }
inline Operation write_at(Address at, int width = 1, int value = 1) { return {Op::kWrite, {width, pack(at), value}}; }

}  // namespace faultline::vmm::fuzz
