// Fault records of several kinds, made by hand, that between them use every field.
#pragma once

#include <array>
#include <vector>

#include "vmm/decode/decoder.hpp"
#include "vmm/record/fault_record.hpp"

namespace faultline::vmm {

inline decode::Instruction sample_instruction(std::initializer_list<std::uint8_t> code, const UserRegs& regs,
                                              const decode::VectorRegisters* vectors = nullptr) {
  std::vector<std::byte> bytes;
  for (const std::uint8_t b : code) bytes.push_back(std::byte{b});
  auto decoder = decode::Decoder::create();
  decode::RegisterFile file;
  file.regs = regs;
  file.vectors = vectors;
  return decoder->decode(bytes, file);
}

// A walk to a level-1 entry.
inline mmu::Walk sample_walk(Gva address, mmu::Pte leaf) {
  using mmu::Pte;
  mmu::Walk w{.address = address};
  mmu::Rights rights;
  for (mmu::Level level = 4; level >= 1; --level) {
    const Pte entry = level == 1 ? leaf : Pte::make(Gfn(0x10 + level), Pte::kTableFlags);
    if (entry.present()) {
      rights.write = rights.write && entry.writable();
      rights.user = rights.user && entry.user();
      rights.execute = rights.execute && !entry.no_execute();
    }
    w.steps[w.count++] = {level, Gpa(Gfn(0x10 + level + 1)) + mmu::table_index(address, level) * 8, entry, rights};
  }
  w.end = leaf.present() ? mmu::WalkEnd::kMapped : mmu::WalkEnd::kNotPresent;
  return w;
}

inline FaultRecord sample_base(std::uint64_t sequence, Gva address, mmu::ErrorCode error, mmu::Pte leaf) {
  FaultRecord r;
  r.backend = "kvm-pvm";
  r.process = 100;
  r.sequence = sequence;
  r.ip = Gva(0x401000);
  r.address = address;
  r.error = error;
  r.before = sample_walk(address, leaf);
  r.blame = mmu::blame(r.before, error);
  r.times = {.guest = 1200, .exit = 310, .decide = 90, .edit = 410, .resume = 150};
  return r;
}

inline mmu::Vma sample_vma(Gva start, Gva end, std::string name) {
  mmu::Vma v;
  v.start = start;
  v.end = end;
  v.flags = mmu::VmFlags(mmu::VmFlags::kRead | mmu::VmFlags::kWrite);
  v.name = std::move(name);
  return v;
}

// mov [rax], ecx to a page that is not there: a zeroed page.
inline FaultRecord anonymous_write() {
  const Gva address(0x7fff12345678);
  FaultRecord r = sample_base(1, address, mmu::ErrorCode(6), mmu::Pte());
  UserRegs regs;
  regs.rip = r.ip.raw();
  regs[UserRegs::kRax] = address.raw();
  r.instruction = sample_instruction({0x89, 0x08}, regs);
  r.verdict = decode::judge(r.instruction, r.address, r.error);
  mmu::FaultOutcome outcome;
  outcome.path.add(mmu::FaultStep::kVmaFound);
  outcome.path.add(mmu::FaultStep::kAnonymousPage);
  const mmu::Vma vma = sample_vma(Gva(0x7fff12300000), Gva(0x7fff12400000), "[stack]");
  r.set_outcome(outcome, &vma);
  r.edits.add({address.page_base(), 1, Gpa(0x12a28), mmu::Pte(), mmu::Pte::make(Gfn(0x99), 0x8000000000000067)});
  r.edits.add_allocated(Gfn(0x99));
  return r;
}

// movups [rax], xmm0 to a shared copy: copied, TLB flushed. The decoders disagree on the access.
inline FaultRecord copy_on_write() {
  const Gva address(0x555555559ff8);
  FaultRecord r = sample_base(2, address, mmu::ErrorCode(7), mmu::Pte::make(Gfn(0x50), 0x8000000000000025));
  UserRegs regs;
  regs.rip = r.ip.raw();
  regs[UserRegs::kRax] = address.raw();
  r.instruction = sample_instruction({0x0f, 0x11, 0x00}, regs);
  r.verdict = decode::judge(r.instruction, r.address, r.error);
  mmu::FaultOutcome outcome;
  outcome.path.add(mmu::FaultStep::kVmaFound);
  outcome.path.add(mmu::FaultStep::kWriteProtect);
  outcome.path.add(mmu::FaultStep::kCopy);
  outcome.tlb = mmu::TlbAction::kFrameDrop;
  const mmu::Vma vma = sample_vma(Gva(0x555555559000), Gva(0x55555555a000), "/tmp/a \"b\" \xc3\xa4\xff");
  r.set_outcome(outcome, &vma);
  r.edits.add({address.page_base(), 1, Gpa(0x12ac8), r.before.last().entry, mmu::Pte::make(Gfn(0x51), 0x67)});
  r.edits.add_allocated(Gfn(0x51));
  r.edits.add_copied(Gfn(0x50), Gfn(0x51));
  return r;
}

// A gather whose address cannot be known, nothing mapped: SIGSEGV.
inline FaultRecord gather_segv() {
  FaultRecord r = sample_base(3, Gva(0x123000), mmu::ErrorCode(4), mmu::Pte());
  UserRegs regs;
  regs.rip = r.ip.raw();
  r.instruction = sample_instruction({0xc4, 0xe2, 0x75, 0x90, 0x1c, 0x90}, regs);
  r.verdict = decode::judge(r.instruction, r.address, r.error);
  mmu::FaultOutcome outcome;
  outcome.result = mmu::FaultResult::kSegvMapErr;
  outcome.path.add(mmu::FaultStep::kNoVma);
  r.set_outcome(outcome, nullptr);
  return r;
}

// A gather with its vectors at hand.
inline FaultRecord gather_resolved() {
  FaultRecord r = gather_segv();
  UserRegs regs;
  regs.rip = r.ip.raw();
  regs[UserRegs::kRax] = 0x123000;
  decode::VectorRegisters vectors;
  vectors.ymm[1].fill(std::byte{0xff});
  r.instruction = sample_instruction({0xc4, 0xe2, 0x75, 0x90, 0x1c, 0x90}, regs, &vectors);
  r.verdict = decode::judge(r.instruction, r.address, r.error);
  mmu::FaultOutcome outcome;
  outcome.major = true;
  r.set_outcome(outcome, nullptr);
  return r;
}

// A system call's own access to bad memory; nothing is decoded.
inline FaultRecord kernel_efault() {
  FaultRecord r = sample_base(4, Gva(0xdead000), mmu::ErrorCode(2), mmu::Pte());
  r.origin = mmu::FaultOrigin::kKernel;
  r.before = {.address = r.address, .end = mmu::WalkEnd::kNonCanonical};
  r.blame = {};
  mmu::FaultOutcome outcome;
  outcome.result = mmu::FaultResult::kSegvMapErr;
  r.set_outcome(outcome, nullptr);
  return r;
}

inline std::vector<FaultRecord> sample_records() {
  return {anonymous_write(), copy_on_write(), gather_segv(), gather_resolved(), kernel_efault()};
}

}  // namespace faultline::vmm
