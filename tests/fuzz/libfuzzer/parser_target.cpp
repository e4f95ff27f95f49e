// What comes from files, for libFuzzer: programs in both forms, rules and the description of a
// finding. Whatever the bytes are, parsers refuse them with a place or take them, and what they
// take survives being written and read again.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

#include "vmm/fuzz/binary.hpp"
#include "vmm/fuzz/finding/finding_json.hpp"
#include "vmm/fuzz/known.hpp"
#include "vmm/fuzz/text.hpp"

using namespace faultline;
using namespace faultline::vmm::fuzz;

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "faultline: %s\n", what);
  std::abort();
}

// One line that begins with the name of the file.
template <class T>
bool refused_well(const Result<T>& result) {
  const std::string& message = result.error().message;
  return message.starts_with("input:") && message.find('\n') == std::string::npos;
}

void check_program(const Result<Program>& program) {
  if (!program) return require(refused_well(program), "a refusal without a place, or of several lines");
  require(!illegal(*program), "a program that is not legal was taken");
  require(parse_text(to_text(*program), "again") == *program, "the text form does not survive");
  require(parse_binary(to_binary(*program), "again") == *program, "the binary form does not survive");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto bytes = std::as_bytes(std::span(data, size));
  check_program(parse_text(text, "input"));
  check_program(parse_binary(bytes, "input"));
  if (const auto known = KnownDeviations::parse(text, "input"); !known)
    require(refused_well(known), "rules refused without a place, or in several lines");
  const auto finding = parse_finding_json(text, "input");
  if (!finding) {
    require(refused_well(finding), "a finding refused without a place, or in several lines");
  } else {
    const auto again = parse_finding_json(to_json(*finding), "again");
    require(again && again->disagreement == finding->disagreement && again->signature == finding->signature,
            "a finding does not survive");
  }
  return 0;
}
