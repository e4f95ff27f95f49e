#include "tests/unit/recording/fuzz_reader.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "vmm/record/format.hpp"
#include "vmm/recording/codec.hpp"
#include "vmm/recording/file_format.hpp"
#include "vmm/recording/state.hpp"

namespace {

using namespace faultline;
using namespace faultline::vmm;
using namespace faultline::vmm::recording;

// What the views of a recording do with every event.
void use(Event& event, MachineState& state, decode::Decoder& decoder, fmt::memory_buffer& text) {
  if (auto* fault = std::get_if<Fault>(&event.body)) {
    decode_instruction(decoder, fault->input, fault->record);
    append_json(text, fault->record);
    append_text(text, fault->record);
    text.clear();
  }
  state.apply(event);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static auto decoder = decode::Decoder::create({.cross_check = decode::CrossCheck::kOff});
  static const auto steps = all_fault_steps();
  if (size == 0 || size > kMaxFrameBytes) return 0;
  const auto mode = (data[0] & 1) != 0 ? mmu::PagingMode::kFiveLevel : mmu::PagingMode::kFourLevel;
  Decoder frame({data + 1, size - 1}, mode, 0, steps);
  MachineState state;
  fmt::memory_buffer text;
  Event event;
  std::uint64_t events = 0;
  while (frame.next(event)) {
    event.number = ++events;
    use(event, state, *decoder, text);
    static_cast<void>(state.walk(event.process, Gva(event.time_ns), mode));
  }
  // Each event takes a byte at least, or memory would not be bounded by the file's size.
  return events < size ? 0 : -1;
}

namespace faultline::vmm::recording {

std::vector<std::pair<std::string, std::vector<std::uint8_t>>> fuzz_corpus() {
  std::vector<std::pair<std::string, std::vector<std::uint8_t>>> corpus;
  const std::string folder = std::string(FAULTLINE_SOURCE) + "/tests/unit/recording/corpus";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    corpus.emplace_back(entry.path().filename(), std::vector<std::uint8_t>{std::istreambuf_iterator<char>(file), {}});
  }
  std::ranges::sort(corpus);
  return corpus;
}

}  // namespace faultline::vmm::recording
