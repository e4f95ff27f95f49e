// What a fault record costs beside the fault: decoding, verdict, and each way to write it.
#include <benchmark/benchmark.h>

#include <array>

#include "vmm/decode/decoder.hpp"
#include "vmm/record/format.hpp"

namespace faultline::vmm {
namespace {

constexpr std::array<std::byte, 15> kMovToMemory = {std::byte{0x89}, std::byte{0x08}};  // mov [rax], ecx

void run_decode(benchmark::State& state, decode::CrossCheck cross_check) {
  auto decoder = decode::Decoder::create({.cross_check = cross_check});
  if (!decoder) return state.SkipWithError(decoder.error().message.c_str());
  const decode::RegisterFile file;
  for (auto _ : state) {
    const decode::Instruction instruction = decoder->decode(kMovToMemory, file);
    benchmark::DoNotOptimize(decode::judge(instruction, Gva(0), mmu::ErrorCode(6)));
  }
}
void BM_DecodeZydis(benchmark::State& state) { run_decode(state, decode::CrossCheck::kOff); }
BENCHMARK(BM_DecodeZydis);
void BM_DecodeCrossChecked(benchmark::State& state) { run_decode(state, decode::CrossCheck::kOn); }
BENCHMARK(BM_DecodeCrossChecked);

FaultRecord sample_record(decode::Decoder& decoder) {
  FaultRecord record;
  record.backend = "bench";
  record.error = mmu::ErrorCode(6);
  record.instruction = decoder.decode(kMovToMemory, {});
  record.verdict = decode::judge(record.instruction, record.address, record.error);
  record.edits.add({Gva(0), 1, Gpa(0x1000), mmu::Pte(), mmu::Pte(0x99067)});
  record.edits.add_allocated(Gfn(0x99));
  return record;
}

template <class Write>
void run_write(benchmark::State& state, Write write) {
  auto decoder = decode::Decoder::create();
  if (!decoder) return state.SkipWithError(decoder.error().message.c_str());
  const FaultRecord record = sample_record(*decoder);
  fmt::memory_buffer out;
  for (auto _ : state) {
    out.clear();
    write(out, record);
    benchmark::DoNotOptimize(out.data());
  }
}
void BM_RecordJson(benchmark::State& state) {
  run_write(state, [](fmt::memory_buffer& out, const FaultRecord& r) { append_json(out, r); });
}
BENCHMARK(BM_RecordJson);
void BM_RecordText(benchmark::State& state) {
  run_write(state, [](fmt::memory_buffer& out, const FaultRecord& r) { append_text(out, r); });
}
BENCHMARK(BM_RecordText);

}  // namespace
}  // namespace faultline::vmm
