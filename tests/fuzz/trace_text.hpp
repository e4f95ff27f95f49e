// All that a trace holds, in words: two runs of a program that ought to be the same are compared so.
// What the guest cost is not part of it.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>

#include "vmm/fuzz/trace.hpp"

namespace faultline::vmm::fuzz {

inline std::string text_of(const StepResult& s) {
  std::string text = fmt::format(
      "end {} result {} signal {} code {} address {:#x} error {:#x} bytes {} of {} minor {} "
      "major {} features {:x}",
      static_cast<int>(s.end), s.result, s.signal, s.code, s.address, s.error, s.byte_count, s.bytes, s.minor, s.major,
      fmt::join(s.features, ","));
  for (const SeenFault& f : s.faults) text += fmt::format(" fault {:#x} {:#x}", f.address, f.error);
  return text + "\n";
}

inline std::string text_of(const SeenProcess& p) {
  std::string text = fmt::format("process {}\n", p.number);
  for (const SeenVma& v : p.vmas)
    text += fmt::format("vma {:#x} {:#x} {} file {} at {}\n", v.start, v.end, v.rights.data(), static_cast<int>(v.file),
                        v.offset);
  for (const SeenPage& s : p.pages)
    text += fmt::format("page {:#x} present {} file {} A {} D {}\n", s.address, s.present, s.file, s.accessed, s.dirty);
  for (const SeenContent& c : p.content) text += fmt::format("content {:#x} {:#x}\n", c.address, c.hash);
  return text;
}

inline std::string text_of(const Trace& t) {
  std::string text = fmt::format("{} {:#x}\n", t.judge, t.fields);
  for (const StepResult& s : t.steps) text += text_of(s);
  for (const SeenProcess& p : t.processes) text += text_of(p);
  for (const std::string& b : t.broken) text += "broken: " + b + "\n";
  return text;
}

}  // namespace faultline::vmm::fuzz
