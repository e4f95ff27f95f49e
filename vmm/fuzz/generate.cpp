#include "vmm/fuzz/generate.hpp"

#include <algorithm>
#include <array>

#include "vmm/fuzz/generate_draw.hpp"

namespace faultline::vmm::fuzz {

namespace {

// How often each operation comes, by its number.
constexpr std::array<unsigned, kOps> kWeights{
    14, 5,  9, 7, 12, 3, 2, 2, 2, 5,  // map unmap protect remap advise lock unlock sync resident resize
    4,  1,  4,                        // fork exit switch
    10, 16, 4, 3, 3,  4, 3, 3, 4,     // read write fetch modify exchange copy fill kernel-read kernel-write
    6,  1,  3, 3};                    // flip-entry flip-control invalidate fail-allocation

bool wanted(OpClass c, const GenerateOptions& options) {
  switch (c) {
    case OpClass::kCall:
    case OpClass::kAccess:
    case OpClass::kKernelAccess: return true;
    case OpClass::kProcess: return options.forks;
    case OpClass::kRaw: return options.raw;
    case OpClass::kFailure: return options.failures;
  }
  return false;
}

Op draw_op(Draw& draw, const GenerateOptions& options) {
  std::uint64_t total = 0;
  const auto weight = [&](std::size_t i) { return wanted(operation_table()[i].op_class, options) ? kWeights[i] : 0; };
  for (std::size_t i = 0; i < kOps; ++i) total += weight(i);
  std::uint64_t at = draw.below(total);
  for (std::size_t i = 0; i < kOps; ++i) {
    if (at < weight(i)) return static_cast<Op>(i);
    at -= weight(i);
  }
  return Op::kRead;
}

Op draw_access(Draw& draw) {
  constexpr auto kFirst = static_cast<std::uint64_t>(Op::kRead), kLast = static_cast<std::uint64_t>(Op::kKernelWrite);
  if (draw.percent(60)) return draw.percent(60) ? Op::kWrite : Op::kRead;
  return static_cast<Op>(kFirst + draw.below(kLast - kFirst + 1));
}

}  // namespace

Program generate(std::mt19937_64& random, const GenerateOptions& options) {
  Program program;
  Picture picture;
  const unsigned windows = std::clamp(options.windows, 1U, static_cast<unsigned>(kWindows.size()));
  Draw draw(random, picture, static_cast<unsigned>(random() % windows), windows);
  const std::size_t count = std::min<std::size_t>(options.operations, kMaxOperations);
  bool look = false;  // an access shows what the call before it did
  while (program.operations.size() < count) {
    Op op = look && draw.percent(60) ? draw_access(draw) : draw_op(draw, options);
    if (picture.regions().empty() && draw.percent(80)) op = Op::kMap;
    const bool alone = picture.alive() == 1 && (op == Op::kExit || op == Op::kSwitch);
    if (alone && draw.percent(80)) op = draw_access(draw);
    const Operation operation = draw.operation(op);
    program.operations.push_back(operation);
    picture.follow(operation);
    const OpClass c = row(op).op_class;
    look = c != OpClass::kAccess && c != OpClass::kKernelAccess;
  }
  return program;
}

}  // namespace faultline::vmm::fuzz
