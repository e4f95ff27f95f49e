// Programs for libFuzzer and for whatever else drives its entry points: mmu with the model's
// processor against the reference, and now and then one metamorphic relation. A disagreement that
// no rule explains is told on standard error and aborts.
//
// clang links this object with -fsanitize=fuzzer (FAULTLINE_LIBFUZZER=ON). AFL++ takes the same
// object: afl-clang-fast++ -fsanitize=fuzzer links its own driver for these entry points, which does
// without LLVMFuzzerCustomMutator. Without any of them standalone_main.cpp makes a program of it
// that runs files.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "vmm/fuzz/binary.hpp"
#include "vmm/fuzz/finding/finding.hpp"
#include "vmm/fuzz/generate.hpp"
#include "vmm/fuzz/judge.hpp"
#include "vmm/fuzz/known.hpp"
#include "vmm/fuzz/mutate.hpp"
#include "vmm/fuzz/relations.hpp"
#include "vmm/fuzz/signature.hpp"
#include "vmm/fuzz/text.hpp"

using namespace faultline;
using namespace faultline::vmm::fuzz;

namespace {

// One program in so many is also put to a relation; which one depends on its bytes alone, so that
// an input always does the same.
constexpr std::uint64_t kRelationShare = 8;
constexpr unsigned kNewOperations = 16;

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "faultline: %s\n", why.c_str());
  std::abort();
}

template <class T>
T need(Result<T> result) {
  if (!result) give_up(result.error().message);
  return std::move(*result);
}

struct Bench {
  std::unique_ptr<Judge> reference = make_reference();
  std::unique_ptr<Judge> model = need(make_model());
  KnownDeviations known = need(KnownDeviations::built_in());
};
Bench& bench() {
  static Bench the;
  return the;
}

void report(const Program& program, const Disagreement& what, const Trace& trace) {
  if (bench().known.explains(program, what) != nullptr) return;
  give_up(fmt::format("{}\n{}\n{}", summary(program, what), signature(program, what, trace), to_text(program)));
}

void put_to_a_relation(const Program& program, const Trace& trace, std::uint64_t number) {
  const auto all = relations();
  const auto what = need(check_relation(all[number % all.size()], *bench().model, program, trace));
  if (what) report(program, *what, trace);
}

Result<Program> parse(std::span<const std::byte> bytes) {
  if (!bytes.empty() && bytes.front() == kBinaryMagic.front()) return parse_binary(bytes, "input");
  return parse_text({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "input");
}

std::span<const std::byte> as_bytes(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span(data, size));
}

Program parse_or_make(const std::uint8_t* data, std::size_t size, std::mt19937_64& random) {
  if (auto program = parse(as_bytes(data, size))) return std::move(*program);
  GenerateOptions options;
  options.operations = kNewOperations;
  options.raw = random() % 4 == 0;
  options.failures = random() % 4 == 0;
  return generate(random, options);
}

// As many operations as there is room for.
std::size_t write_to(Program program, std::uint8_t* out, std::size_t room) {
  std::vector<std::byte> bytes = to_binary(program);
  while (bytes.size() > room && !program.operations.empty()) {
    program.operations.resize(program.operations.size() / 2);
    bytes = to_binary(program);
  }
  if (bytes.size() > room) return 0;
  std::memcpy(out, bytes.data(), bytes.size());
  return bytes.size();
}

}  // namespace

// What a rule file explains in addition: FAULTLINE_KNOWN in the environment.
extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  if (const char* file = std::getenv("FAULTLINE_KNOWN")) {
    if (const auto added = bench().known.add(need(KnownDeviations::load(file))); !added) give_up(added.error().message);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto program = parse(as_bytes(data, size));
  if (!program) return 0;
  const Trace model = need(bench().model->run(*program));
  const Trace reference = need(bench().reference->run(*program));
  if (const auto what = compare(*program, reference, model)) report(*program, *what, model);
  const std::uint64_t hash = content_hash(as_bytes(data, size));
  if (hash % kRelationShare == 0) put_to_a_relation(*program, model, hash / kRelationShare);
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  std::mt19937_64 random(seed);
  Program program = parse_or_make(data, size, random);
  mutate(program, random);
  return write_to(std::move(program), data, max_size);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* data, std::size_t size, const std::uint8_t* other,
                                                 std::size_t other_size, std::uint8_t* out, std::size_t room,
                                                 unsigned seed) {
  std::mt19937_64 random(seed);
  const Program a = parse_or_make(data, size, random), b = parse_or_make(other, other_size, random);
  return write_to(crossover(a, b, random), out, room);
}
