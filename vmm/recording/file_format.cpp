#include "vmm/recording/file_format.hpp"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

#include "vmm/recording/codec.hpp"

namespace faultline::vmm::recording {

namespace {

// As PNG's: a byte that is no ASCII, and line ends that a text transfer would change.
constexpr std::array<std::uint8_t, 8> kMagic = {0x8f, 'F', 'L', 'R', 'E', 'C', '\r', '\n'};
constexpr std::uint32_t kFrameMagic = 0x4d46'4c46;  // "FLFM"

template <class Number>
void put(std::span<std::uint8_t> to, std::size_t at, Number value) {
  for (std::size_t i = 0; i < sizeof value; ++i) to[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
}
template <class Number>
Number get(std::span<const std::uint8_t> from, std::size_t at) {
  Number value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i)
    value = static_cast<Number>(value | static_cast<Number>(from[at + i]) << (8 * i));
  return value;
}

// The same for both directions, as fields.hpp.
template <class Io, class Info>
void info_fields(Io& io, Info& info) {
  io.text(info.faultline_version);
  io.text(info.backend);
  io.text(info.linux_behaviour);
  io.text(info.host_kernel);
  io.text(info.cpu);
  std::size_t words = info.command.size();
  io.count(words, kMaxInfoBytes);
  if constexpr (!Io::kWrites) info.command.resize(words);
  for (auto& word : info.command) io.text(word);
  plain(io, info.memory_bytes);
  enumeration(io, info.mode, 2);
  plain(io, info.started_unix_ns);
  std::uint8_t registers = info.registers ? 1 : 0;
  io.byte(registers);
  io.require(registers < 2);
  assign(info.registers, registers != 0);
  plain(io, info.ring_bytes);
}

// Numbers of steps change with Faultline's versions, their names do not.
template <class Io>
void step_fields(Io& io, std::vector<mmu::FaultStep>& steps) {
  const std::vector<mmu::FaultStep> known = all_fault_steps();
  std::size_t n = known.size();
  io.count(n, 256);
  for (std::size_t i = 0; i < n && io.good(); ++i) {
    if constexpr (Io::kWrites) {
      io.text(mmu::name(known[i]));
    } else {
      const std::string_view name = io.text_view();
      const auto found = std::ranges::find_if(known, [name](mmu::FaultStep step) { return mmu::name(step) == name; });
      io.require(found != known.end());
      if (io.good()) steps.push_back(*found);
    }
  }
}

}  // namespace

std::uint64_t checksum(std::span<const std::uint8_t> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::array<std::uint8_t, kFrameHeadBytes> pack(const FrameHead& head) {
  std::array<std::uint8_t, kFrameHeadBytes> to{};
  put(to, 0, kFrameMagic);
  to[4] = static_cast<std::uint8_t>(head.kind);
  to[5] = head.last ? 1 : 0;
  put(to, 8, head.sequence);
  put(to, 16, head.first_event);
  put(to, 24, head.base_ns);
  put(to, 32, head.events);
  put(to, 36, head.raw_bytes);
  put(to, 40, head.stored_bytes);
  put(to, 48, head.checksum);
  put(to, 56, checksum(std::span(to).first(56)));
  return to;
}

std::optional<FrameHead> unpack(std::span<const std::uint8_t, kFrameHeadBytes> from) {
  if (get<std::uint32_t>(from, 0) != kFrameMagic) return std::nullopt;
  if (get<std::uint64_t>(from, 56) != checksum(from.first(56))) return std::nullopt;
  if (from[4] > static_cast<std::uint8_t>(FrameKind::kKeyframeLast) || from[5] > 1) return std::nullopt;
  FrameHead head;
  head.kind = static_cast<FrameKind>(from[4]);
  head.last = from[5] != 0;
  head.sequence = get<std::uint64_t>(from, 8);
  head.first_event = get<std::uint64_t>(from, 16);
  head.base_ns = get<std::uint64_t>(from, 24);
  head.events = get<std::uint32_t>(from, 32);
  head.raw_bytes = get<std::uint32_t>(from, 36);
  head.stored_bytes = get<std::uint32_t>(from, 40);
  head.checksum = get<std::uint64_t>(from, 48);
  return head;
}

Bytes pack(const RunInfo& info) {
  Out out;
  info_fields(out, info);
  std::vector<mmu::FaultStep> none;
  step_fields(out, none);
  Bytes to(kFileHeadBytes + out.bytes().size());
  std::ranges::copy(kMagic, to.begin());
  put(to, 8, kFormatVersion);
  put(to, 12, static_cast<std::uint32_t>(out.bytes().size()));
  put(to, 16, checksum(out.bytes()));
  std::ranges::copy(out.bytes(), to.begin() + kFileHeadBytes);
  return to;
}

Result<FileHead> unpack_file_head(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < kFileHeadBytes || !std::ranges::equal(bytes.first(kMagic.size()), kMagic))
    return fail("not a recording of faultline");
  const auto version = get<std::uint32_t>(bytes, 8);
  if (version != kFormatVersion)
    return fail(fmt::format("version {} of the format; this faultline reads version {}", version, kFormatVersion));
  const FileHead head{get<std::uint32_t>(bytes, 12), get<std::uint64_t>(bytes, 16)};
  if (head.info_bytes > kMaxInfoBytes) return fail("its head is damaged");
  return head;
}

Result<FileInfo> unpack_info(std::span<const std::uint8_t> bytes) {
  FileInfo read;
  In in(bytes);
  info_fields(in, read.info);
  step_fields(in, read.step_of);
  if (!in.good() || !in.at_end()) return fail("its head is damaged, or of a faultline with other fault paths");
  return read;
}

}  // namespace faultline::vmm::recording
