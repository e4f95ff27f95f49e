#include "vmm/fuzz/mutate.hpp"

#include <algorithm>

#include "vmm/fuzz/generate_draw.hpp"

namespace faultline::vmm::fuzz {

namespace {

using Operations = std::vector<Operation>;

bool has(const Operations& operations, OpClass c) {
  return std::ranges::any_of(operations, [c](const Operation& o) { return row(o.op).op_class == c; });
}

// Draws for a place in the program, by what is mapped there.
class Mutation {
 public:
  Mutation(Operations& operations, std::mt19937_64& random)
      : operations_(operations),
        draw_(random, picture_, static_cast<unsigned>(random() % kWindows.size()), kWindows.size()) {}

  void apply() {
    if (operations_.empty()) return insert();
    switch (draw_.below(10)) {
      case 0:
      case 1:
      case 2: return change_operand();
      case 3:
      case 4: return insert();
      case 5: return remove();
      case 6: return duplicate();
      case 7: return std::swap(operations_[somewhere()], operations_[somewhere()]);
      case 8: return splice();
      default: return change_op();
    }
  }

 private:
  std::size_t somewhere() { return draw_.below(operations_.size()); }

  void look_at(std::size_t index) {
    picture_ = Picture();
    for (std::size_t i = 0; i < index; ++i) picture_.follow(operations_[i]);
  }

  void put(std::size_t index, const Operation& operation) {
    operations_.insert(operations_.begin() + static_cast<std::ptrdiff_t>(index), operation);
  }

  void change_operand() {
    const std::size_t index = somewhere();
    Operation& o = operations_[index];
    const std::size_t count = row(o.op).operand_count();
    if (count == 0) return change_op();
    const std::size_t i = draw_.below(count);
    if (row(o.op).operands[i] == OperandKind::kAddress && draw_.percent(40)) return nudge(o, i);
    look_at(index);
    draw_.redraw(o, i);
  }

  // An address moves by a byte, a few, a page or a few.
  void nudge(Operation& o, std::size_t i) {
    Address a = unpack_address(o.operands[i]);
    auto by = static_cast<std::int32_t>(1 + draw_.below(8));
    if (draw_.percent(60)) by *= static_cast<std::int32_t>(kPageSize);
    a.offset = std::clamp(a.offset + (draw_.percent(50) ? by : -by), -kMaxOffset, kMaxOffset);
    o.operands[i] = pack(a);
  }

  Op some_op() {
    while (true) {
      const auto op = static_cast<Op>(draw_.below(kOps));
      const OpClass c = row(op).op_class;
      if ((c != OpClass::kRaw && c != OpClass::kFailure) || has(operations_, c)) return op;
    }
  }

  void insert() {
    const std::size_t index = draw_.below(operations_.size() + 1);
    look_at(index);
    put(index, draw_.operation(some_op()));
  }

  void remove() {
    const std::size_t first = somewhere();
    const std::size_t count = draw_.percent(70) ? 1 : 1 + draw_.below(operations_.size() - first);
    const auto begin = operations_.begin() + static_cast<std::ptrdiff_t>(first);
    operations_.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
  }

  void duplicate() {
    const Operation copy = operations_[somewhere()];
    put(draw_.below(operations_.size() + 1), copy);
  }

  // A stretch of the program once more, somewhere else.
  void splice() {
    const std::size_t first = somewhere();
    const std::size_t count = 1 + draw_.below(std::min<std::size_t>(8, operations_.size() - first));
    const auto begin = operations_.begin() + static_cast<std::ptrdiff_t>(first);
    const Operations part(begin, begin + static_cast<std::ptrdiff_t>(count));
    const auto to = static_cast<std::ptrdiff_t>(draw_.below(operations_.size() + 1));
    operations_.insert(operations_.begin() + to, part.begin(), part.end());
  }

  // Another operation, with the operands of the old one where their kinds are the same.
  void change_op() {
    const std::size_t index = somewhere();
    look_at(index);
    const Operation old = operations_[index];
    Operation changed = draw_.operation(some_op());
    std::size_t from = 0;
    for (std::size_t i = 0; i < row(changed.op).operand_count(); ++i) {
      const auto& kinds = row(old.op).operands;
      const auto same =
          std::find(kinds.begin() + static_cast<std::ptrdiff_t>(from), kinds.end(), row(changed.op).operands[i]);
      if (same == kinds.end()) continue;
      from = static_cast<std::size_t>(same - kinds.begin());
      changed.operands[i] = old.operands[from++];
    }
    mend(changed);
    operations_[index] = changed;
  }

  Operations& operations_;
  Picture picture_;
  Draw draw_;
};

}  // namespace

void mutate(Program& program, std::mt19937_64& random) {
  Mutation mutation(program.operations, random);
  unsigned changes = 1;
  while (random() % 3 == 0 && changes < 4) ++changes;
  while (changes-- != 0) mutation.apply();
  if (program.operations.size() > kMaxOperations) program.operations.resize(kMaxOperations);
}

Program crossover(const Program& a, const Program& b, std::mt19937_64& random) {
  Program child;
  const auto head = a.operations.begin() + static_cast<std::ptrdiff_t>(random() % (a.operations.size() + 1));
  const auto tail = b.operations.begin() + static_cast<std::ptrdiff_t>(random() % (b.operations.size() + 1));
  child.operations.assign(a.operations.begin(), head);
  child.operations.insert(child.operations.end(), tail, b.operations.end());
  if (child.operations.size() > kMaxOperations) child.operations.resize(kMaxOperations);
  return child;
}

}  // namespace faultline::vmm::fuzz
