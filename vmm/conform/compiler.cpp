#include "vmm/conform/compiler.hpp"

#include "guest/abi.h"

namespace faultline::vmm::conform {
namespace {

constexpr std::uint32_t kMsrEfer = 0xc000'0080, kMsrPkrs = 0x6e1;
constexpr std::uint64_t kUserCodeBytes = 16;
constexpr std::uint64_t kUserStack = 0x800;     // offset in the user data page
constexpr std::uint64_t kTargetBuffer = 0x100;  // what string instructions write lies behind what they read

Gva user_code(model::Paging paging, unsigned form) { return user_code_at(paging) + form * kUserCodeBytes; }

CodeSize size_of(model::Paging paging) { return model::long_mode(paging) ? CodeSize::k64 : CodeSize::k32; }

}  // namespace

ControlValues control_values(const Case& c) {
  const model::Controls& k = c.controls;
  const auto bit = [](bool on, unsigned n) { return on ? std::uint64_t{1} << n : 0; };
  ControlValues v;
  v.cr0 = 0x8000'0033 | bit(k.wp, 16);  // PE MP ET NE PG
  const bool long_mode = model::long_mode(k.paging);
  v.cr4 = 0x600 | bit(k.paging != model::Paging::kTwoLevel, 5) | bit(k.pse, 4) | bit(k.pge, 7) |
          bit(k.paging == model::Paging::kFiveLevel, 12) | bit(k.smep, 20) | bit(k.smap, 21) | bit(k.pke, 22) |
          bit(k.pks, 24) | bit(k.pcide, 17);
  v.efer = (long_mode ? 0x500 : 0) | bit(k.nxe, 11);  // LME, LMA
  v.pkru = k.pke ? k.pkru : 0;
  v.pkrs = k.pks ? k.pkrs : 0;
  return v;
}

Compiler::Compiler(std::span<std::byte> area, model::Paging paging)
    : emit_(area, window(kCode, paging), size_of(paging)), paging_(paging) {}

Placed Compiler::add(const Case& c, unsigned index) {
  const Gva record = window(kRecords) + std::uint64_t{index} * FL_CONFORM_RECORD_BYTES;
  emit_.set(Reg::kRecord, record.raw());
  const std::size_t end = emit_.set_resume_later();
  std::optional<std::size_t> end_of_change;
  controls(c);
  entries(c);
  flush(c, Flush::kInvlpg);
  if (c.change) {
    // Of another case the caches may hold something under every PCID.
    if (c.change->pcids) flush(c, Flush::kTogglePge), load_pcid(c.change->pcids->first, false);
    access(c, c.change->warm_form, c.change->warm_user);
    end_of_change = emit_.set_resume_later();
    change(c);
  }
  if (c.instruction().implicit()) place_descriptor(c);
  const Placed placed = access(c, c.form, c.user);
  emit_.patch(end, emit_.here());
  if (end_of_change) emit_.patch(*end_of_change, emit_.here());
  if (c.change && c.change->pcids) load_pcid(0, false);
  read_back(c, record);
  if (c.instruction().setup == Setup::kCr3) load_sound_pdptes(c);
  if (c.instruction().implicit()) drop_descriptor(c);
  return placed;
}

// Every later MOV to CR3 reads what the case left in memory.
void Compiler::load_sound_pdptes(const Case& c) {
  emit_.store(window(c.slot_a(3)), table_a(2).raw() | 1);
  emit_.store(window(c.slot_b(3)), table_b(2).raw() | 1);
  emit_.set_cr(3, kRoot.raw());
}

// SDM vol. 3A, "Segment Descriptor Tables in IA-32e Mode": the address under test is the base of the local table.
void Compiler::place_descriptor(const Case& c) {
  constexpr std::uint64_t kLdtOfTwo = 0x82ULL << 40 | 15;
  const std::uint64_t base = c.address().raw();
  emit_.store(window(kPageA + c.offset), descriptor(c.instruction()));
  emit_.store(window(kDescriptors + kLdtSelector), kLdtOfTwo | (base & 0xff'ffff) << 16 | (base >> 24 & 0xff) << 56);
  emit_.store(window(kDescriptors + kLdtSelector + 8), base >> 32);
  emit_.set(Reg::kRax, kLdtSelector);
  emit_.bytes({0x0f, 0x00, 0xd0});  // LLDT
}

void Compiler::drop_descriptor(const Case& c) {
  emit_.store(window(kPageA + c.offset), data_word(kPageA + c.offset));
  emit_.bytes({0x31, 0xc0, 0x8e, 0xc0, 0x0f, 0x00, 0xd0});  // no ES, no local table
}

void Compiler::store_entry(Gpa slot, std::uint64_t value) {
  model::entry_bytes(paging_) == 4 ? emit_.store4(window(slot), value) : emit_.store(window(slot), value);
}

void Compiler::controls(const Case& c) {
  const ControlValues wanted = control_values(c);
  if (current_ == wanted) return;
  if (!current_ || current_->cr0 != wanted.cr0) emit_.set_cr(0, wanted.cr0);
  if (!current_ || current_->efer != wanted.efer) emit_.set_msr(kMsrEfer, wanted.efer);
  if (!current_ || current_->cr4 != wanted.cr4) emit_.set_cr(4, wanted.cr4);
  // Always: neither register goes back to 0 while its bit of CR4 is clear.
  if (c.controls.pke) emit_.set_pkru(wanted.pkru);
  if (c.controls.pks) emit_.set_msr(kMsrPkrs, wanted.pkrs);
  emit_.set_cr(3, kRoot.raw());
  current_ = wanted;
}

void Compiler::entries(const Case& c) {
  for (unsigned level = c.root_level(); level >= c.leaf_a; --level) {
    if (!c.out_of_ram(level)) store_entry(c.slot_a(level), c.a[level]);
  }
  for (unsigned level = c.root_level(); c.second_page() && level >= c.leaf_b; --level)
    store_entry(c.slot_b(level), c.b[level]);
  // PDPTEs are registers. A case about loading them does so itself.
  if (paging_ == model::Paging::kPae && c.instruction().setup != Setup::kCr3) emit_.set_cr(3, kRoot.raw());
}

void Compiler::change(const Case& c) {
  const Change& change = *c.change;
  if (change.warm_form == kWrite8) emit_.store(window(kPageA), data_word(kPageA));
  if (change.pcids) load_pcid(change.pcids->store, change.pcids->keep);
  store_entry(c.slot_a(change.level), change.value);
  flush(c, change.flush);
  if (change.pcids) load_pcid(change.pcids->last, change.pcids->keep);
}

void Compiler::load_pcid(unsigned pcid, bool keep) {
  emit_.set_cr(3, kRoot.raw() | pcid | (keep ? std::uint64_t{1} << 63 : 0));
}

// SDM vol. 2, "INVPCID": the type in a register; PCID and address in memory.
void Compiler::invpcid(const Case& c, Flush how) {
  const Gva operand = window(kScratch) + 0x40;
  emit_.store(operand, c.change->pcids->invalidated);
  emit_.store(operand + 8, c.address().page_base().raw());
  emit_.set(Reg::kRdi, operand.raw());
  emit_.set(Reg::kRax, static_cast<unsigned>(how) - static_cast<unsigned>(Flush::kInvpcidAddress));
  emit_.bytes({0x66, 0x0f, 0x38, 0x82, 0x07});  // INVPCID RAX, [RDI]
}

void Compiler::flush(const Case& c, Flush how) {
  switch (how) {
    case Flush::kNone: return;
    case Flush::kInvlpg:
      if (c.region == Region::kNonCanonical) return;
      emit_.set(Reg::kRdi, c.address().page_base().raw());
      emit_.bytes({0x0f, 0x01, 0x3f});
      if (c.second_page()) {
        emit_.set(Reg::kRdi, c.address().page_base().raw() + kPageSize);
        emit_.bytes({0x0f, 0x01, 0x3f});
      }
      return;
    case Flush::kReloadCr3: emit_.set_cr(3, kRoot.raw()); return;
    case Flush::kTogglePge: {
      const std::uint64_t cr4 = control_values(c).cr4;
      emit_.set_cr(4, cr4 ^ 1U << 7);
      emit_.set_cr(4, cr4);
      return;
    }
    case Flush::kInvpcidAddress:
    case Flush::kInvpcidContext:
    case Flush::kInvpcidAll:
    case Flush::kInvpcidAllButGlobal: invpcid(c, how); return;
  }
}

void Compiler::registers(const Case& c, const Form& form, bool user) {
  const std::uint64_t buffer = user ? user_data_at(paging_).raw() : window(kScratch).raw();
  const std::uint64_t address = c.address().raw();
  const bool strings = form.code[0] == 0xf3 || (form.code[0] == 0x48 && form.code[1] >= 0xa4 && form.code[1] <= 0xaf);
  emit_.set(Reg::kRdi, form.setup == Setup::kRsi ? buffer + kTargetBuffer : address);
  if (strings) emit_.set(Reg::kRsi, form.setup == Setup::kRsi ? address : buffer);
  if (form.repeated) emit_.set(Reg::kRcx, kRcxBefore);
  if (form.code[0] == 0xf0) emit_.set(Reg::kRdx, kRdxBefore);
  if (form.touch_count != 0 && form.touches[0].kind != model::Kind::kFetch) emit_.set(Reg::kRax, kRaxBefore);
  if (form.setup == Setup::kCr3) emit_.set(Reg::kRax, kRoot.raw());
  if (form.implicit()) emit_.set(Reg::kRax, kSelector);
}

void Compiler::enter_user(const Case& c, unsigned index) {
  const Form& form = forms()[index];
  const Gva frame = window(kIretFrame);
  std::uint64_t rsp = user_data_at(paging_).raw() + kUserStack;
  if (form.setup == Setup::kRsp) rsp = c.address().raw();
  if (form.setup == Setup::kRspAbove) rsp = c.address().raw() + 8;
  const std::uint64_t flags = kUserFlags | (c.ac ? kAcFlag : 0), code = user_code(paging_, index).raw();
  if (emit_.legacy()) {
    emit_.store4(frame, code);
    emit_.store4(frame + 8, flags);
    emit_.store4(frame + 12, rsp);
  } else {
    emit_.store(frame, code);
    emit_.store(frame + 16, flags);
    emit_.store(frame + 24, rsp);
  }
  registers(c, form, true);
  emit_.set(Reg::kRsp, frame.raw());
  if (!emit_.legacy()) emit_.bytes({0x48});
  emit_.bytes({0xcf});  // IRET
}

Placed Compiler::access(const Case& c, unsigned index, bool user) {
  const Form& form = forms()[index];
  const std::size_t resume = emit_.set_resume_later();
  Placed placed;
  if (user) {
    enter_user(c, index);
    placed = {user_code(paging_, index), user_code(paging_, index) + form.length};
  } else {
    emit_.set(Reg::kRsp, window(kStackTop).raw());
    // What POP to the operand reads.
    if (form.code[0] == 0x8f) {
      emit_.store(window(kStackTop) - 8, kBufferWord);
      emit_.set(Reg::kRsp, (window(kStackTop) - 8).raw());
    }
    if (c.ac) emit_.set_flags(kSupervisorFlags | kAcFlag);
    registers(c, form, false);
    if (form.setup == Setup::kRsp) emit_.set(Reg::kRsp, c.address().raw());
    if (form.setup == Setup::kRspAbove) emit_.set(Reg::kRsp, c.address().raw() + 8);
    placed.instruction = emit_.here();
    emit_.bytes(std::span(form.code).first(form.length));
    placed.next = emit_.here();
    emit_.save(FL_CONFORM_RAX, Reg::kRax);
    emit_.save(FL_CONFORM_RCX, Reg::kRcx);
    emit_.save_first(kWentOn);
  }
  emit_.patch(resume, emit_.here());
  if (c.ac || (!user && form.stack())) emit_.set(Reg::kRsp, window(kStackTop).raw());
  // AC is left as it is by the way through a gate: user code's too.
  if (c.ac) emit_.set_flags(kSupervisorFlags);
  return placed;
}

void Compiler::read_back(const Case& c, Gva record) {
  const bool both = c.second_page();
  const bool narrow = model::entry_bytes(paging_) == 4;
  const auto copy_entry = [&](Gpa slot, Gva at) {
    narrow ? emit_.copy4(window(slot), at) : emit_.copy(window(slot), at);
  };
  const Gva to = record + FL_CONFORM_ENTRIES;
  for (unsigned level = 1; level <= c.root_level(); ++level) {
    const bool nothing = c.storage == Storage::kAbsent && c.out_of_ram(level);
    if (level >= c.leaf_a && !nothing) copy_entry(c.slot_a(level), to + (level - 1) * 8);
    if (both && level >= c.leaf_b) copy_entry(c.slot_b(level), to + (level + 4) * 8);
  }
  const Form& form = c.instruction();
  if (form.touch_count != 0 && form.touches[0].kind != model::Kind::kRead && !form.fetch()) {
    const Gpa first = kPageA + (c.offset & ~std::uint64_t{7});
    for (unsigned i = 0; i < 3; ++i) {
      emit_.copy(window(first + i * 8), record + FL_CONFORM_DATA + i * 8);
      emit_.store(window(first + i * 8), data_word(first + i * 8));
    }
  }
  // Where a change of frames leads; what is read back is the usual place alone.
  if (c.change && c.form == kWrite8) emit_.store(window(kOtherPage), data_word(kOtherPage));
  emit_.store(record + FL_CONFORM_DONE, 1);
}

void Compiler::finish() { emit_.jump(window(kEndOfBatch)); }

void write_end_of_batch(std::span<std::byte> at, model::Paging paging) {
  Emitter emit(at, window(kEndOfBatch, paging), size_of(paging));
  emit.bytes({0xe6, FL_CONFORM_PORT_DONE});
  emit.jump(window(kCode));
}

void write_start(std::span<std::byte> at, model::Paging paging) {
  Emitter emit(at, window(kStart, paging), size_of(paging));
  emit.set(Reg::kRax, FL_TSS);
  emit.bytes({0x0f, 0x00, 0xd8});
  emit.jump(window(kCode));
}

void write_user_pages(std::span<std::byte> page, std::span<std::byte> data) {
  std::memcpy(data.data(), &kBufferWord, sizeof kBufferWord);
  std::memcpy(data.data() + kUserStack, &kBufferWord, sizeof kBufferWord);
  for (unsigned i = 0; i < forms().size(); ++i) {
    const Form& form = forms()[i];
    std::byte* at = page.data() + i * kUserCodeBytes;
    std::memcpy(at, form.code.data(), form.length);
    at[form.length] = std::byte{0x0f};
    at[form.length + 1] = std::byte{0x0b};
  }
}

}  // namespace faultline::vmm::conform
