// The parts of a recording's file: a head, then frames. docs/recording.md is the reference. All
// numbers outside frames' payloads are little-endian and of fixed size.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mmu/base/result.hpp"
#include "vmm/recording/event.hpp"
#include "vmm/recording/wire.hpp"

namespace faultline::vmm::recording {

inline constexpr std::uint32_t kFormatVersion = 1;

// A frame is sealed when its events take this much, and is never larger than the maximum.
inline constexpr std::size_t kFrameBytes = 64 << 10, kMaxFrameBytes = 1 << 20;
// In a ring every frame begins at a multiple of this.
inline constexpr std::uint64_t kRingAlignment = 256;

enum class FrameKind : std::uint8_t {
  kEvents,
  kKeyframe,      // what the machine is like before `first_event`, in events; goes on in the next frame
  kKeyframeLast,  // the last frame of that
};

struct FrameHead {
  FrameKind kind = FrameKind::kEvents;
  bool last = false;  // the recording ends with it, and is whole
  std::uint32_t events = 0;
  std::uint64_t sequence = 0;  // counts the frames of a recording, from 0
  std::uint64_t first_event = 0;
  std::uint64_t base_ns = 0;       // times in it count from here
  std::uint32_t raw_bytes = 0;     // of the payload
  std::uint32_t stored_bytes = 0;  // of the payload as it is stored, compressed
  std::uint64_t checksum = 0;      // of the stored payload
};
inline constexpr std::size_t kFrameHeadBytes = 64;

std::array<std::uint8_t, kFrameHeadBytes> pack(const FrameHead& head);
// Nothing where no frame can begin: no magic, or its own checksum does not match.
std::optional<FrameHead> unpack(std::span<const std::uint8_t, kFrameHeadBytes> bytes);
std::uint64_t checksum(std::span<const std::uint8_t> bytes);

// The head of the file, magic to checksum.
Bytes pack(const RunInfo& info);
inline constexpr std::size_t kFileHeadBytes = 24, kMaxInfoBytes = 1 << 20;
struct FileHead {
  std::uint32_t info_bytes = 0;  // that follow
  std::uint64_t checksum = 0;    // of those
};
Result<FileHead> unpack_file_head(std::span<const std::uint8_t> bytes);
struct FileInfo {
  RunInfo info;
  std::vector<mmu::FaultStep> step_of;  // this build's, by the number that the file uses
};
Result<FileInfo> unpack_info(std::span<const std::uint8_t> bytes);

}  // namespace faultline::vmm::recording
