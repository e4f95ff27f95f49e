#include "vmm/record/report.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include "vmm/decode/decoder.hpp"
#include "vmm/decode/verdict.hpp"
#include "vmm/record/printable.hpp"
#include "vmm/record/report_memory.hpp"

namespace faultline::vmm {

namespace {

constexpr unsigned kStackWords = 16;
constexpr unsigned kScannedWords = 128;
constexpr unsigned kGuessedFrames = 8;
constexpr std::size_t kVmasEachSide = 3;

// SDM vol. 3A, "Exception and Interrupt Vectors".
std::string_view exception_name(unsigned vector) {
  static constexpr std::array<std::string_view, 22> kNames = {"#DE divide error",
                                                              "#DB debug",
                                                              "NMI",
                                                              "#BP breakpoint",
                                                              "#OF overflow",
                                                              "#BR bound range exceeded",
                                                              "#UD invalid opcode",
                                                              "#NM device not available",
                                                              "#DF double fault",
                                                              "coprocessor segment overrun",
                                                              "#TS invalid TSS",
                                                              "#NP segment not present",
                                                              "#SS stack-segment fault",
                                                              "#GP general protection",
                                                              "#PF page fault",
                                                              "reserved",
                                                              "#MF x87 floating point",
                                                              "#AC alignment check",
                                                              "#MC machine check",
                                                              "#XM SIMD floating point",
                                                              "#VE virtualization",
                                                              "#CP control protection"};
  return vector < kNames.size() ? kNames[vector] : "unknown exception";
}

// The vectors that push one; the others would only show a meaningless zero.
bool has_error_code(unsigned vector) {
  return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

class Report {
 public:
  Report(fmt::memory_buffer& out, const ReportInput& input) : out_(out), in_(input), memory_(input.peek, input.mode) {}

  void write() {
    decode_instruction();
    std::visit([this](const auto& event) { headline(event); }, in_.event);
    victim();
    if (const auto* fault = page_fault()) page_table(fault->address);
    instruction();
    code();
    registers();
    stack();
    call_trace();
    memory_map();
  }

 private:
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    part(format, std::forward<Args>(args)...);
    out_.push_back('\n');
  }
  template <class... Args>
  void part(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
  }
  [[nodiscard]] std::string place(std::uint64_t address) const {
    return in_.symbols == nullptr ? fmt::format("{:#x}", address) : printable(in_.symbols->describe(Gva(address)));
  }
  [[nodiscard]] const PageFaultEvent* page_fault() const { return std::get_if<PageFaultEvent>(&in_.event); }

  void decode_instruction() {
    auto decoder = decode::Decoder::create();
    if (!decoder) return;
    std::array<std::byte, decode::kMaxInstructionBytes> bytes;
    const std::size_t n = memory_.read(in_.regs.rip, bytes);
    const decode::RegisterFile file{.regs = in_.regs, .fs_base = in_.fs_base, .gs_base = in_.gs_base};
    instruction_ = decoder->decode(std::span(bytes).first(n), file);
  }

  void headline(const PageFaultEvent& e) {
    const bool null = e.address.raw() < kPageSize;
    line("BUG: unhandled page fault{} at address {:#018x}", null ? ", NULL pointer," : "", e.address.raw());
    line("#PF: {}", e.error.spelled_out());
    line("#PF: error code {:#06x} [{}]", e.error.raw(), e.error.bit_names());
  }
  void headline(const ExceptionEvent& e) {
    line("BUG: unhandled exception {} ({})", unsigned{e.vector}, exception_name(e.vector));
    if (has_error_code(e.vector)) line("error code {:#06x}", e.error_code);
    for (const decode::MemOperand& o : instruction_.operands())
      if (o.address_known && o.access != decode::Access::kNone && !mmu::is_canonical(o.address, in_.mode))
        line("the {} of {} bytes at {:#018x}: this address is not canonical", name(o.access), o.width, o.address.raw());
  }
  void headline(const FatalEvent& e) {
    line("BUG: the virtual CPU cannot go on: {}", e.summary);
    if (!e.detail.empty()) part("{}{}", e.detail, e.detail.ends_with('\n') ? "" : "\n");
  }

  void victim() {
    part("Process {} ({}) on {} vcpu {}", in_.process, printable(in_.program), in_.backend, in_.vcpu);
    if (in_.signal != 0) {
      const std::string_view known = signal_name(in_.signal);
      part(", killed by {}", known.empty() ? fmt::format("signal {}", in_.signal) : std::string(known));
      if (const auto code = si_code_name(in_.signal, in_.si_code); !code.empty()) part(" ({})", code);
    }
    out_.push_back('\n');
  }

  // Top level first, to the entry that ends the walk.
  void page_table(Gva address) {
    if (!in_.walk) return;
    const mmu::Walk walk = in_.walk(address);
    const mmu::Blame blame = mmu::blame(walk, page_fault()->error);
    line("Page tables ({}), {}:", name(walk.mode), name(walk.end));
    for (unsigned n = 0; n < walk.count; ++n) {
      const mmu::WalkStep& s = walk.steps[n];
      line("  {} at {:#x}: {}{}", mmu::linux_level_name(s.level, walk.mode), s.slot.raw(), s.entry.describe(s.level),
           s.level == blame.level ? fmt::format("  <- {}", blame.bit) : std::string());
    }
  }

  void instruction() {
    part("RIP: {:#x}", in_.regs.rip);
    if (in_.symbols != nullptr && in_.symbols->find(Gva(in_.regs.rip))) part(" {}", place(in_.regs.rip));
    out_.push_back('\n');
    if (instruction_.status == decode::DecodeStatus::kDecoded) {
      line("Instruction: {}", instruction_.text.view());
    } else {
      line("Instruction: {}", name(instruction_.status));
    }
    const auto* fault = page_fault();
    if (fault == nullptr) return;
    const decode::Verdict v = decode::judge(instruction_, fault->address, fault->error);
    part("Explained by: {}", name(v.explanation));
    if (v.operand > 0) {
      const decode::MemOperand& o = instruction_.operands()[static_cast<std::size_t>(v.operand)];
      part(", {} of {} bytes", name(o.access), o.width);
      if (o.address_known) part(" at {:#x}", o.address.raw());
    }
    line("{}{}", v.note.empty() ? "" : ", ", v.note);
  }

  void code() {
    const CodeWindow window = code_around(memory_, in_.regs.rip);
    if (!window.bytes[CodeWindow::kBefore]) return line("Code: the bytes at RIP cannot be read");
    part("Code:");
    bool begun = false;
    for (unsigned n = 0; n < window.bytes.size(); ++n) {
      const auto byte = window.bytes[n];
      begun |= byte.has_value();
      if (!begun) continue;
      if (!byte) {
        part(" ??");
      } else if (n == CodeWindow::kBefore) {
        part(" <{:02x}>", *byte);
      } else {
        part(" {:02x}", *byte);
      }
    }
    out_.push_back('\n');
  }

  void registers() {
    static constexpr std::array<std::pair<std::string_view, unsigned>, 16> kOrder = {{{"RAX", UserRegs::kRax},
                                                                                      {"RBX", UserRegs::kRbx},
                                                                                      {"RCX", UserRegs::kRcx},
                                                                                      {"RDX", UserRegs::kRdx},
                                                                                      {"RSI", UserRegs::kRsi},
                                                                                      {"RDI", UserRegs::kRdi},
                                                                                      {"RBP", UserRegs::kRbp},
                                                                                      {"RSP", UserRegs::kRsp},
                                                                                      {"R8 ", UserRegs::kR8},
                                                                                      {"R9 ", UserRegs::kR9},
                                                                                      {"R10", UserRegs::kR10},
                                                                                      {"R11", UserRegs::kR11},
                                                                                      {"R12", UserRegs::kR12},
                                                                                      {"R13", UserRegs::kR13},
                                                                                      {"R14", UserRegs::kR14},
                                                                                      {"R15", UserRegs::kR15}}};
    for (std::size_t n = 0; n < kOrder.size(); ++n)
      part("{}{} {:016x}{}", n % 4 == 0 ? "" : "  ", kOrder[n].first, in_.regs[kOrder[n].second],
           n % 4 == 3 ? "\n" : "");
    line("RFLAGS {:08x}  FS base {:016x}  GS base {:016x}", in_.regs.rflags, in_.fs_base, in_.gs_base);
  }

  void stack() {
    const std::uint64_t rsp = in_.regs[UserRegs::kRsp];
    line("Stack:");
    std::uint64_t shown = 0;
    for (; shown < kStackWords; ++shown) {
      const auto word = memory_.word(rsp + shown * 8);
      if (!word) break;
      if (shown % 4 == 0) part("  {:#x}:", rsp + shown * 8);
      part(" {:016x}{}", *word, shown % 4 == 3 ? "\n" : "");
    }
    if (shown % 4 != 0) out_.push_back('\n');
    if (shown == 0) line("  cannot be read at {:#x}", rsp);
  }

  void call_trace() {
    line("Call trace:");
    line("  {}", place(in_.regs.rip));
    // A call to a bad address faults before the callee has a frame.
    if (const auto* fault = page_fault(); fault != nullptr && fault->error.fetch()) guess(in_.regs[UserRegs::kRsp]);
    const auto trace = frame_pointer_trace(memory_, in_.regs);
    for (const std::uint64_t address : trace) line("  {}", place(address));
    if (trace.empty()) guessed_frames();
  }

  // Shows what lies at a stack address if it may be a return address: it points into a function,
  // and not to its first byte.
  bool guess(std::uint64_t slot) {
    const auto word = in_.symbols == nullptr ? std::nullopt : memory_.word(slot);
    const auto match = word ? in_.symbols->find(Gva(*word)) : std::nullopt;
    if (!match || match->offset == 0) return false;
    line("  ? {}", place(*word));
    return true;
  }

  // Code without frame pointers: whatever on the stack looks like a return address.
  void guessed_frames() {
    unsigned shown = 0;
    for (std::uint64_t n = 0; n < kScannedWords && shown < kGuessedFrames; ++n)
      if (guess(in_.regs[UserRegs::kRsp] + n * 8)) ++shown;
  }

  void memory_map() {
    const auto* fault = page_fault();
    const Gva address = fault != nullptr ? fault->address : Gva(in_.regs.rip);
    const auto& vmas = in_.vmas;
    // The first that ends above the address, as find_vma has it.
    const auto above = std::ranges::find_if(vmas, [&](const VmaInfo& v) { return address < v.end; });
    const auto at = static_cast<std::size_t>(above - vmas.begin());
    const std::size_t first = at > kVmasEachSide ? at - kVmasEachSide : 0;
    const std::size_t last = std::min(vmas.size(), at + kVmasEachSide + 1);
    const bool inside = above != vmas.end() && above->start <= address;
    line("Memory map near {:#x}{}:", address.raw(), inside ? "" : ", which is in no mapping");
    for (std::size_t n = first; n < last; ++n) {
      const VmaInfo& v = vmas[n];
      line("{} {:#x}-{:#x} {} pgoff {:#x} {}", n == at && inside ? "=>" : "  ", v.start.raw(), v.end.raw(),
           v.flags.text(), v.pgoff.raw(), printable(v.name.view()));
    }
    if (vmas.size() > last - first) line("   {} of {} mappings shown", last - first, vmas.size());
  }

  fmt::memory_buffer& out_;
  const ReportInput& in_;
  ReportMemory memory_;
  decode::Instruction instruction_;
};

}  // namespace

std::vector<VmaInfo> describe_vmas(const mmu::VmaSet& vmas) {
  std::vector<VmaInfo> out;
  out.reserve(vmas.size());
  for (const auto& [start, vma] : vmas) out.emplace_back(vma);
  return out;
}

void append_report(fmt::memory_buffer& out, const ReportInput& input) { Report(out, input).write(); }

}  // namespace faultline::vmm
