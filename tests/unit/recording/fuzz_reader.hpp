// The entry of a fuzzer for the reader, and its corpus. An input is the payload of one frame as it
// is before compression; its first byte chooses the paging mode. Linked with libFuzzer's main
// (clang++ -fsanitize=fuzzer,address) it is a fuzzer; the unit tests run it over the corpus.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace faultline::vmm::recording {

// By file name.
std::vector<std::pair<std::string, std::vector<std::uint8_t>>> fuzz_corpus();

}  // namespace faultline::vmm::recording
