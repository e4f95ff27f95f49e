#include "vmm/fuzz/words.hpp"

#include <fmt/format.h>

#include "mmu/arch/error_code.hpp"
#include "vmm/linux_abi/trace.hpp"
#include "vmm/record/fault_record.hpp"

namespace faultline::vmm::fuzz {

namespace {

std::string result_words(std::int64_t result) {
  if (result < 0 && result > -4096) return "-" + linux_abi::errno_name(static_cast<int>(-result));
  if (result >= 0 && result < 0x1'0000) return fmt::format("{}", result);
  return fmt::format("0x{:x}", static_cast<std::uint64_t>(result));
}

std::string_view file_words(FileOperand file) {
  switch (file) {
    case FileOperand::kNone: return "";
    case FileOperand::kDisk: return " disk";
    case FileOperand::kMemory: return " memory";
  }
  return " ?";
}

}  // namespace

std::string outcome_words(Op op, const StepResult& step) {
  switch (step.end) {
    case StepEnd::kDone: return row(op).op_class == OpClass::kAccess ? "done" : result_words(step.result);
    case StepEnd::kSignal: return std::string(signal_words(step));
    case StepEnd::kKilled: return "killed";
    case StepEnd::kNotJudged: return "not judged";
  }
  return "?";
}

std::string signal_words(const StepResult& step) {
  if (step.end != StepEnd::kSignal) return "none";
  const std::string_view name = signal_name(step.signal);
  const std::string_view code = si_code_name(step.signal, step.code);
  return fmt::format("{} {}", name.empty() ? fmt::format("signal {}", step.signal) : std::string(name),
                     code.empty() ? fmt::format("code {}", step.code) : std::string(code));
}

std::string signal_and_address_words(const StepResult& step) {
  if (step.end != StepEnd::kSignal) return "none";
  return fmt::format("{} at 0x{:x}", signal_words(step), step.address);
}

std::string error_words(std::uint32_t error) {
  return fmt::format("0x{:x} ({})", error, mmu::ErrorCode(error).bit_names());
}

std::string bytes_words(const StepResult& step) {
  std::string text;
  for (std::size_t i = 0; i < step.byte_count && i < step.bytes.size(); ++i)
    text += fmt::format("{}{:02x}", i == 0 ? "" : " ", step.bytes[i]);
  return text.empty() ? "none" : text;
}

std::string faults_words(const std::vector<SeenFault>& faults) {
  std::string text;
  for (const SeenFault& f : faults)
    text += fmt::format("{}0x{:x} ({})", text.empty() ? "" : ", ", f.address, mmu::ErrorCode(f.error).bit_names());
  return text.empty() ? "none" : text;
}

std::string counts_words(const StepResult& step) { return fmt::format("{} minor, {} major", step.minor, step.major); }

std::string step_words(Op op, const StepResult& step, std::uint16_t fields) {
  std::string text = step.end == StepEnd::kSignal && (fields & kSignalField) != 0 ? signal_and_address_words(step)
                                                                                  : outcome_words(op, step);
  if (step.end == StepEnd::kSignal && (fields & kErrorField) != 0) text += ", error code " + error_words(step.error);
  if ((fields & kBytesField) != 0 && step.byte_count != 0) text += ", bytes " + bytes_words(step);
  if ((fields & kFaultsField) != 0 && !step.faults.empty()) text += ", faults " + faults_words(step.faults);
  if ((fields & kCountsField) != 0 && (step.minor | step.major) != 0) text += ", " + counts_words(step);
  return text;
}

std::string vma_words(const SeenVma& vma) {
  std::string text = fmt::format("0x{:x}-0x{:x} {}{}", vma.start, vma.end, vma.rights.data(), file_words(vma.file));
  if (vma.file != FileOperand::kNone) text += fmt::format("+0x{:x}", vma.offset);
  return text;
}

std::string page_words(const SeenPage& page, bool accessed_dirty) {
  std::string text = fmt::format("0x{:x} {}", page.address, page.present ? "present" : "absent");
  if (page.file) text += " file";
  if (accessed_dirty && page.accessed) text += " accessed";
  if (accessed_dirty && page.dirty) text += " dirty";
  return text;
}

std::string content_words(const SeenContent& content) {
  return fmt::format("0x{:x} content {:016x}", content.address, content.hash);
}

}  // namespace faultline::vmm::fuzz
