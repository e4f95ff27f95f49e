#include "vmm/fuzz/finding/reproducer.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <utility>

#include "vmm/fuzz/layout.hpp"
#include "vmm/fuzz/text.hpp"

// reproducer_runtime.c, made part of the program by CMake.
extern "C" const char faultline_reproducer_runtime[];
extern "C" const unsigned long faultline_reproducer_runtime_bytes;

namespace faultline::vmm::fuzz {

namespace {

std::string address(std::int64_t operand) { return fmt::format("0x{:x}ul", address_of(unpack_address(operand)).raw()); }
std::string bytes(std::int64_t operand) { return fmt::format("0x{:x}ul", static_cast<std::uint64_t>(operand)); }

std::string map_flags(const Operation& o) {
  static constexpr std::pair<MapFlag, std::string_view> kFlags[] = {
      {kMapFixed, "MAP_FIXED"},         {kMapNoReplace, "0x100000 /* MAP_FIXED_NOREPLACE */"},
      {kMapNoReserve, "MAP_NORESERVE"}, {kMapPopulate, "MAP_POPULATE"},
      {kMapLocked, "MAP_LOCKED"},       {kMapGrowsDown, "MAP_GROWSDOWN"}};
  std::string text = (o.operands[3] & kMapShared) != 0 ? "MAP_SHARED" : "MAP_PRIVATE";
  if (o.operands[4] == 0) text += " | MAP_ANONYMOUS";
  for (const auto& [flag, name] : kFlags) {
    if ((o.operands[3] & flag) != 0) text += fmt::format(" | {}", name);
  }
  return text;
}

// A call of the kernel itself, so that no C library looks at its arguments.
std::string call(std::string_view name, const std::string& arguments) {
  return fmt::format("called(syscall(SYS_{}, {}))", name, arguments);
}

std::string ranged(std::string_view name, const Operation& o, const std::string& rest = "") {
  return call(name, address(o.operands[0]) + ", " + bytes(o.operands[1]) + rest);
}

std::string map(const Operation& o) {
  return ranged("mmap", o,
                fmt::format(", {}, {}, files[{}], {}", o.operands[2], map_flags(o), o.operands[4],
                            bytes(o.operands[5] << kPageShift)));
}

// Linux goes on behind holes: an absurd length reaches what is the reproducer's own.
std::string advise(const Operation& o) {
  if (static_cast<std::uint64_t>(o.operands[1]) > kMaxLength) return "left_out()";
  const Advice& advice = advice_table()[static_cast<std::size_t>(o.operands[2])];
  return ranged("madvise", o, fmt::format(", {} /* {} */", advice.value, advice.name));
}

std::string statement(const Operation& op) {
  const auto& o = op.operands;
  const auto comma = [](std::int64_t v) { return fmt::format(", {}", v); };
  switch (op.op) {
    case Op::kMap: return map(op);
    case Op::kUnmap: return ranged("munmap", op);
    case Op::kProtect: return ranged("mprotect", op, comma(o[2]));
    case Op::kRemap: return ranged("mremap", op, fmt::format(", {}, {}, {}", bytes(o[2]), o[3], address(o[4])));
    case Op::kAdvise: return advise(op);
    case Op::kLock: return ranged("mlock2", op, comma(o[2]));
    case Op::kUnlock: return ranged("munlock", op);
    case Op::kSync: return ranged("msync", op, comma(o[2]));
    case Op::kResident: return fmt::format("resident({}, {})", address(o[0]), bytes(o[1]));
    case Op::kResize: return call("ftruncate", fmt::format("files[{}], {}", o[0], bytes(o[1])));
    case Op::kRead: return fmt::format("load({}, {})", o[0], address(o[1]));
    case Op::kWrite: return fmt::format("store({}, {}, {})", o[0], address(o[1]), o[2]);
    case Op::kFetch: return fmt::format("fetch({})", address(o[0]));
    case Op::kModify: return fmt::format("modify({}, {})", o[0], address(o[1]));
    case Op::kLocked: return fmt::format("exchange({}, {}, {})", o[0], address(o[1]), o[2]);
    case Op::kCopy: return fmt::format("copy({}, {}, {})", o[0], address(o[1]), address(o[2]));
    case Op::kFill: return fmt::format("fill({}, {}, {})", o[0], address(o[1]), o[2]);
    case Op::kKernelRead: return call("pwrite64", fmt::format("sink, {}, {}, 0ul", address(o[1]), o[0]));
    case Op::kKernelWrite:
      return call("pread64", fmt::format("patterns, {}, {}, {}ul", address(o[1]), o[0], 64 * o[2]));
    case Op::kFork:
    case Op::kExit:
    case Op::kSwitch: return "";  // not made by a process: see kind_of()
    case Op::kFlipEntry:
    case Op::kFlipControl:
    case Op::kInvalidate:
    case Op::kFailAllocation: return "left_out()";
  }
  return "left_out()";
}

std::string kind_of(const Operation& o) {
  if (o.op == Op::kFork) return "FORK";
  if (o.op == Op::kExit) return "EXIT";
  if (o.op == Op::kSwitch) return fmt::format("SWITCH + {}", o.operands[0]);
  return "MAKE_STEP";
}

}  // namespace

std::string reproducer(const Program& program, const std::string& comment) {
  std::string text;
  for (std::size_t at = 0; at < comment.size();) {
    const std::size_t end = std::min(comment.find('\n', at), comment.size());
    text += "// " + comment.substr(at, end - at) + "\n";
    at = end + 1;
  }
  text += "//\n// cc -O1 -o reproducer reproducer.c && ./reproducer\n//\n";
  text.append(faultline_reproducer_runtime, faultline_reproducer_runtime_bytes);
  std::string names, kinds, statements;
  for (std::size_t i = 0; i < program.operations.size(); ++i) {
    const Operation& o = program.operations[i];
    names += fmt::format("    \"{}\",\n", to_text(o));
    kinds += fmt::format("    {},\n", kind_of(o));
    if (const std::string s = statement(o); !s.empty()) statements += fmt::format("    case {}: {}; break;\n", i, s);
  }
  text += fmt::format("\nstatic int step_count(void) {{ return {}; }}\n", program.operations.size());
  text += "static const char *step_text(int step) {\n  static const char *const texts[] = {\n" + names +
          "    NULL};\n  return texts[step];\n}\n";
  text += "static int step_kind(int step) {\n  static const int kinds[] = {\n" + kinds +
          "    0};\n  return kinds[step];\n}\n";
  text += "static void make_step(int step) {\n  switch (step) {\n" + statements + "    default: left_out();\n  }\n}\n";
  return text;
}

}  // namespace faultline::vmm::fuzz
