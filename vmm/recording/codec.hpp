// Events to the bytes of a frame and back. Each frame begins with a fresh codec and can be read
// without the others.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "vmm/recording/event.hpp"
#include "vmm/recording/fields.hpp"
#include "vmm/recording/wire.hpp"

namespace faultline::vmm::recording {

// A fault as the recorder has it, with nothing copied.
struct FaultParts {
  const FaultRecord& record;
  std::uint64_t ended_ns = 0;
  std::span<const mmu::PteEdit> edits;
  const InstructionInput& input;
};

class Encoder {
 public:
  explicit Encoder(mmu::PagingMode mode) : mode_(mode) {}
  // Forgets all: the next event is the first of a frame whose times count from `base_ns`.
  void begin(std::uint64_t base_ns);
  void add(std::uint64_t time_ns, std::uint32_t process, const Body& body);
  void add(std::uint64_t time_ns, std::uint32_t process, const FaultParts& fault);
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return out_.bytes(); }

 private:
  mmu::PagingMode mode_;
  Out out_;
  Context context_;
};

// Of one frame, in order. Bytes are hostile: what makes no sense ends the frame.
class Decoder {
 public:
  // `bytes` outlive the decoder. `step_of` names this build's step for each number in the file.
  Decoder(std::span<const std::uint8_t> bytes, mmu::PagingMode mode, std::uint64_t base_ns,
          std::span<const mmu::FaultStep> step_of);
  // Fills in all but the number. False at the end, and when good() is false.
  bool next(Event& event);
  [[nodiscard]] bool good() const { return in_.good(); }

 private:
  In in_;
  Context context_;
  std::span<const mmu::FaultStep> step_of_;
};

// The steps of the fault path by their numbers in this build.
std::vector<mmu::FaultStep> all_fault_steps();

}  // namespace faultline::vmm::recording
