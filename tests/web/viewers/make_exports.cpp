// Writes the two exports of a run made by hand: make_exports TRACE FOLDED.
#include <cstdio>

#include "tests/unit/export/small_run.hpp"
#include "vmm/export/folded_stacks.hpp"
#include "vmm/export/trace_writer.hpp"

using namespace faultline::vmm;

namespace {
bool save(const char* path, const fmt::memory_buffer& bytes) {
  std::FILE* file = std::fopen(path, "w");
  if (file == nullptr) return false;
  const bool whole = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  return std::fclose(file) == 0 && whole;
}
}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  fmt::memory_buffer trace, folded;
  exports::TraceWriter writer(trace, recording::small_run_info());
  exports::FoldedStacks stacks;
  for (const recording::Event& event : recording::small_run()) {
    writer.add(event);
    stacks.add(event);
  }
  writer.finish("");
  stacks.append(folded, exports::Weight::kNanoseconds);
  return save(argv[1], trace) && save(argv[2], folded) ? 0 : 1;
}
