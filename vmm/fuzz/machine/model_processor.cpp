#include "vmm/fuzz/machine/model_processor.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "mmu/pgtable/slot.hpp"
#include "mmu/space/operations.hpp"

namespace faultline::vmm::fuzz {

namespace {

using model::Kind;

std::uint64_t address_operand(const Operation& o, std::size_t i) {
  return address_of(unpack_address(o.operands[i])).raw();
}
Vpn page_of(std::uint64_t address) { return Gva(address).page(); }
std::uint64_t left_in_page(std::uint64_t address) { return kPageSize - (address & kPageMask); }
bool writes(Kind kind) { return kind == Kind::kWrite || kind == Kind::kReadWrite; }

Kind kind_of(Op op) {
  switch (op) {
    case Op::kRead: return Kind::kRead;
    case Op::kWrite: return Kind::kWrite;
    default: return Kind::kReadWrite;
  }
}

bool allows(const ModelTlb::Page& cached, Kind kind) {
  if (kind == Kind::kFetch) return cached.execute;
  return !writes(kind) || cached.allows_write();
}

}  // namespace

std::optional<std::uint64_t> ModelProcessor::Tables::entry(Gpa slot, unsigned) const {
  if (before != nullptr && slot == before->slot) return before->before;
  if (!memory_.contains(slot.page())) return std::nullopt;
  std::uint64_t value = 0;
  std::memcpy(&value, memory_.at(slot), sizeof value);
  return value;
}

Result<void> ModelProcessor::run(mmu::AddressSpace& mm, std::span<const Operation> accesses, AccessSink& sink) {
  controls_.root = Gpa(mm.tables().root());
  if (drops_ != tlb_.drops()) flips_.clear();
  drops_ = tlb_.drops();
  for (std::size_t i = 0; i < accesses.size(); ++i) {
    done_ = 0;
    const Judged* denied = nullptr;
    AfterFault after = AfterFault::kAgain;
    while (after == AfterFault::kAgain && (denied = attempt(accesses[i])) != nullptr) after = report(*denied, sink, i);
    if (after == AfterFault::kStop) return {};
    if (denied == nullptr) sink.made(i, std::span(loaded_).first(loaded_count_));
  }
  return {};
}

AfterFault ModelProcessor::report(const Judged& denied, AccessSink& sink, std::size_t index) {
  if (denied.verdict == Verdict::kUndefined) {
    sink.undefined(index);
    return AfterFault::kStop;
  }
  const model::Outcome& outcome = denied.outcome;
  if (outcome.vector != model::kPageFault) return sink.exception(index, outcome.vector, outcome.error);
  // A fault drops what the processor has cached of the page, but not what shadow tables have: a flip is not known by
  // it.
  tlb_.drop(controls_.root, outcome.cr2.page());
  return sink.page_fault(index, outcome.cr2, mmu::ErrorCode(outcome.error));
}

model::Answer ModelProcessor::predict(const Part& part) const {
  return model::predict(tables_, cpu_, controls_,
                        {.address = Gva(part.address), .bytes = part.bytes, .kind = part.kind, .user = true});
}

void ModelProcessor::judge(const Part& part, Judged& judged) {
  judged.cached = false;
  judged.data = nullptr;
  const ModelTlb::Page* const cached = flips_.empty() ? tlb_.find(controls_.root, page_of(part.address)) : nullptr;
  if (cached != nullptr && allows(*cached, part.kind)) {
    judged.verdict = Verdict::kAllowed;
    judged.cached = true;
    judged.data = memory_.page(cached->frame).data() + (part.address & kPageMask);
    return;
  }
  model::Answer answer = predict(part);
  judged.verdict = Verdict::kUndefined;
  if (answer.empty()) return;  // a table where there is no memory
  judged.outcome = std::move(answer.front());
  if (!flips_.empty() && depends_on_flip(part, judged.outcome)) return;
  if (judged.outcome.vector != model::kNoFault) {
    judged.verdict = Verdict::kDenied;
    return;
  }
  const Gpa physical = judged.outcome.pages.front().physical;
  if (!memory_.contains(physical.page())) return;
  judged.verdict = Verdict::kAllowed;
  judged.data = memory_.at(physical) + (part.address & kPageMask);
}

// Would the access come out otherwise by an entry as it was before a flip? Then what it does depends
// on what the processor has cached.
bool ModelProcessor::depends_on_flip(const Part& part, const model::Outcome& now) {
  for (const PendingFlip& flip : flips_) {
    const FlippedEntry& entry = flip.entry;
    const std::uint64_t into = part.address - entry.address.raw();
    if (flip.root != controls_.root || into >= mmu::level_span(entry.level)) continue;
    if (std::ranges::find(flip.known, page_of(part.address)) != flip.known.end()) continue;
    tables_.before = &entry;
    const model::Answer then = predict(part);
    tables_.before = nullptr;
    if (then.empty() || then.front().vector != now.vector || then.front().error != now.error) return true;
    if (now.vector != model::kNoFault) continue;
    if (then.front().pages.front().physical != now.pages.front().physical) return true;
    // A translation that is cached sets no Accessed and Dirty that it knows to be set.
    for (const model::EntryAfter& e : now.entries)
      if (e.slot == entry.slot && (e.must & ~e.before & entry.before) != 0) return true;
  }
  return false;
}

void ModelProcessor::use(const Part& part, const Judged& judged) {
  if (judged.cached) return;
  for (const model::EntryAfter& e : judged.outcome.entries) {
    const mmu::PteSlot slot(memory_, e.slot.page(),
                            static_cast<unsigned>(e.slot.page_offset() / sizeof(std::uint64_t)));
    FL_CHECK(slot.set_if_still(slot.load(), e.must));
  }
  tlb_.fill(controls_.root, page_of(part.address), judged.outcome.pages.front(), writes(part.kind));
}

void ModelProcessor::judge_whole(std::uint64_t address, unsigned bytes, Kind kind) {
  const auto first = static_cast<unsigned>(std::min<std::uint64_t>(bytes, left_in_page(address)));
  whole_.count = first < bytes ? 2 : 1;
  whole_.parts[0] = {address, first, kind};
  whole_.parts[1] = {address + first, bytes - first, kind};
  whole_.denied = nullptr;
  for (unsigned i = 0; i < whole_.count; ++i) judge(whole_.parts[i], whole_.judged[i]);
  for (unsigned i = 0; i < whole_.count; ++i) {
    const Judged& j = whole_.judged[i];
    if (j.verdict == Verdict::kAllowed) continue;
    // An address that is not canonical is no address: nothing is translated.
    const bool no_address = j.verdict == Verdict::kDenied && j.outcome.vector != model::kPageFault;
    if (whole_.denied == nullptr || no_address) whole_.denied = &j;
  }
}

const ModelProcessor::Judged* ModelProcessor::attempt(const Operation& access) {
  loaded_count_ = 0;
  switch (access.op) {
    case Op::kFetch: return attempt_fetch(access);
    case Op::kCopy:
    case Op::kFill: return attempt_string(access);
    default: return attempt_plain(access);
  }
}

const ModelProcessor::Judged* ModelProcessor::attempt_plain(const Operation& access) {
  const auto width = static_cast<unsigned>(access.operands[0]);
  judge_whole(address_operand(access, 1), width, kind_of(access.op));
  if (whole_.denied != nullptr) return whole_.denied;
  std::array<std::byte*, 16> bytes{};
  for (unsigned part = 0, n = 0; part < whole_.count; ++part) {
    use(whole_.parts[part], whole_.judged[part]);
    for (unsigned i = 0; i < whole_.parts[part].bytes; ++i) bytes[n++] = whole_.judged[part].data + i;
  }
  std::array<std::byte, 16> before{};
  for (unsigned i = 0; i < width; ++i) before[i] = *bytes[i];
  for (unsigned i = 0; i < width && access.op != Op::kRead; ++i) {
    *bytes[i] = access.op == Op::kModify ? before[(i + width - 1) % width]
                                         : std::byte{pattern_byte(static_cast<unsigned>(access.operands[2]), i)};
  }
  if (access.op != Op::kRead && access.op != Op::kLocked) return nullptr;
  loaded_count_ = width;
  std::memcpy(loaded_.data(), before.data(), width);
  return nullptr;
}

const ModelProcessor::Judged* ModelProcessor::attempt_fetch(const Operation& access) {
  const std::uint64_t address = address_operand(access, 0);
  std::array<std::uint8_t, 2> bytes{};
  FetchEnd end = FetchEnd::kNeedsNext;
  for (unsigned i = 0; end == FetchEnd::kNeedsNext; ++i) {
    part_ = {address + i, 1, Kind::kFetch};
    judge(part_, judged_);
    if (judged_.verdict != Verdict::kAllowed) return &judged_;
    use(part_, judged_);
    bytes[i] = static_cast<std::uint8_t>(*judged_.data);
    end = fetch_end(std::span(bytes).first(i + 1));
  }
  if (end == FetchEnd::kStepped) return nullptr;
  judged_.verdict = Verdict::kDenied;
  judged_.outcome = {};
  judged_.outcome.vector = model::kGeneralProtection;
  return &judged_;
}

const ModelProcessor::Judged* ModelProcessor::attempt_string(const Operation& access) {
  const auto count = static_cast<std::uint64_t>(access.operands[0]);
  const bool copies = access.op == Op::kCopy;
  const std::byte filler{pattern_byte(static_cast<unsigned>(access.operands[2]), 0)};
  while (done_ < count) {
    const std::uint64_t from = address_operand(access, 1) + done_,
                        to = copies ? address_operand(access, 2) + done_ : from;
    const std::byte* source = nullptr;
    std::uint64_t bytes = std::min(count - done_, left_in_page(to));
    if (copies) {
      bytes = std::min(bytes, left_in_page(from));
      part_ = {from, 1, Kind::kRead};
      judge(part_, judged_);
      if (judged_.verdict != Verdict::kAllowed) return &judged_;
      use(part_, judged_);
      source = judged_.data;
    }
    part_ = {to, 1, Kind::kWrite};
    judge(part_, judged_);
    if (judged_.verdict != Verdict::kAllowed) return &judged_;
    use(part_, judged_);
    for (std::uint64_t i = 0; i < bytes; ++i) judged_.data[i] = copies ? source[i] : filler;
    done_ += bytes;
  }
  return nullptr;
}

Result<void> ModelProcessor::adopt(mmu::AddressSpace& mm) {
  if (mm.vmas.find(Gva(kEngineAt)) != nullptr) return {};  // by fork
  const auto mapped = mmu::do_mmap(mm, {.address = kEngineAt,
                                        .length = kEngineEnd - kEngineAt,
                                        .prot = PROT_NONE,
                                        .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED});
  if (!mapped) return fail("the model's own pages cannot be mapped");
  return {};
}

void ModelProcessor::release(mmu::AddressSpace& mm) {
  const Gpa root(mm.tables().root());
  std::erase_if(flips_, [root](const PendingFlip& f) { return f.root == root; });
}

bool ModelProcessor::flip_control(Control control) {
  bool& is = control == Control::kNxe ? controls_.nxe : controls_.wp;
  is = !is;
  tlb_.drop_all();  // software flushes after a change of NXE
  return true;
}

void ModelProcessor::invalidate(mmu::AddressSpace& mm, Gva address) {
  controls_.root = Gpa(mm.tables().root());
  tlb_.invlpg(controls_.root, address.page());
  forget_flips_at(address.page());
}

void ModelProcessor::entry_flipped(mmu::AddressSpace& mm, const FlippedEntry& entry) {
  if (drops_ != tlb_.drops()) flips_.clear();
  drops_ = tlb_.drops();
  flips_.push_back({Gpa(mm.tables().root()), entry, {}});
}

void ModelProcessor::forget_flips_at(Vpn page) {
  for (PendingFlip& flip : flips_)
    if (flip.root == controls_.root) flip.known.push_back(page);
}

}  // namespace faultline::vmm::fuzz
