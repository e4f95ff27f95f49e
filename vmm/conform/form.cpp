#include "vmm/conform/form.hpp"

namespace faultline::vmm::conform {
namespace {

using model::Kind;

template <std::size_t N>
constexpr Form make(std::string_view name, std::string_view text, const std::uint8_t (&code)[N], unsigned bytes,
                    Kind kind) {
  Form f;
  f.name = name;
  f.text = text;
  for (std::size_t i = 0; i < N; ++i) f.code[i] = code[i];
  f.length = N;
  if (bytes != 0) {
    f.touches[0] = {0, bytes, kind};
    f.touch_count = 1;
  }
  return f;
}

template <std::size_t N>
constexpr Form load(std::string_view name, std::string_view text, const std::uint8_t (&code)[N], unsigned bytes) {
  Form f = make(name, text, code, bytes, Kind::kRead);
  f.load_bytes = static_cast<std::uint8_t>(bytes);
  return f;
}

template <std::size_t N>
constexpr Form store(std::string_view name, std::string_view text, const std::uint8_t (&code)[N], unsigned bytes) {
  Form f = make(name, text, code, bytes, Kind::kWrite);
  f.effect = Effect::kStore;
  return f;
}

template <std::size_t N>
constexpr Form change(std::string_view name, std::string_view text, const std::uint8_t (&code)[N], unsigned bytes,
                      Effect effect, unsigned load_bytes = 0) {
  Form f = make(name, text, code, bytes, Kind::kReadWrite);
  f.effect = effect;
  f.load_bytes = static_cast<std::uint8_t>(load_bytes);
  return f;
}

constexpr Form with(Form f, Setup setup) {
  f.setup = setup;
  return f;
}
constexpr Form with(Form f, Effect effect) {
  f.effect = effect;
  return f;
}
constexpr Form with(Form f, Who who) {
  f.who = who;
  return f;
}
constexpr Form repeated(Form f, Touch second) {
  f.touches[1] = second;
  f.touch_count = 2;
  f.repeated = true;
  return f;
}
constexpr Form sse(Form f) {
  f.sse = true;
  return f;
}

// Case numbers hold indices into this: new forms go to the end.
constexpr std::array kForms = {
    load("read8", "mov rax, [rdi]", {0x48, 0x8b, 0x07}, 8),
    store("write8", "mov [rdi], rax", {0x48, 0x89, 0x07}, 8),
    make("fetch", "jmp rdi", {0xff, 0xe7}, 2, Kind::kFetch),
    load("read1", "mov al, [rdi]", {0x8a, 0x07}, 1),
    load("read2", "mov ax, [rdi]", {0x66, 0x8b, 0x07}, 2),
    load("read4", "mov eax, [rdi]", {0x8b, 0x07}, 4),
    store("write1", "mov [rdi], al", {0x88, 0x07}, 1),
    store("write2", "mov [rdi], ax", {0x66, 0x89, 0x07}, 2),
    store("write4", "mov [rdi], eax", {0x89, 0x07}, 4),
    change("add8", "add [rdi], rax", {0x48, 0x01, 0x07}, 8, Effect::kAdd),
    change("lock-add8", "lock add [rdi], rax", {0xf0, 0x48, 0x01, 0x07}, 8, Effect::kAdd),
    change("xchg8", "xchg [rdi], rax", {0x48, 0x87, 0x07}, 8, Effect::kStore, 8),
    change("cmpxchg8-unequal", "lock cmpxchg [rdi], rdx", {0xf0, 0x48, 0x0f, 0xb1, 0x17}, 8, Effect::kNone, 8),
    change("inc4", "inc dword [rdi]", {0xff, 0x07}, 4, Effect::kIncrement),
    change("bts8", "bts qword [rdi], 4", {0x48, 0x0f, 0xba, 0x2f, 0x04}, 8, Effect::kSetBit4),
    make("test8", "test [rdi], rax", {0x48, 0x85, 0x07}, 8, Kind::kRead),
    make("cmp8", "cmp [rdi], rax", {0x48, 0x39, 0x07}, 8, Kind::kRead),
    with(make("movs-from", "movsq", {0x48, 0xa5}, 8, Kind::kRead), Setup::kRsi),
    with(make("movs-to", "movsq", {0x48, 0xa5}, 8, Kind::kWrite), Effect::kStoreBuffer),
    store("stos8", "stosq", {0x48, 0xab}, 8),
    with(load("lods8", "lodsq", {0x48, 0xad}, 8), Setup::kRsi),
    make("scas8", "scasq", {0x48, 0xaf}, 8, Kind::kRead),
    with(make("cmps8", "cmpsq", {0x48, 0xa7}, 8, Kind::kRead), Setup::kRsi),
    with(repeated(store("rep-stos8", "rep stosq", {0xf3, 0x48, 0xab}, 8), {8, 8, Kind::kWrite}), Effect::kStoreTwice),
    with(repeated(make("rep-movs-from", "rep movsq", {0xf3, 0x48, 0xa5}, 8, Kind::kRead), {8, 8, Kind::kRead}),
         Setup::kRsi),
    make("push-operand", "push qword [rdi]", {0xff, 0x37}, 8, Kind::kRead),
    with(make("pop-operand", "pop qword [rdi]", {0x8f, 0x07}, 8, Kind::kWrite), Effect::kStoreBuffer),
    with(store("push", "push rax", {0x50}, 8), Setup::kRspAbove),
    with(load("pop", "pop rax", {0x58}, 8), Setup::kRsp),
    with(with(make("call", "call next", {0xe8, 0, 0, 0, 0}, 8, Kind::kWrite), Effect::kStoreNext), Setup::kRspAbove),
    sse(make("read16", "movups xmm1, [rdi]", {0x0f, 0x10, 0x0f}, 16, Kind::kRead)),
    sse(with(make("write16", "movups [rdi], xmm0", {0x0f, 0x11, 0x07}, 16, Kind::kWrite), Effect::kStoreXmm)),
    make("clflush", "clflush [rdi]", {0x0f, 0xae, 0x3f}, 1, Kind::kRead),
    make("prefetch", "prefetcht0 [rdi]", {0x0f, 0x18, 0x0f}, 0, Kind::kRead),
    make("nop", "nop [rdi]", {0x0f, 0x1f, 0x07}, 0, Kind::kRead),
    with(make("invlpg", "invlpg [rdi]", {0x0f, 0x01, 0x3f}, 0, Kind::kRead), Who::kSupervisorOnly),
    with(with(make("load-cr3", "mov cr3, rax", {0x0f, 0x22, 0xd8}, 0, Kind::kRead), Who::kSupervisorOnly), Setup::kCr3),
    with(make("load-segment", "mov es, eax", {0x8e, 0xc0}, 8, Kind::kRead), Setup::kLdt),
    with(change("load-fresh-segment", "mov es, eax", {0x8e, 0xc0}, 8, Effect::kSetAccessed), Setup::kLdt),
};
static_assert(kForms[kIncrement4].name == "inc4" && kForms[kLoadCr3].name == "load-cr3");
static_assert(kForms[kLoadSegment].implicit() && kForms[kLoadFreshSegment].effect == Effect::kSetAccessed);

}  // namespace

std::span<const Form> forms() { return kForms; }

}  // namespace faultline::vmm::conform
