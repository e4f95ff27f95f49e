#include <fmt/format.h>

#include "vmm/kernel/oops.hpp"
#include "vmm/kvm/monitor_check.hpp"
#include "vmm/record/json_writer.hpp"

namespace faultline::vmm::kernel {

namespace {

constexpr std::array<std::string_view, 16> kNames = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                                     "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

void write_fault(JsonWriter& json, const Oops& oops) {
  json.key("address").hex(oops.address.raw());
  json.key("error_code").hex(oops.error.raw());
  json.key("error").string(oops.error.spelled_out());
  json.key("error_bits").string(oops.error.bit_names());
  json.key("reason").string(reason(oops.error));
  json.key("path").begin_array();
  for (const std::string_view step : oops.path) json.string(step);
  json.end_array();
  json.key("tables").begin_object();
  for (const TableEntry& entry : oops.tables.entries) json.key(entry.name).hex(entry.value);
  json.end_object();
  json.key("table_outside_memory").boolean(oops.tables.bad);
}

void write_cpu(JsonWriter& json, const Oops& oops) {
  const ControlState& control = oops.control;
  json.key("registers").begin_object();
  for (unsigned i = 0; i < kNames.size(); ++i) json.key(kNames[i]).hex(oops.cpu.regs[i]);
  json.key("rip").hex(oops.cpu.regs.rip);
  json.key("rflags").hex(oops.cpu.regs.rflags);
  json.key("cs").hex(oops.cpu.cs);
  json.key("ss").hex(oops.cpu.ss);
  json.key("fs_base").hex(control.fs_base);
  json.key("gs_base").hex(control.gs_base);
  json.key("cr0").hex(control.cr0);
  json.key("cr2").hex(control.cr2);
  json.key("cr3").hex(control.cr3);
  json.key("cr4").hex(control.cr4);
  json.key("efer").hex(control.efer);
  json.end_object();
}

}  // namespace

std::string to_json(const Oops& oops) {
  fmt::memory_buffer out;
  JsonWriter json(out);
  json.begin_object();
  json.key("oops").number(oops.number);
  json.key("program").string(oops.program);
  json.key("kind").string(name(oops.kind));
  json.key("message").string(headline(oops));
  json.key("vector").string(kvm::vector_name(oops.vector));
  json.key("mode").string(oops.cpu.user() ? "user" : "kernel");
  json.key("cpu").number(0);
  write_fault(json, oops);
  json.key("stack").begin_object();
  json.key("bottom").hex(oops.stack.bottom.raw());
  json.key("top").hex(oops.stack.top.raw());
  json.end_object();
  json.key("function").string(oops.function);
  json.key("code").begin_array();
  for (const std::byte b : oops.code) json.hex(static_cast<unsigned>(b));
  json.end_array();
  json.key("code_mark").number(oops.code_mark);
  write_cpu(json, oops);
  json.key("trace").begin_array();
  for (const std::string& caller : oops.trace) json.string(caller);
  json.end_array();
  json.end_object();
  return fmt::to_string(out);
}

}  // namespace faultline::vmm::kernel
