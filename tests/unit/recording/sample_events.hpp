// Events of every kind, made by hand, that between them use every field; and recordings of them.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "mmu/pgtable/walk_with.hpp"
#include "tests/support/scratch_folder.hpp"
#include "tests/unit/record/sample_records.hpp"
#include "vmm/record/format.hpp"
#include "vmm/recording/reader.hpp"
#include "vmm/recording/writer.hpp"

namespace faultline::vmm::recording {

inline RunInfo sample_info() {
  RunInfo info;
  info.faultline_version = "0.1.0";
  info.backend = "kvm-pvm";
  info.linux_behaviour = "6.18";
  info.host_kernel = "6.1.0";
  info.cpu = "A CPU";
  info.command = {"/bin/program", "with", "words", ""};
  info.memory_bytes = 1ULL << 30;
  info.started_unix_ns = 1'700'000'000'000'000'000;
  info.registers = true;
  return info;
}

inline InstructionInput sample_input(std::initializer_list<std::uint8_t> code, std::uint64_t base) {
  InstructionInput input;
  for (const std::uint8_t b : code) input.bytes[input.count++] = std::byte{b};
  for (unsigned n = 0; n < 16; ++n) input.regs[n] = base + n * 0x1111;
  input.regs.rip = 0x401000;
  input.xsave_bytes = 832;
  return input;
}

// A fault as the recorder makes it: walk, blame, instruction and verdict agree with each other.
inline Fault sample_fault(std::uint64_t sequence, Gva at, InstructionInput input, unsigned edits) {
  Fault fault;
  FaultRecord& r = fault.record;
  r = sample_base(sequence, at, mmu::ErrorCode(6), mmu::Pte());
  const auto load = [](Gpa slot) {
    const std::uint64_t table = slot.page().raw();
    return std::optional(table == 5 ? mmu::Pte() : mmu::Pte::make(Gfn(table - 1), mmu::Pte::kTableFlags));
  };
  r.before = mmu::walk_with(load, Gfn(8), mmu::PagingMode::kFourLevel, at, {});
  r.blame = mmu::blame(r.before, r.error);
  r.path.add(mmu::FaultStep::kVmaLocked);
  r.path.add(mmu::FaultStep::kAnonymousPage);
  const mmu::Vma vma = sample_vma(at.page_base(), at.page_base() + 4 * kPageSize, "[heap]");
  r.vma.emplace(vma);
  for (unsigned i = 0; i < edits; ++i) {
    const Gva page = at.page_base() + i * kPageSize;
    const mmu::PteEdit edit{page, 1, Gpa(Gfn(5)) + mmu::table_index(page, 1) * 8, mmu::Pte(),
                            mmu::Pte::make(Gfn(0x99 + i), 0x67 | mmu::Pte::kNoExecute)};
    fault.all_edits.push_back(edit);
    r.edits.add(edit);
    r.edits.add_allocated(Gfn(0x99 + i));
  }
  r.edits.add_copied(Gfn(7), Gfn(0x99));
  fault.input = input;
  auto decoder = decode::Decoder::create();
  decode_instruction(*decoder, fault.input, r);
  return fault;
}

inline Event sample_event(std::uint64_t time_ns, std::uint32_t process, Body body) {
  return Event{.number = 0, .time_ns = time_ns, .process = process, .body = std::move(body)};
}

inline std::vector<Event> sample_events() {
  std::vector<Event> events;
  const auto add = [&events](std::uint64_t time, std::uint32_t process, Body body) {
    events.push_back(sample_event(time, process, std::move(body)));
  };
  VmaInfo text, stack;
  text.start = Gva(0x401000), text.end = Gva(0x405000), text.pgoff = Pgoff(1), text.name.assign("/bin/program");
  text.flags = mmu::VmFlags(mmu::VmFlags::kRead | mmu::VmFlags::kExec);
  stack.start = Gva(0x7ffd'0000'0000), stack.end = Gva(0x7ffd'0002'1000), stack.name.assign("[stack]");
  add(10, 100, ProcessChange{ProcessEvent::kStart, 0, Gpa(0x8000), "/bin/program", 0});
  add(20, 100, VmaChange{"exec", Gva(), Gva(), {}, {text, stack}});
  add(30, 100,
      TableEdits{Gpa(0x8000),
                 {{Gva(0), 4, Gpa(0x8000), mmu::Pte(), mmu::Pte(0x7067)},
                  {Gva(0), 3, Gpa(0x7000), mmu::Pte(), mmu::Pte(0x6067)},
                  {Gva(0x400000), 2, Gpa(0x6010), mmu::Pte(), mmu::Pte(0x5067)}}});
  Exit exit{.reason = ExitReason::kPageFault,
            .qualification = 0x404010,
            .detail = 6,
            .entered_ns = 1000,
            .left_ns = 91000,
            .rip = Gva(0x401000),
            .raw = {.reason = 2, .port = 0x1e, .size = 1, .write = true, .address = 0, .data = 0x10, .entries = 1}};
  exit.regs = sample_input({}, 0x404000).regs;
  add(91000, 100, exit);
  add(91300, 100, sample_fault(1, Gva(0x404010), sample_input({0x89, 0x08}, 0x404010), 1));  // mov [rax], ecx
  InstructionInput gather = sample_input({0xc4, 0xe2, 0x6d, 0x92, 0x04, 0x88}, 0x7000);      // vgatherdps
  gather.vectors.emplace();
  for (unsigned i = 0; i < 32; ++i) gather.vectors->ymm[2][i] = std::byte{0xff};
  add(95000, 100, sample_fault(2, Gva(0x402000), gather, 60));
  InstructionInput local = sample_input({0x64, 0x48, 0x8b, 0x04, 0x25, 0x00, 0x00, 0x00, 0x00}, 1);
  local.fs_base = 0x403000;
  add(96000, 100, sample_fault(3, Gva(0x403000), local, 0));
  Fault kernel = sample_fault(4, Gva(0x404ff8), {}, 2);
  kernel.record.origin = mmu::FaultOrigin::kKernel;
  kernel.record.end = FaultEnd::kEfault;
  kernel.record.vma.reset();
  kernel.record.instruction = {};
  kernel.record.verdict = {};
  add(97000, 100, kernel);
  Fault killed = sample_fault(5, Gva(0x8), sample_input({0x8a, 0x00}, 8), 0);
  killed.record.vma.reset();
  killed.record.end = FaultEnd::kSignal;
  killed.record.signal = 11, killed.record.si_code = 1, killed.record.signal_address = Gva(8);
  add(98000, 100, killed);
  add(99000, 100, Signal{11, 1, Gva(8), SignalAction::kHandler});
  add(100000, 100, ProcessChange{ProcessEvent::kFork, 100, Gpa(0x20000), "/bin/program", 0});
  add(100500, 101, Switch{100});
  add(101000, 101,
      Syscall{.number = 9,
              .arguments = {0, 4096, 3, 34, ~0ULL, 0},
              .result = -12,
              .started_ns = 100600,
              .ended_ns = 101000,
              .blocked = true});
  add(101500, 101, VmaChange{"munmap", Gva(0x401000), Gva(0x402000), {Gva(0x401000)}, {}});
  add(102000, 101, Counters{5, 3, 262000, 4, 1, 5, 1});
  add(102500, 101,
      TableEdits{Gpa(0x8000),
                 {{Gva(0x404000), 1, Gpa(0x5020), mmu::Pte(0x99067), mmu::Pte(0x99065)},
                  {Gva(0x402000), 1, Gpa(0x5010), mmu::Pte(0x8000000000099067), mmu::Pte()},
                  {Gva(0x404000), 1, Gpa(0x5020), mmu::Pte(0x99065), mmu::Pte(0xf800'0000'0000'0001ULL << 1)}}});
  add(103000, 101, ProcessChange{ProcessEvent::kExec, 100, Gpa(0x30000), "/bin/other", 0});
  add(104000, 101, ProcessChange{ProcessEvent::kExit, 100, Gpa(0x30000), "/bin/other", 139});
  add(105000, 100, End{"exited", 3});
  return events;
}

// A fault as the log shows it, so that two can be compared.
inline std::string json(const FaultRecord& record) {
  fmt::memory_buffer out;
  append_json(out, record);
  return fmt::to_string(out);
}

inline void write_events(Writer& writer, const std::vector<Event>& events) {
  for (const Event& e : events) writer.append(e.time_ns, e.process, e.body);
}

// Writes it and returns the bytes.
inline std::string recorded(const std::string& path, const std::vector<Event>& events, WriterOptions options = {}) {
  auto writer = Writer::open(path, sample_info(), options);
  EXPECT_TRUE(writer.has_value());
  write_events(**writer, events);
  EXPECT_TRUE((*writer)->close().has_value());
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace faultline::vmm::recording
